using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Controllers.Tests.Workloads;

/// <summary>Sets of pods under random lives: what each decision may do, looked at before it is done, and where it all ends.</summary>
[Collection(nameof(Alone))]
public sealed class SetPropertyTests
{
    private static readonly Gen<int> Seeds = Gen.Int[0, int.MaxValue - 1];

    private static List<JsonObject> Made(IEnumerable<WorkloadAction> actions) => [.. actions.OfType<CreateObject>().Where(create => create.Kind == Kinds.Pod).Select(create => create.Document)];

    private static List<JsonObject> Going(PlannedWorld world, IEnumerable<WorkloadAction> actions) => [.. actions.OfType<DeleteObject>().Where(delete => delete.Kind == Kinds.Pod).Select(delete => world.Store.Get(Kinds.Pod, delete.Name)!)];

    [Fact]
    public void A_replica_set_comes_to_its_size_and_lets_go_who_serves_least() => Seeds.Sample(seed =>
    {
        var world = new PlannedWorld(seed, Kinds.ReplicaSet, "{\"replicas\":" + (seed % 7).ToString(CultureInfo.InvariantCulture) + ",\"template\":" + PlannedWorld.Template + "}");
        for (int step = 0; step < 25; step++)
        {
            var actions = world.Decide();
            int wanted = world.Owner["spec"]!["replicas"].Int(), there = world.Live.Count;
            var (made, going) = (Made(actions), Going(world, actions));
            Assert.Equal((Math.Max(0, wanted - there), Math.Max(0, there - wanted)), (made.Count, going.Count));
            // Nobody who serves goes while one that does not stays.
            Assert.False(going.Any(pod => pod.IsReady()) && world.Live.Except(going).Any(pod => !pod.IsReady()), $"seed {seed}");
            world.Apply(actions);
            world.PodsLive();
            if (world.Chance.Next(4) == 0) world.Change(spec => spec["replicas"] = world.Chance.Next(7));
        }
        world.Rest();
        Assert.True(world.Pods.Count(pod => pod.IsReady()) == world.Owner["spec"]!["replicas"].Int() && world.Owner["status"]!["availableReplicas"].Int() == world.Owner["spec"]!["replicas"].Int(), $"seed {seed}");
    });

    private static int Ordinal(JsonObject pod) => int.Parse(pod.Name()[2..], CultureInfo.InvariantCulture);

    private static bool Works(JsonObject pod) => pod.IsReady() && !pod.IsDeleted() && !pod.IsOver();

    [Fact]
    public void A_stateful_set_keeps_its_order_its_partition_its_names_and_all_but_one() => Seeds.Sample(seed =>
    {
        var chance = new Random(seed);
        bool parallel = chance.Next(3) == 0;
        int first = chance.Next(2) * 4;
        var world = new PlannedWorld(seed, Kinds.StatefulSet, "{\"replicas\":" + chance.Next(1, 5).ToString(CultureInfo.InvariantCulture) + ",\"serviceName\":\"a\",\"podManagementPolicy\":\"" + (parallel ? "Parallel" : "OrderedReady")
            + "\",\"ordinals\":{\"start\":" + first.ToString(CultureInfo.InvariantCulture) + "},\"updateStrategy\":{\"rollingUpdate\":{\"partition\":0}},\"template\":" + PlannedWorld.Template + "}");
        for (int step = 0; step < 40; step++)
        {
            var spec = world.Owner["spec"]!;
            int end = first + spec["replicas"].Int(), partition = first + spec["updateStrategy"]!["rollingUpdate"]!["partition"].Int();
            var actions = world.Decide();
            var (made, going) = (Made(actions), Going(world, actions));
            string Say(string what) => $"seed {seed}, step {step}: {what}: made {string.Join(' ', made.Select(pod => pod.Name()))}, deleted {string.Join(' ', going.Select(pod => pod.Name()))} of {string.Join(' ', world.Pods.Select(pod => $"{pod.Name()}:{PlannedWorld.Image(pod)}:{(Works(pod) ? "works" : pod.IsDeleted() ? "going" : pod.Phase())}"))}";
            var present = world.Pods.Select(Ordinal).ToHashSet();
            Assert.True(made.All(pod => Ordinal(pod) >= first && Ordinal(pod) < end && !present.Contains(Ordinal(pod))) && made.Select(pod => pod.Name()).Distinct().Count() == made.Count, Say("names"));
            Assert.True(made.All(pod => pod["spec"]!["hostname"]!.ToString() == pod.Name() && pod["spec"]!["subdomain"]!.ToString() == "a" && pod.Label("apps.kubernetes.io/pod-index") == pod.Name()[2..]), Say("host names"));
            if (parallel) Assert.True(Enumerable.Range(first, end - first).All(ordinal => present.Contains(ordinal) || made.Any(pod => Ordinal(pod) == ordinal)), Say("all at once"));
            else
            {
                Assert.True(made.Count <= 1 && going.Count <= 1, Say("one at a time"));
                Assert.True(made.All(pod => Enumerable.Range(first, Ordinal(pod) - first).All(before => world.Pods.Any(other => Ordinal(other) == before && Works(other)))), Say("each after those before it"));
            }
            foreach (var pod in going.Where(pod => !pod.IsOver()))
            {
                var others = world.Pods.Where(other => other != pod).ToList();
                if (Ordinal(pod) >= end || Ordinal(pod) < first)
                {
                    if (!parallel) Assert.True(others.All(other => Ordinal(other) < Ordinal(pod) || (Ordinal(other) < end && Ordinal(pod) < first)) && others.All(other => !other.IsDeleted()), Say("the last goes first"));
                    continue;
                }
                Assert.True(Ordinal(pod) >= partition, Say("below the partition nothing is replaced"));
                Assert.True(PlannedWorld.Image(pod) != spec["template"]!["spec"]!["containers"]![0]!["image"]!.ToString(), Say("only older ones are replaced"));
                Assert.True(!Works(pod) || (Enumerable.Range(first, end - first).Count(ordinal => others.Any(other => Ordinal(other) == ordinal && Works(other))) == end - first - 1), Say("never two of them missing"));
            }
            world.Apply(actions);
            world.PodsLive();
            switch (world.Chance.Next(8))
            {
                case 0: world.Change(changed => changed["replicas"] = world.Chance.Next(1, 5)); break;
                case 1: world.Change(changed => changed["template"]!["spec"]!["containers"]![0]!["image"] = $"a:{world.Chance.Next(4)}"); break;
                case 2: world.Change(changed => changed["updateStrategy"]!["rollingUpdate"]!["partition"] = world.Chance.Next(3)); break;
            }
        }
        world.Change(changed => changed["updateStrategy"]!["rollingUpdate"]!["partition"] = 0);
        world.Rest();
        var (last, image) = (world.Owner["spec"]!["replicas"].Int(), world.Owner["spec"]!["template"]!["spec"]!["containers"]![0]!["image"]!.ToString());
        Assert.True(world.Pods.Select(Ordinal).Order().SequenceEqual(Enumerable.Range(first, last)) && world.Pods.All(pod => Works(pod) && PlannedWorld.Image(pod) == image), $"seed {seed}: {string.Join(' ', world.Pods.Select(pod => $"{pod.Name()} {PlannedWorld.Image(pod)}"))}; {last} of {image} wanted");
    });

    /// <summary>Below the partition a pod that is made anew has the template it had, above it the new one.</summary>
    [Fact]
    public void A_pod_below_the_partition_comes_back_as_it_was() => Gen.Select(Gen.Int[1, 5], Gen.Int[0, 5], Gen.Int[0, 4], Gen.Int[0, 1]).Sample((replicas, partition, lost, start) =>
    {
        var world = new PlannedWorld(1, Kinds.StatefulSet, string.Create(CultureInfo.InvariantCulture, $$"""{"replicas":{{replicas}},"ordinals":{"start":{{start}} },"updateStrategy":{"rollingUpdate":{"partition":{{partition}} } },"template":""") + PlannedWorld.Template + "}");
        world.Rest();
        world.Change(spec => spec["template"]!["spec"]!["containers"]![0]!["image"] = "a:1");
        world.Rest();
        if (lost < replicas) world.Store.Remove(Kinds.Pod, new ObjectName("default", $"a-{start + lost}"));
        world.Rest();
        Assert.Equal(Enumerable.Range(0, replicas).Select(index => index < partition ? "a:0" : "a:1"), world.Pods.OrderBy(Ordinal).Select(PlannedWorld.Image));
    });

    private static JsonObject Node(Random chance, int number)
    {
        var node = Scheduling.Clusters.Node($"n{number}");
        if (chance.Next(3) == 0) node["metadata"]!["labels"]!["disk"] = "ssd";
        if (chance.Next(4) == 0) node["spec"]!["taints"] = JsonNode.Parse("""[{"key":"gpu","effect":"EFFECT"}]""".Replace("EFFECT", chance.Next(2) == 0 ? "NoSchedule" : "NoExecute", StringComparison.Ordinal));
        if (chance.Next(6) == 0) node["spec"]!["unschedulable"] = true;
        if (chance.Next(6) == 0) node["status"]!["conditions"]![0]!["status"] = chance.Next(2) == 0 ? "False" : "Unknown";
        return node;
    }

    private static bool IsReady(JsonObject node) => node["status"]!["conditions"]![0]!["status"]!.ToString() == "True";

    [Fact]
    public void A_daemon_set_has_one_pod_on_every_node_it_may_use_and_its_update_keeps_both_bounds() => Seeds.Sample(seed =>
    {
        var chance = new Random(seed);
        bool picky = chance.Next(3) == 0, tolerant = chance.Next(3) == 0;
        string[] surges = ["0", "0", "1", "2", "\"40%\""], unavailables = ["1", "2", "\"30%\""];
        var surge = surges[chance.Next(surges.Length)];
        var unavailable = surge == "0" ? unavailables[chance.Next(unavailables.Length)] : "0";
        var world = new PlannedWorld(seed, Kinds.DaemonSet, "{\"updateStrategy\":{\"rollingUpdate\":{\"maxSurge\":" + surge + ",\"maxUnavailable\":" + unavailable + "}},\"template\":" + PlannedWorld.Template + "}");
        if (picky) world.Change(spec => spec["template"]!["spec"]!["nodeSelector"] = new JsonObject { ["disk"] = "ssd" });
        if (tolerant) world.Change(spec => spec["template"]!["spec"]!["tolerations"] = JsonNode.Parse("""[{"key":"gpu","operator":"Exists"}]"""));
        for (int i = 0; i < 6; i++) world.Store.Put(Kinds.Node, Node(chance, i));
        // By hand: its selector, its tolerations, the taint that a node which is not ready has; cordons are tolerated.
        bool Fits(JsonObject node) => (!picky || node["metadata"]!["labels"]!["disk"] is not null) && (tolerant || node["spec"]!["taints"] is null) && IsReady(node);
        bool MayStay(JsonObject node) => (!picky || node["metadata"]!["labels"]!["disk"] is not null) && (tolerant || node["spec"]!["taints"]?[0]?["effect"]!.ToString() != "NoExecute");
        for (int step = 0; step < 40; step++)
        {
            var nodes = world.Store.All(Kinds.Node).ToDictionary(node => node.Name());
            var fit = nodes.Values.Where(Fits).Select(node => node.Name()).ToHashSet();
            int Bound(string text) => text.EndsWith("%\"", StringComparison.Ordinal) ? (int)Math.Ceiling(fit.Count * int.Parse(text.Trim('"', '%'), CultureInfo.InvariantCulture) / 100.0) : int.Parse(text, CultureInfo.InvariantCulture);
            List<JsonObject> On(string node, IEnumerable<JsonObject> pods) => [.. pods.Where(pod => PlannedWorld.Target(pod) == node)];
            int Missing(IReadOnlyList<JsonObject> live) => fit.Count(node => !On(node, live).Any(Works));
            int Extra(IEnumerable<JsonObject> live) => live.GroupBy(PlannedWorld.Target).Count(group => fit.Contains(group.Key) && group.Count() > 1);
            var actions = world.Decide();
            var (made, going) = (Made(actions), Going(world, actions));
            var (before, after) = (world.Live, world.Live.Except(going).Concat(made).ToList());
            string Say(string what) => $"seed {seed}, step {step}, maxSurge {surge}, maxUnavailable {unavailable}: {what}: made for {string.Join(' ', made.Select(PlannedWorld.Target))}, deleted {string.Join(' ', going.Select(PlannedWorld.Target))}; before {string.Join(' ', world.Pods.Select(pod => $"{PlannedWorld.Target(pod)}:{PlannedWorld.Image(pod)}:{(Works(pod) ? "works" : pod.IsDeleted() ? "going" : pod.Phase())}"))}";
            Assert.True(made.All(pod => fit.Contains(PlannedWorld.Target(pod))), Say("only where it fits"));
            Assert.True(fit.All(node => world.Pods.Any(pod => PlannedWorld.Target(pod) == node && !pod.IsOver()) || made.Count(pod => PlannedWorld.Target(pod) == node) == 1 || world.Pods.Any(pod => PlannedWorld.Target(pod) == node && pod.IsDeleted())), Say("everywhere it fits"));
            Assert.True(after.All(pod => nodes.TryGetValue(PlannedWorld.Target(pod), out var node) && MayStay(node)), Say("nowhere else"));
            Assert.True(going.Where(pod => !pod.IsOver() && nodes.TryGetValue(PlannedWorld.Target(pod), out var node) && !Fits(node) && MayStay(node)).All(pod => On(PlannedWorld.Target(pod), before).Count > 1), Say("a node that takes none keeps the one it has"));
            Assert.True(Extra(after) <= Math.Max(Bound(surge), Extra(before)), Say("more than maxSurge"));
            Assert.True(after.GroupBy(PlannedWorld.Target).All(group => group.Count() <= 2), Say("three on a node"));
            Assert.True(Missing(after) <= Math.Max(Bound(unavailable), Missing(before)), Say("more than maxUnavailable"));
            world.Apply(actions);
            world.PodsLive();
            switch (world.Chance.Next(8))
            {
                case 0: world.Change(spec => spec["template"]!["spec"]!["containers"]![0]!["image"] = $"a:{world.Chance.Next(4)}"); break;
                case 1: world.Store.Put(Kinds.Node, Node(world.Chance, world.Chance.Next(6))); break;
                case 2: world.Store.Remove(Kinds.Node, new ObjectName("", $"n{world.Chance.Next(6)}")); break;
            }
        }
        for (int i = 0; i < 6; i++) world.Store.Put(Kinds.Node, Scheduling.Clusters.Node($"n{i}", """{"metadata":{"labels":{"disk":"ssd"}}}"""));
        world.Rest();
        var image = world.Owner["spec"]!["template"]!["spec"]!["containers"]![0]!["image"]!.ToString();
        Assert.True(world.Pods.Select(PlannedWorld.Target).Order().SequenceEqual(Enumerable.Range(0, 6).Select(number => $"n{number}")) && world.Pods.All(pod => Works(pod) && PlannedWorld.Image(pod) == image), $"seed {seed}, maxSurge {surge}: {string.Join(' ', world.Pods.Select(pod => $"{PlannedWorld.Target(pod)} {PlannedWorld.Image(pod)}"))}; {image} wanted");
    });
}
