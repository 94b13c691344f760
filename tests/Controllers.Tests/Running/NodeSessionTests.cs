using System.Text.Json.Nodes;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Hosting;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Eyrie.Node.Contract.V1;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Eyrie.Controllers.Tests.Running;

/// <summary>What the sessions of nodes do under a flood, and after a crash.</summary>
public sealed class NodeSessionTests
{
    /// <summary>A node that tells without end, as fast as it is read.</summary>
    private sealed class Flood : IAsyncStreamReader<NodeMessage>
    {
        private int _read;

        public int Read => Volatile.Read(ref _read);

        public NodeMessage Current => Read == 1 ? new NodeMessage { Hello = new NodeHello { NodeName = "loud" } } : new NodeMessage { Usage = new UsageReport { Node = new Usage() } };

        public Task<bool> MoveNext(CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Interlocked.Increment(ref _read);
            return Task.FromResult(true);
        }
    }

    private sealed class Nowhere : IServerStreamWriter<ControlMessage>
    {
        public WriteOptions? WriteOptions { get; set; }

        public Task WriteAsync(ControlMessage message) => Task.CompletedTask;
    }

    private sealed class Call(CancellationToken end) : ServerCallContext
    {
        protected override string MethodCore => "Connect";
        protected override string HostCore => "";
        protected override string PeerCore => "";
        protected override DateTime DeadlineCore => DateTime.MaxValue;
        protected override Metadata RequestHeadersCore { get; } = new() { { "authorization", "Bearer token" } };
        protected override CancellationToken CancellationTokenCore => end;
        protected override Metadata ResponseTrailersCore { get; } = [];
        protected override Grpc.Core.Status StatusCore { get; set; }
        protected override WriteOptions? WriteOptionsCore { get; set; }
        protected override AuthContext AuthContextCore { get; } = new("", []);
        protected override ContextPropagationToken CreatePropagationTokenCore(ContextPropagationOptions? options) => throw new NotSupportedException();
        protected override Task WriteResponseHeadersAsyncCore(Metadata responseHeaders) => Task.CompletedTask;
    }

    /// <summary>Takes nothing until it is told to.</summary>
    private sealed class Busy : ReceiveActor
    {
        public Busy(Channel<SessionReport> waiting) => Receive<SessionReport>(report => waiting.Writer.TryWrite(report));
    }

    private sealed class Sessions(IActorRef actor) : IRequiredActor<NodeSessionsActor>
    {
        public IActorRef ActorRef => actor;
        public Task<IActorRef> GetAsync(CancellationToken cancellationToken = default) => Task.FromResult(actor);
    }

    [Fact]
    public async Task A_node_that_tells_more_than_is_taken_is_not_read_from()
    {
        await using var running = await RunningControllers.StartAsync();
        using var end = new CancellationTokenSource();
        var (waiting, flood) = (Channel.CreateUnbounded<SessionReport>(), new Flood());
        var busy = running.Actors.ActorOf(Props.Create(() => new Busy(waiting)));
        var service = new NodeSessionService(new Sessions(busy), running.Services.GetRequiredService<NodeGateway>(), running.Services.GetRequiredService<ControllerOptions>());
        var session = Task.Run(() => service.Connect(flood, new Nowhere(), new Call(end.Token)));
        await RunningControllers.UntilAsync("as many reports as may wait", () => Task.FromResult(waiting.Reader.Count), count => count == NodeSessionService.MostWaiting);
        Assert.Equal(NodeSessionService.MostWaiting + 2, flood.Read); // hello, what waits, and the one that found no room
        (await waiting.Reader.ReadAsync()).Room!.Release();
        await RunningControllers.UntilAsync("one more", () => Task.FromResult(flood.Read), read => read == NodeSessionService.MostWaiting + 3);
        await end.CancelAsync();
        await session;
    }

    [Fact]
    public async Task After_a_crash_nodes_are_told_again_which_pods_accept_only_whom_they_name()
    {
        await using var running = await RunningControllers.StartAsync();
        await running.CreateAsync(Kinds.Pod, """{"metadata":{"name":"vault","namespace":"default"},"spec":{"nodeName":"node-1","containers":[{"name":"c","image":"i","permissions":{"accept":[]}}]}}""");
        var pod = (await running.GetAsync(Kinds.Pod, "vault"))!;
        pod["status"] = Documents.Json("""{"phase":"Running","podIP":"127.64.20.7"}""");
        await running.Objects.UpdateStatusAsync(Kinds.Pod, pod, CancellationToken.None);
        async Task<IReadOnlyList<string>> ToldAsync()
        {
            var outbound = Channel.CreateUnbounded<ControlMessage>();
            running.Sessions.Tell(new SessionOpened(Guid.NewGuid(), new NodeHello { NodeName = "node-0", PodRange = "127.64.16.0/22" }, outbound.Writer));
            while (true)
                if (await outbound.Reader.ReadAsync() is { MessageCase: ControlMessage.MessageOneofCase.Services } table) return [.. table.Services.Closed];
        }
        await RunningControllers.UntilAsync("the closed pod", ToldAsync, closed => closed is ["127.64.20.7"], closed => string.Join(' ', closed));
        running.Sessions.Tell(new FeedBatch(Kinds.Pod, null!, Revision.Zero));
        Assert.Equal(["127.64.20.7"], await ToldAsync());
    }
}
