using System.Text.Json.Nodes;
using Akka.Actor;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Eyrie.Node.Contract.V1;
using Xunit;

namespace Eyrie.Controllers.Tests.Running;

/// <summary>The real actors over the real store seam, two nodes without containers; actors are crashed at random while Deployments are applied, rolled over and deleted.</summary>
public sealed class CrashTests
{
    private static readonly string[] Actors = ["feed", "region", "shard", "coordinator", "object", "scheduler/one", "node-sessions", "garbage/one", "namespaces-going/one", "node-lifecycle/one", "ended-pods/one", "autoscalers/one", "guards/one", "deployments", "replicasets", "statefulsets", "daemonsets", "jobs", "services", "namespaces"];

    private static string Web(string name, int replicas, int version) => """{"metadata":{"name":"NAME","namespace":"default"},"spec":{"replicas":REPLICAS,"selector":{"matchLabels":{"app":"NAME"}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":1}},"template":{"metadata":{"labels":{"app":"NAME"}},"spec":{"containers":[{"name":"c","image":"i:VERSION"}]}}}}"""
        .Replace("NAME", name, StringComparison.Ordinal).Replace("REPLICAS", $"{replicas}", StringComparison.Ordinal).Replace("VERSION", $"{version}", StringComparison.Ordinal);

    private static string Other(string name, string spec, int version) => "{\"metadata\":{\"name\":\"" + name + "\",\"namespace\":\"default\"},\"spec\":{" + spec + (name == "batch" ? "" : "\"selector\":{\"matchLabels\":{\"app\":\"" + name + "\"}},")
        + "\"template\":{\"metadata\":{\"labels\":{\"app\":\"" + name + "\"}},\"spec\":{\"restartPolicy\":\"" + (name == "batch" ? "Never" : "Always") + "\",\"containers\":[{\"name\":\"c\",\"image\":\"i:" + version.ToString(System.Globalization.CultureInfo.InvariantCulture) + "\"}]}}}}";

    [Fact]
    public async Task Whichever_actor_crashes_no_set_has_more_pods_than_it_may_and_everything_comes_to_rest()
    {
        int seed = Environment.TickCount;
        var chance = new Random(seed);
        await using var running = await RunningControllers.StartAsync();
        using var end = new CancellationTokenSource();
        FakeNode[] nodes = [new(running, "node-0"), new(running, "node-1")];
        var living = nodes.Select(node => node.RunAsync(end.Token)).ToList();
        await RunningControllers.UntilAsync("two nodes", () => running.ListAsync(Kinds.Node, null), found => found.Count(node => node.IsReady()) == 2);
        string[] names = ["a", "b", "c"];
        foreach (var name in names) await running.CreateAsync(Kinds.Deployment, Web(name, 6, 0));
        await running.CreateAsync(Kinds.StatefulSet, Other("db", "\"replicas\":3,\"serviceName\":\"db\",\"updateStrategy\":{\"rollingUpdate\":{\"partition\":0}},", 0));
        await running.CreateAsync(Kinds.DaemonSet, Other("agent", "", 0));
        await running.CreateAsync(Kinds.Job, Other("batch", "\"parallelism\":2,\"completions\":50,", 0));
        for (int round = 0; round < 40; round++)
        {
            Crash(running, Actors[chance.Next(Actors.Length)], names[chance.Next(names.Length)]);
            if (round % 4 == 0) await ChangeAsync(running, names[chance.Next(names.Length)], chance.Next(1, 8), round);
            if (round % 10 == 0) foreach (var (kind, name) in new[] { (Kinds.StatefulSet, "db"), (Kinds.DaemonSet, "agent") }) await RenewAsync(running, kind, name, round);
            var all = (await running.ListAsync(Kinds.Pod)).Where(pod => !pod.IsDeleted()).ToList();
            int Of(string name) => all.Count(pod => pod.Metadata()["labels"]?["app"]?.ToString() == name);
            Assert.True(Of("db") <= 3 && Of("agent") <= 2 && Of("batch") <= 2, $"seed {seed}: {Of("db")} of three, {Of("agent")} on two nodes, {Of("batch")} of two at once");
            foreach (var set in await running.ListAsync(Kinds.ReplicaSet))
            {
                var own = (await running.ListAsync(Kinds.Pod)).Count(pod => pod.OwnerUid() == set.Uid() && !pod.IsDeleted());
                Assert.True(own <= 8, $"seed {seed}: {own} pods of {set.Name()}");
            }
        }
        foreach (var name in names) await ChangeAsync(running, name, 5, 1000);
        foreach (var (kind, name) in new[] { (Kinds.StatefulSet, "db"), (Kinds.DaemonSet, "agent") }) await RenewAsync(running, kind, name, 1000);
        await RunningControllers.UntilAsync($"seed {seed}: all workloads at rest", async () => (Pods: await running.ListAsync(Kinds.Pod), Deployments: await running.ListAsync(Kinds.Deployment)),
            found => found.Pods.Count == 22 && found.Pods.All(pod => pod.IsReady() && pod["spec"]!["containers"]![0]!["image"]!.ToString() == (pod.Metadata()["labels"]!["app"]!.ToString() == "batch" ? "i:0" : "i:1000")) && found.Deployments.All(web => web["status"]?["availableReplicas"].Int() == 5 && web["status"]?["updatedReplicas"].Int() == 5),
            found => $"{found.Pods.Count} pods, {found.Pods.Count(pod => pod.IsReady())} ready; {string.Join(' ', found.Deployments.Select(web => web["status"]?.ToJsonString()))}");
        foreach (var name in names) await running.DeleteAsync(Kinds.Deployment, name, "Foreground");
        foreach (var (kind, name) in new[] { (Kinds.StatefulSet, "db"), (Kinds.DaemonSet, "agent"), (Kinds.Job, "batch") }) await running.DeleteAsync(kind, name, "Foreground");
        await RunningControllers.UntilAsync($"seed {seed}: nothing left", () => running.ListAsync(Kinds.Pod), pods => pods.Count == 0, pods => $"{pods.Count} pods");
        await end.CancelAsync();
        await Task.WhenAll(living);
    }

    /// <summary>What no actor can take crashes it there and then: a batch without changes, a message for no object. Its supervisor starts it anew; who is killed is missed by whoever needs it.</summary>
    private static void Crash(RunningControllers running, string actor, string name)
    {
        const string Region = "/system/sharding/objects";
        var key = new ObjectKey(Kinds.Deployment.ToString(), new ObjectName("default", name));
        var shard = new ObjectExtractor().ShardId(key.ToString(), new Reconcile(key));
        switch (actor)
        {
            case "feed": running.Store.CutWatches(); break;
            case "region": running.Actors.ActorSelection(Region).Tell(new Reconcile(null!)); break;
            case "shard": running.Actors.ActorSelection($"{Region}/{shard}").Tell(new Reconcile(null!)); break;
            case "coordinator": running.Actors.ActorSelection(Region + "Coordinator/singleton/coordinator").Tell(Kill.Instance); break;
            case "object": running.Actors.ActorSelection($"{Region}/{shard}/*").Tell(Kill.Instance); break;
            default: running.Actors.ActorSelection("/user/" + actor).Tell(new FeedBatch(Kinds.Pod, null!, Revision.Zero)); break;
        }
    }

    private static Task ChangeAsync(RunningControllers running, string name, int replicas, int version) => WriteAsync(running, Kinds.Deployment, name, stored => stored["spec"] = Documents.Json(Web(name, replicas, version))["spec"]!.DeepClone());

    private static Task RenewAsync(RunningControllers running, ResourceKind kind, string name, int version) => WriteAsync(running, kind, name, stored => stored["spec"]!["template"]!["spec"]!["containers"]![0]!["image"] = $"i:{version}");

    private static async Task WriteAsync(RunningControllers running, ResourceKind kind, string name, Action<JsonObject> change)
    {
        while (true)
        {
            var stored = (await running.GetAsync(kind, name))!;
            change(stored);
            try
            {
                await running.Objects.UpdateAsync(kind, stored, CancellationToken.None);
                return;
            }
            catch (ObjectConflictException)
            {
                continue; // a controller wrote between
            }
        }
    }

    [Fact]
    public async Task An_object_whose_decisions_crash_is_decided_about_again_and_never_twice_on_one_observation()
    {
        var (chance, crashes) = (new Random(7), 0);
        await using var running = await RunningControllers.StartAsync();
        await running.CreateAsync(Kinds.ReplicaSet, Web("web", 20, 0));
        await RunningControllers.UntilAsync("twenty pods", () => running.ListAsync(Kinds.Pod), pods => pods.Count >= 20, pods => $"{pods.Count}");
        var cache = new ObjectCache();
        var objects = running.Objects;
        Decide decide = (document, known, now) =>
        {
            if (chance.Next(3) > 0 && crashes++ < 3) throw new InvalidOperationException("a decision that crashes");
            return [new CreateObject(Kinds.ConfigMap, new JsonObject { ["metadata"] = new JsonObject { ["name"] = $"made-{known.At(Kinds.ConfigMap).Value}", ["namespace"] = "default" } })];
        };
        var item = await running.CreateAsync(Kinds.Secret, """{"metadata":{"name":"item","namespace":"default"}}""");
        cache.Apply(Kinds.Secret, [new ObjectChange(ChangeType.Added, Kinds.Secret, ObjectStamp.NameOf(item), item, (JsonObject?)null)], new Revision(1));
        var events = new EventWriter(objects, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<EventWriter>.Instance);
        var key = new ObjectKey("secrets", ObjectStamp.NameOf(item));
        var kinds = new Dictionary<string, WorkloadKind> { ["secrets"] = new(Kinds.Secret, null, decide) };
        var actor = running.Actors.ActorOf(WorkloadActor.Of(key, kinds, new WorkloadContext(cache, objects, events, TimeProvider.System, new WorkloadLedgers(), TimeSpan.FromMinutes(2))), "crashing");
        actor.Tell(new Reconcile(key));
        cache.Listed(); // what came before that was kept
        await RunningControllers.UntilAsync("a decision that went through", () => running.ListAsync(Kinds.ConfigMap), made => made.Count == 1, made => $"{made.Count} made, {crashes} crashes");
        for (int i = 0; i < 20; i++) actor.Tell(new Reconcile(key));
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => running.GetAsync(Kinds.Secret, "item")));
        Assert.Single(await running.ListAsync(Kinds.ConfigMap)); // the cache has not seen the first one: no second decision
    }
}
