using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Eyrie.ControlPlane.Api.Streaming.Spdy;

namespace Eyrie.ControlPlane.Api.Streaming;

/// <summary>portforward.k8s.io over SPDY, plain or inside a WebSocket: for each connection the client opens an error and a data stream with the same <c>requestID</c>.</summary>
public sealed class SpdyForwarding : IForwardingClient
{
    public const string Protocol = "portforward.k8s.io", Tunnelled = "SPDY/3.1+portforward.k8s.io";

    /// <summary>Halves of connections that may wait for their other half at once, and how long one may, as the kubelet has it.</summary>
    public const int MostHalves = 64;
    public static readonly TimeSpan Pairing = TimeSpan.FromSeconds(30);

    private readonly SpdyConnection _connection;
    private readonly Task _running;
    private readonly TimeSpan _pairing;

    /// <param name="transport">What carries it.</param>
    /// <param name="cancellationToken">The client has gone.</param>
    /// <param name="pairing">null: <see cref="Pairing"/>.</param>
    public SpdyForwarding(Stream transport, CancellationToken cancellationToken, TimeSpan? pairing = null)
    {
        _pairing = pairing ?? Pairing;
        _connection = new SpdyConnection(transport);
        _running = _connection.RunAsync(cancellationToken);
    }

    public async IAsyncEnumerable<IForwardedConnection> AcceptAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var halves = new ConcurrentDictionary<string, SpdyStream>();
        await foreach (var stream in _connection.AcceptAsync(cancellationToken))
        {
            var (id, type) = (stream.Headers.GetValueOrDefault("requestid", ""), stream.Headers.GetValueOrDefault("streamtype", ""));
            if (!halves.TryRemove(id, out var other))
            {
                if (halves.Count < MostHalves)
                {
                    halves[id] = stream;
                    _ = DropAsync(halves, id, stream, cancellationToken);
                }
                else await stream.EndAsync(cancellationToken);
            }
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

    /// <summary>A half whose other half does not come is dropped.</summary>
    private async Task DropAsync(ConcurrentDictionary<string, SpdyStream> halves, string id, SpdyStream half, CancellationToken cancellationToken)
    {
        try
        {
            await Task.Delay(_pairing, cancellationToken);
            if (halves.TryRemove(KeyValuePair.Create(id, half))) await half.EndAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            // The whole connection is over.
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
