using System.Threading.Channels;
using Akka.Actor;
using Akka.Hosting;
using Eyrie.Node.Contract.V1;
using Grpc.Core;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>The gRPC end of a node's session: checks the token, reads and writes the stream, and ends it when it falls silent.</summary>
public sealed class NodeSessionService(IRequiredActor<NodeSessionsActor> sessions, NodeGateway gateway, ControllerOptions options) : NodeSessions.NodeSessionsBase
{
    /// <summary>Reports of one node that wait to be taken. A node that tells more is not read from meanwhile, and HTTP/2 holds it back.</summary>
    public const int MostWaiting = 64;

    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(5), Silence = TimeSpan.FromSeconds(15);
    private static readonly WriteOptions MoreComes = new(WriteFlags.BufferHint);

    public override async Task Connect(IAsyncStreamReader<NodeMessage> requestStream, IServerStreamWriter<ControlMessage> responseStream, ServerCallContext context)
    {
        Authenticate(context, options);
        using var silent = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        silent.CancelAfter(Silence);
        if (!await requestStream.MoveNext(silent.Token) || requestStream.Current.Hello is not { NodeName.Length: > 0 } hello)
            throw new RpcException(new Grpc.Core.Status(StatusCode.InvalidArgument, "the first message must be hello with a node name"));
        var actor = await sessions.GetAsync(context.CancellationToken);
        var outbound = Channel.CreateUnbounded<ControlMessage>(new UnboundedChannelOptions { SingleReader = true });
        var session = Guid.NewGuid();
        var room = new SemaphoreSlim(MostWaiting);
        actor.Tell(new SessionOpened(session, hello, outbound.Writer), ActorRefs.NoSender);
        using var beat = new Timer(_ => outbound.Writer.TryWrite(new ControlMessage { Heartbeat = new Heartbeat { UnixMilliseconds = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() } }), null, Beat, Beat);
        var writing = WriteAsync(outbound.Reader, responseStream, silent);
        try
        {
            while (await requestStream.MoveNext(silent.Token))
            {
                silent.CancelAfter(Silence);
                var message = requestStream.Current;
                if (message.MessageCase is NodeMessage.MessageOneofCase.Capabilities) gateway.Deliver(message);
                else if (message.MessageCase != NodeMessage.MessageOneofCase.Heartbeat)
                {
                    if (!room.Wait(0, CancellationToken.None))
                    {
                        silent.CancelAfter(Timeout.InfiniteTimeSpan); // it is not the node that is silent
                        await room.WaitAsync(silent.Token);
                        silent.CancelAfter(Silence);
                    }
                    actor.Tell(new SessionReport(hello.NodeName, message, room), ActorRefs.NoSender);
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException)
        {
            // Cut or silent: the node comes back and everything is sent anew.
        }
        finally
        {
            actor.Tell(new SessionClosed(session, hello.NodeName), ActorRefs.NoSender);
            gateway.Lost(hello.NodeName);
            outbound.Writer.TryComplete();
            await silent.CancelAsync();
            await writing;
        }
    }

    public override async Task Stream(IAsyncStreamReader<StreamFrame> requestStream, IServerStreamWriter<StreamFrame> responseStream, ServerCallContext context)
    {
        Authenticate(context, options);
        var stream = new NodeStream(requestStream, responseStream);
        if (!gateway.Opened(context.RequestHeaders.GetValue("stream-id") ?? "", stream)) throw new RpcException(new Grpc.Core.Status(StatusCode.NotFound, "nobody waits for this stream"));
        await Task.WhenAny(stream.Over, Task.Delay(Timeout.Infinite, context.CancellationToken));
        await stream.DisposeAsync();
    }

    /// <summary>Only nodes may call.</summary>
    /// <exception cref="RpcException">Unauthenticated.</exception>
    public static void Authenticate(ServerCallContext context, ControllerOptions options)
    {
        if (context.RequestHeaders.GetValue("authorization") != "Bearer " + options.NodeToken) throw new RpcException(new Grpc.Core.Status(StatusCode.Unauthenticated, "the node token is wrong or missing"));
    }

    private static async Task WriteAsync(ChannelReader<ControlMessage> outbound, IServerStreamWriter<ControlMessage> stream, CancellationTokenSource ends)
    {
        try
        {
            await foreach (var message in outbound.ReadAllAsync(ends.Token))
            {
                stream.WriteOptions = outbound.TryPeek(out _) ? MoreComes : null; // what has queued up goes out together
                await stream.WriteAsync(message, ends.Token);
            }
            await ends.CancelAsync(); // nothing more will be told here: the node connects anew
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or InvalidOperationException)
        {
            await ends.CancelAsync(); // the stream is gone; the reader ends with it
        }
    }
}
