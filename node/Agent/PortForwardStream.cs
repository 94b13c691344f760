using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Eyrie.Node.Contract.V1;
using Grpc.Core;

namespace Eyrie.Node;

/// <summary>One port-forward: connections to ports of a pod, each a channel of the stream.</summary>
public sealed class PortForwardStream(PodWorker pod, FrameWriter frames)
{
    private const int Waiting = 16; // frames that one connection may be behind before the others wait with it

    private readonly ConcurrentDictionary<uint, (Channel<StreamFrame> Frames, Task Done)> _connections = new();

    /// <summary>Until the asker ends the stream.</summary>
    public async Task ServeAsync(IAsyncStreamReader<StreamFrame> incoming, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            while (await incoming.MoveNext(cancellationToken))
            {
                var frame = incoming.Current;
                if (!_connections.TryGetValue(frame.Channel, out var connection))
                {
                    if (frame.Port == 0) continue; // late, for a connection that has ended
                    var queue = Channel.CreateBounded<StreamFrame>(Waiting);
                    _connections[frame.Channel] = connection = (queue, RunAsync(frame.Channel, frame.Port, queue.Reader, over.Token));
                }
                if (frame.End && frame.Data.IsEmpty) connection.Frames.Writer.TryComplete();
                else if (!connection.Done.IsCompleted) await Task.WhenAny(connection.Done, connection.Frames.Writer.WriteAsync(frame, cancellationToken).AsTask());
            }
        }
        finally
        {
            await over.CancelAsync();
            await Task.WhenAll(_connections.Values.Select(connection => connection.Done));
        }
    }

    private async Task RunAsync(uint channel, int port, ChannelReader<StreamFrame> toPod, CancellationToken cancellationToken)
    {
        try
        {
            using var socket = await ConnectAsync(port, cancellationToken);
            await using var stream = new NetworkStream(socket, false);
            var back = frames.CopyAsync(stream, channel, cancellationToken);
            var there = SendAsync(socket, stream, toPod, cancellationToken);
            await Task.WhenAll(back, there);
        }
        catch (Exception exception) when (exception is SocketException or IOException or RpcException or OperationCanceledException or InvalidOperationException)
        {
            if (!cancellationToken.IsCancellationRequested)
                await frames.WriteAsync(new StreamFrame { Channel = channel, End = true, Error = string.Create(CultureInfo.InvariantCulture, $"connecting to port {port} of pod {pod.Name}: {exception.Message}") });
        }
        finally
        {
            _connections.TryRemove(channel, out _);
        }
    }

    private static async Task SendAsync(Socket socket, NetworkStream stream, ChannelReader<StreamFrame> toPod, CancellationToken cancellationToken)
    {
        await foreach (var frame in toPod.ReadAllAsync(cancellationToken))
        {
            if (!frame.Data.IsEmpty) await stream.WriteAsync(frame.Data.Memory, cancellationToken);
            if (frame.End) break;
        }
        socket.Shutdown(SocketShutdown.Send);
    }

    /// <summary>A program in the pod may listen on its localhost, or on the pod's address: both are the pod's own.</summary>
    private async Task<Socket> ConnectAsync(int port, CancellationToken cancellationToken)
    {
        try
        {
            return await ConnectAsync(pod.Loopback, port, cancellationToken);
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return await ConnectAsync(pod.Address, port, cancellationToken);
        }
    }

    private static async Task<Socket> ConnectAsync(string address, int port, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(address), port), cancellationToken);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
