using System.Buffers.Binary;
using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;

namespace Eyrie.ControlPlane.Api.Streaming;

/// <summary>
/// Port-forward as the client libraries speak it: one WebSocket, one connection for each port of the query; channel 2n is its data, 2n + 1 its errors. Each
/// channel begins with the port, two bytes, from the server.
/// </summary>
public sealed class WebSocketForwarding : IForwardingClient
{
    public const string Protocol = "v4.channel.k8s.io";

    private const int Piece = 32 << 10, Waiting = 32;
    private readonly WebSocket _socket;
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly List<Connection> _connections;
    private readonly Task _reading;
    private int _left;

    public WebSocketForwarding(WebSocket socket, IReadOnlyList<int> ports, CancellationToken cancellationToken)
    {
        _socket = socket;
        _left = ports.Count;
        _connections = [.. ports.Select((port, index) => new Connection(this, (byte)(2 * index), port))];
        _reading = ReadAsync(cancellationToken);
    }

    public async IAsyncEnumerable<IForwardedConnection> AcceptAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var connection in _connections)
        {
            await connection.BeginAsync(cancellationToken);
            yield return connection;
        }
        await _reading;
    }

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        var buffer = new byte[Piece];
        try
        {
            int channel = -1;
            while (await _socket.ReceiveAsync(buffer.AsMemory(), cancellationToken) is { MessageType: not WebSocketMessageType.Close } received)
            {
                var data = buffer.AsMemory(0, received.Count);
                if (channel < 0 && data.Length > 0) (channel, data) = (data.Span[0], data[1..]);
                if (data.Length > 0 && channel % 2 == 0 && channel / 2 < _connections.Count) await _connections[channel / 2].Incoming.Writer.WriteAsync(data.ToArray(), cancellationToken);
                if (received.EndOfMessage) channel = -1;
            }
        }
        catch (Exception exception) when (exception is WebSocketException or OperationCanceledException or ChannelClosedException)
        {
            // The client has gone.
        }
        foreach (var connection in _connections) connection.Incoming.Writer.TryComplete();
    }

    private async Task SendAsync(byte channel, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        var message = new byte[1 + data.Length];
        message[0] = channel;
        data.CopyTo(message.AsMemory(1));
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await _socket.SendAsync(message, WebSocketMessageType.Binary, true, cancellationToken);
        }
        catch (WebSocketException exception)
        {
            throw new IOException("the client has gone", exception);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>With the last connection the socket ends: there is no other way to tell a client.</summary>
    private async Task EndedAsync(CancellationToken cancellationToken)
    {
        if (Interlocked.Decrement(ref _left) == 0) await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _reading;
    }

    private sealed class Connection(WebSocketForwarding owner, byte channel, int port) : IForwardedConnection
    {
        public Channel<ReadOnlyMemory<byte>> Incoming { get; } = Channel.CreateBounded<ReadOnlyMemory<byte>>(Waiting);
        public int Port => port;

        public async Task BeginAsync(CancellationToken cancellationToken)
        {
            var bytes = new byte[2];
            BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)port);
            await owner.SendAsync(channel, bytes, cancellationToken);
            await owner.SendAsync((byte)(channel + 1), bytes, cancellationToken);
        }

        public IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAllAsync(CancellationToken cancellationToken) => Incoming.Reader.ReadAllAsync(cancellationToken);

        public Task WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => data.IsEmpty ? Task.CompletedTask : owner.SendAsync(channel, data, cancellationToken);

        public async Task EndAsync(string error, CancellationToken cancellationToken)
        {
            if (error.Length > 0) await owner.SendAsync((byte)(channel + 1), Encoding.UTF8.GetBytes(error), cancellationToken);
            await owner.EndedAsync(cancellationToken);
        }
    }
}
