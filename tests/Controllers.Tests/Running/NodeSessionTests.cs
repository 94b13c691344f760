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
        await RunningControllers.UntilAsync("the one after them", () => Task.FromResult(flood.Read), read => read >= NodeSessionService.MostWaiting + 2); // the last that waits may be there before it is read
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
        await RunsAsync(running, "vault", "127.64.20.7", """{"accept":[]}""");
        await RunningControllers.UntilAsync("the closed pod", () => ToldAsync(running), closed => closed is ["127.64.20.7"], closed => string.Join(' ', closed));
        running.Sessions.Tell(new FeedBatch(Kinds.Pod, null!, Revision.Zero));
        Assert.Equal(["127.64.20.7"], await ToldAsync(running));
    }

    [Fact]
    public async Task A_pod_is_closed_by_a_set_that_it_takes_over_and_all_of_a_namespace_by_a_ceiling_that_says_who_may_connect()
    {
        await using var running = await RunningControllers.StartAsync();
        await running.CreateAsync(Kinds.Namespace, """{"metadata":{"name":"shop"}}""");
        await running.CreateAsync(Kinds.PermissionSet, """{"metadata":{"name":"own","namespace":"shop"},"spec":{"accept":[{"namespace":"shop"}]}}""");
        await RunsAsync(running, "vault", "127.64.20.7", """{"sets":["own"]}""", "shop");
        await RunsAsync(running, "web", "127.64.20.8", "{}", "shop");
        await RunsAsync(running, "other", "127.64.20.9", "{}");
        await RunningControllers.UntilAsync("the pod with the set", () => ToldAsync(running), closed => closed is ["127.64.20.7"], closed => string.Join(' ', closed));
        var home = (await running.GetAsync(Kinds.Namespace, "shop"))!;
        home["metadata"]!["annotations"] = new JsonObject { ["eyrie.dev/permission-ceiling"] = "own" };
        await running.Objects.UpdateAsync(Kinds.Namespace, home, CancellationToken.None);
        await RunningControllers.UntilAsync("both of the namespace", () => ToldAsync(running), closed => closed is ["127.64.20.7", "127.64.20.8"], closed => string.Join(' ', closed));
    }

    private static async Task RunsAsync(RunningControllers running, string name, string address, string permissions, string home = "default")
    {
        await running.CreateAsync(Kinds.Pod, $$$"""{"metadata":{"name":"{{{name}}}","namespace":"{{{home}}}"},"spec":{"nodeName":"node-1","containers":[{"name":"c","image":"i","permissions":{{{permissions}}}}]}}""");
        var pod = (await running.GetAsync(Kinds.Pod, name, home))!;
        pod["status"] = Documents.Json($$"""{"phase":"Running","podIP":"{{address}}"}""");
        await running.Objects.UpdateStatusAsync(Kinds.Pod, pod, CancellationToken.None);
    }

    /// <summary>Addresses of pods that accept only whom they name, as a node hears of them that connects now.</summary>
    private static async Task<IReadOnlyList<string>> ToldAsync(RunningControllers running)
    {
        var outbound = Channel.CreateUnbounded<ControlMessage>();
        running.Sessions.Tell(new SessionOpened(Guid.NewGuid(), new NodeHello { NodeName = "node-0", PodRange = "127.64.16.0/22" }, outbound.Writer));
        while (true)
            if (await outbound.Reader.ReadAsync() is { MessageCase: ControlMessage.MessageOneofCase.Services } table) return [.. table.Services.Closed];
    }
}
