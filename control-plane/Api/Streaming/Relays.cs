using System.Collections.Concurrent;
using System.Net.WebSockets;
using Eyrie.ControlPlane.Controllers;
using Eyrie.Node.Contract.V1;
using Google.Protobuf;

namespace Eyrie.ControlPlane.Api.Streaming;

/// <summary>Between a client and a node, until one of them ends it.</summary>
public static class Relays
{
    /// <summary>How long a client may take to read the last of what it was sent and to leave. It leaves by itself when it has; cut off earlier it would lose the rest.</summary>
    private static readonly TimeSpan Goodbye = TimeSpan.FromMinutes(10);

    public static async Task CommandAsync(INodeStream node, IRemoteCommand client, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var toNode = ToNodeAsync(node, client, over);
        try
        {
            StreamResult? result = null;
            await foreach (var frame in node.ReadAllAsync(over.Token))
            {
                if (!frame.Data.IsEmpty) await client.WriteAsync(frame.Channel, frame.Data.Memory, over.Token);
                if ((result = frame.Result) is not null) break;
            }
            if (result is { ExitCode: > 0, Error.Length: > 0 }) await client.WriteAsync(client.ErrorChannel, ByteString.CopyFromUtf8(result.Error + "\n").Memory, over.Token);
            await client.EndAsync(result is null ? CommandStatus.Failed("the node ended the stream") : CommandStatus.Of(result), over.Token);
        }
        catch (NodeUnreachableException exception)
        {
            await client.EndAsync(CommandStatus.Failed(exception.Message), over.Token);
        }
        finally
        {
            await Task.WhenAny(toNode, Task.Delay(Goodbye, cancellationToken));
            await over.CancelAsync();
            await toNode;
        }
    }

    /// <summary>Ends everything when the client has gone. What it sends after the command's end is dropped.</summary>
    private static async Task ToNodeAsync(INodeStream node, IRemoteCommand client, CancellationTokenSource over)
    {
        bool taken = true;
        try
        {
            await foreach (var frame in client.ReadAllAsync(over.Token))
                if (taken) taken = await TryAsync(node, frame, over.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or WebSocketException or IOException)
        {
            // The client has gone.
        }
        await over.CancelAsync();
    }

    private static async Task<bool> TryAsync(INodeStream node, StreamFrame frame, CancellationToken cancellationToken)
    {
        try
        {
            await node.WriteAsync(frame, cancellationToken);
            return true;
        }
        catch (NodeUnreachableException)
        {
            return false;
        }
    }

    public static async Task PortsAsync(INodeStream node, IForwardingClient client, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var connections = new ConcurrentDictionary<uint, IForwardedConnection>();
        var fromNode = FromNodeAsync(node, connections, over);
        var running = new List<Task>();
        try
        {
            uint channel = 0;
            await foreach (var connection in client.AcceptAsync(over.Token))
            {
                connections[++channel] = connection;
                running.RemoveAll(task => task.IsCompleted);
                running.Add(ConnectionAsync(node, channel, connection, over.Token));
            }
        }
        finally
        {
            await over.CancelAsync();
            await fromNode;
            await Task.WhenAll(running);
        }
    }

    private static async Task ConnectionAsync(INodeStream node, uint channel, IForwardedConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            await node.WriteAsync(new StreamFrame { Channel = channel, Port = connection.Port }, cancellationToken);
            await foreach (var data in connection.ReadAllAsync(cancellationToken)) await node.WriteAsync(new StreamFrame { Channel = channel, Data = ByteString.CopyFrom(data.Span) }, cancellationToken);
            await node.WriteAsync(new StreamFrame { Channel = channel, End = true }, cancellationToken);
        }
        catch (Exception exception) when (exception is OperationCanceledException or NodeUnreachableException)
        {
            // The reader of the node's frames ends the whole.
        }
    }

    private static async Task FromNodeAsync(INodeStream node, ConcurrentDictionary<uint, IForwardedConnection> connections, CancellationTokenSource over)
    {
        try
        {
            await foreach (var frame in node.ReadAllAsync(over.Token))
            {
                if (!connections.TryGetValue(frame.Channel, out var connection)) continue;
                if (!frame.Data.IsEmpty) await connection.WriteAsync(frame.Data.Memory, over.Token);
                if (!frame.End) continue;
                connections.TryRemove(frame.Channel, out _);
                await connection.EndAsync(frame.Error, over.Token);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or NodeUnreachableException or WebSocketException or IOException)
        {
            // One of the two has gone.
        }
        await over.CancelAsync();
    }
}
