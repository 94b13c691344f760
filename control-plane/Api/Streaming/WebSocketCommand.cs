using System.Net.WebSockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Node.Contract.V1;
using Google.Protobuf;

namespace Eyrie.ControlPlane.Api.Streaming;

/// <summary>
/// remotecommand over one WebSocket: the first byte of every message is its channel (0 stdin, 1 stdout, 2 stderr, 3 status, 4 terminal size). In v5 a message
/// on channel 255 names a channel that the client has closed.
/// </summary>
public sealed class WebSocketCommand(WebSocket socket, CommandOptions options) : IRemoteCommand
{
    public static readonly IReadOnlyList<string> Protocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

    private const byte Stdin = 0, Stderr = 2, Status = 3, Size = 4, Close = 255;
    private const int Piece = 32 << 10;

    /// <summary>
    /// Nothing is sent earlier after the upgrade: kubectl 1.30 to 1.33 reads before it knows its own channels, and discards what comes on one of those
    /// ("Unknown stream id", kubernetes/kubernetes#131189). A command starts faster here than such a client that has to wait for a processor.
    /// </summary>
    private static readonly TimeSpan ClientPrepares = TimeSpan.FromMilliseconds(25);

    private readonly Task _clientIsReady = Task.Delay(ClientPrepares);
    private readonly SemaphoreSlim _writing = new(1, 1);

    public async IAsyncEnumerable<StreamFrame> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var buffer = new byte[Piece];
        var sizes = new TerminalSizes();
        int channel = -1; // of the message whose rest is still to come
        while (await ReceiveAsync(buffer, cancellationToken) is { } received)
        {
            var data = buffer.AsMemory(0, received.Count);
            if (channel < 0 && data.Length > 0) (channel, data) = (data.Span[0], data[1..]);
            switch (channel)
            {
                case Stdin when options.Stdin && data.Length > 0: yield return new StreamFrame { Data = ByteString.CopyFrom(data.Span) }; break;
                case Close when data.Length > 0 && data.Span[0] == Stdin: yield return new StreamFrame { End = true }; break;
                case Size: foreach (var size in sizes.Add(data)) yield return new StreamFrame { Size = size }; break;
            }
            if (received.EndOfMessage) channel = -1;
        }
    }

    /// <summary>null: the client has closed, or gone.</summary>
    private async Task<ValueWebSocketReceiveResult?> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            var received = await socket.ReceiveAsync(buffer, cancellationToken);
            return received.MessageType == WebSocketMessageType.Close ? null : received;
        }
        catch (WebSocketException)
        {
            return null;
        }
    }

    public uint ErrorChannel => options.Tty ? 1u : Stderr;

    public Task WriteAsync(uint channel, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) =>
        data.IsEmpty || !(channel == Stderr ? options.Stderr : options.Stdout) ? Task.CompletedTask : SendAsync((byte)channel, data, cancellationToken);

    private async Task SendAsync(byte channel, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        var message = new byte[1 + data.Length];
        message[0] = channel;
        data.CopyTo(message.AsMemory(1));
        await _clientIsReady.WaitAsync(cancellationToken);
        await _writing.WaitAsync(cancellationToken);
        try
        {
            await socket.SendAsync(message, WebSocketMessageType.Binary, true, cancellationToken);
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

    public async Task EndAsync(JsonObject status, CancellationToken cancellationToken)
    {
        await SendAsync(Status, Encoding.UTF8.GetBytes(status.ToJsonString()), cancellationToken);
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", cancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        socket.Dispose();
        return ValueTask.CompletedTask;
    }
}
