using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Eyrie.ControlPlane.Api.Streaming.Spdy;

namespace Eyrie.ControlPlane.Api.Streaming;

/// <summary>portforward.k8s.io over SPDY, plain or inside a WebSocket: for each connection the client opens an error and a data stream with the same <c>requestID</c>.</summary>
public sealed class SpdyForwarding : IForwardingClient
{
    public const string Protocol = "portforward.k8s.io", Tunnelled = "SPDY/3.1+portforward.k8s.io";

    private readonly SpdyConnection _connection;
    private readonly Task _running;

    public SpdyForwarding(Stream transport, CancellationToken cancellationToken)
    {
        _connection = new SpdyConnection(transport);
        _running = _connection.RunAsync(cancellationToken);
    }

    public async IAsyncEnumerable<IForwardedConnection> AcceptAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var halves = new Dictionary<string, SpdyStream>();
        await foreach (var stream in _connection.AcceptAsync(cancellationToken))
        {
            var (id, type) = (stream.Headers.GetValueOrDefault("requestid", ""), stream.Headers.GetValueOrDefault("streamtype", ""));
            if (!halves.Remove(id, out var other)) halves[id] = stream;
            else
            {
                var text = stream.Headers.GetValueOrDefault("port", "");
                int port = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is > 0 and < 65536 ? number : 0;
                var connection = type == "data" ? new Connection(port, stream, other) : new Connection(port, other, stream);
                if (port > 0) yield return connection;
                else await connection.EndAsync($"\"{text}\" is not a port: it must be from 1 to 65535", cancellationToken);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await _running;
    }

    private sealed class Connection(int port, SpdyStream data, SpdyStream errors) : IForwardedConnection
    {
        public int Port => port;

        public IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAllAsync(CancellationToken cancellationToken) => data.ReadAllAsync(cancellationToken);

        public Task WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => data.WriteAsync(bytes, cancellationToken);

        public async Task EndAsync(string error, CancellationToken cancellationToken)
        {
            if (error.Length > 0) await errors.WriteAsync(Encoding.UTF8.GetBytes(error), cancellationToken);
            await errors.EndAsync(cancellationToken);
            await data.EndAsync(cancellationToken);
        }
    }
}
