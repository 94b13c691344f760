using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.ControlPlane.Controllers.Scheduling;
using Eyrie.ControlPlane.Scheduler;
using Eyrie.ControlPlane.Scheduler.Filters;
using Eyrie.ControlPlane.Scheduler.Scores;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Scheduling;

/// <summary>Random clusters and pods with every sort of rule: each node is refused by the same rule as by <see cref="ReferenceRules"/>, and each preference gives it the same.</summary>
[Collection(nameof(Alone))]
public sealed class RulePropertyTests
{
    /// <summary>Everything of one case comes from one seed.</summary>
    private sealed class Maker(int seed)
    {
        private readonly Random _chance = new(seed);
        private bool Perhaps(int one) => _chance.Next(one) == 0;
        private T Of<T>(params T[] choices) => choices[_chance.Next(choices.Length)];

        public JsonObject Node(int number)
        {
            var node = Json($$$"""{"metadata":{"name":"n{{{number}}}","labels":{"kubernetes.io/hostname":"n{{{number}}}"}},"spec":{},"status":{"allocatable":{"cpu":"{{{Of(1000, 2000, 4000)}}}m","memory":"{{{Of(1000, 2000, 4000)}}}Mi","pods":"{{{Of(2, 6, 9)}}}"},"conditions":[{"type":"Ready","status":"True"}]}}""");
            var labels = node["metadata"]!["labels"]!.AsObject();
            if (!Perhaps(5)) labels["zone"] = Of("a", "b", "c");
            if (Perhaps(2)) labels["disk"] = Of("ssd", "hdd");
            if (Perhaps(2)) labels["size"] = Of("1", "5", "9", "big");
            if (Perhaps(8)) node["spec"]!["unschedulable"] = true;
            if (Perhaps(3)) node["spec"]!["taints"] = new JsonArray([.. Enumerable.Range(0, _chance.Next(1, 3)).Select(_ => Taint())]);
            if (Perhaps(3)) node["status"]!["allocatable"]!["example.com/gpu"] = Of("1", "2", "4");
            if (!Perhaps(3)) labels["topology.kubernetes.io/zone"] = Of("a", "b");
            if (Perhaps(2)) node["status"]!["images"] = new JsonArray([.. new[] { "shop:1", "shop:latest", "local:5000/web:latest" }.Where(_ => Perhaps(2)).Select(name => new JsonObject { ["names"] = new JsonArray(name, name + "@sha256:00"), ["sizeBytes"] = Of(10L, 200L, 900L, 4000L) << 20 })]);
            return node;
        }

        private JsonNode Taint() => Json($$$"""{"key":"{{{Of("k", "l")}}}","value":"{{{Of("", "v", "w")}}}","effect":"{{{Of("NoSchedule", "NoExecute", "PreferNoSchedule")}}}"}""");

        public JsonObject Pod(string name, string node = "")
        {
            var pod = Json($$$"""{"metadata":{"name":"{{{name}}}","namespace":"{{{Of("default", "default", "other")}}}","uid":"{{{name}}}","labels":{"app":"{{{Of("x", "y")}}}"}},"spec":{},"status":{"phase":"Pending"}}""");
            var spec = pod["spec"]!.AsObject();
            if (Perhaps(2)) pod["metadata"]!["labels"]!["tier"] = Of("f", "g");
            if (Perhaps(2)) pod["metadata"]!["ownerReferences"] = new JsonArray(new JsonObject { ["controller"] = true, ["uid"] = Of("set0", "set1") });
            if (node.Length > 0) spec["nodeName"] = node;
            if (node.Length > 0 && Perhaps(8)) pod["metadata"]!["deletionTimestamp"] = "2026-01-01T00:00:00Z";
            spec["containers"] = new JsonArray([.. Enumerable.Range(0, _chance.Next(1, 3)).Select(_ => Container())]);
            if (Perhaps(3)) spec["initContainers"] = new JsonArray([.. Enumerable.Range(0, _chance.Next(1, 4)).Select(_ => Container(init: true))]);
            if (Perhaps(5)) spec["overhead"] = Json($$$"""{"cpu":"{{{Of(50, 300)}}}m","memory":"{{{Of(10, 300)}}}Mi","example.com/gpu":"{{{Of(0, 1)}}}"}""");
            if (Perhaps(3)) spec["tolerations"] = new JsonArray([.. Enumerable.Range(0, _chance.Next(1, 3)).Select(_ => Toleration())]);
            if (Perhaps(5)) spec["nodeSelector"] = new JsonObject { [Of("zone", "disk")] = Of("a", "ssd") };
            var affinity = new JsonObject();
            if (Perhaps(5)) affinity["nodeAffinity"] = new JsonObject { ["requiredDuringSchedulingIgnoredDuringExecution"] = new JsonObject { ["nodeSelectorTerms"] = new JsonArray(NodeTerm(), NodeTerm()) } };
            if (Perhaps(4)) (affinity["nodeAffinity"] ??= new JsonObject())["preferredDuringSchedulingIgnoredDuringExecution"] = new JsonArray([.. Enumerable.Range(0, 2).Select(_ => new JsonObject { ["weight"] = _chance.Next(1, 101), ["preference"] = NodeTerm() })]);
            foreach (var kind in new[] { "podAffinity", "podAntiAffinity" })
            {
                if (Perhaps(6)) (affinity[kind] ??= new JsonObject())["requiredDuringSchedulingIgnoredDuringExecution"] = new JsonArray([.. Enumerable.Range(0, _chance.Next(1, 3)).Select(_ => PodTerm())]);
                if (Perhaps(4)) (affinity[kind] ??= new JsonObject())["preferredDuringSchedulingIgnoredDuringExecution"] = new JsonArray([.. Enumerable.Range(0, 2).Select(_ => new JsonObject { ["weight"] = _chance.Next(1, 101), ["podAffinityTerm"] = PodTerm() })]);
            }
            if (affinity.Count > 0) spec["affinity"] = affinity;
            if (Perhaps(3)) spec["topologySpreadConstraints"] = new JsonArray([.. Enumerable.Range(0, _chance.Next(1, 4)).Select(_ => Spread())]);
            return pod;
        }

        private JsonNode Container(bool init = false)
        {
            var container = new JsonObject();
            if (init && Perhaps(2)) container["restartPolicy"] = "Always";
            foreach (var list in new[] { "requests", "limits" })
            {
                if (Perhaps(3)) continue;
                var amounts = new JsonObject();
                if (Perhaps(2)) amounts["cpu"] = $"{Of(0, 100, 250, 700)}m";
                if (Perhaps(2)) amounts["memory"] = $"{Of(0, 50, 300, 700)}Mi";
                if (Perhaps(6)) amounts["example.com/gpu"] = Of("1", "2");
                (container["resources"] ??= new JsonObject())[list] = amounts;
            }
            if (Perhaps(3)) container["image"] = Of("shop:1", "shop", "local:5000/web", "elsewhere");
            if (!init && Perhaps(4)) container["permissions"] = new JsonObject { ["gates"] = new JsonArray([.. Gates("service")]), ["publish"] = new JsonArray([.. Gates("gate")]) };
            if (!init && Perhaps(3))
            {
                var port = new JsonObject { ["containerPort"] = 80, ["hostPort"] = Of(80, 81) };
                if (Perhaps(2)) port["hostIP"] = Of("10.0.0.1", "10.0.0.2");
                if (Perhaps(3)) port["protocol"] = "UDP";
                container["ports"] = new JsonArray(port);
            }
            return container;
        }

        private IEnumerable<JsonNode> Gates(string field) => new[] { "vault", "prices" }.Where(_ => Perhaps(2)).Select(name => new JsonObject { [field] = field == "service" && Perhaps(3) ? "other/" + name : name });

        private JsonNode Toleration()
        {
            var toleration = new JsonObject();
            if (Perhaps(2)) toleration["effect"] = Of("NoSchedule", "NoExecute", "PreferNoSchedule");
            if (Perhaps(6)) { toleration["operator"] = "Exists"; return toleration; }
            toleration["key"] = Of("k", "l", "node.kubernetes.io/unschedulable");
            if (Perhaps(2)) toleration["operator"] = "Exists";
            else if (!Perhaps(3)) toleration["value"] = Of("v", "w");
            return toleration;
        }

        private JsonObject NodeTerm()
        {
            var term = new JsonObject();
            if (!Perhaps(6)) term["matchExpressions"] = new JsonArray([.. Enumerable.Range(0, _chance.Next(1, 3)).Select(_ => Line(Of("zone", "disk", "size"), true))]);
            if (Perhaps(4)) term["matchFields"] = new JsonArray(new JsonObject { ["key"] = "metadata.name", ["operator"] = Of("In", "NotIn"), ["values"] = new JsonArray(Of("n0", "n1")) });
            return term;
        }

        private JsonNode Line(string key, bool node)
        {
            var line = new JsonObject { ["key"] = key, ["operator"] = node && key == "size" ? Of("In", "Gt", "Lt") : Of("In", "NotIn", "Exists", "DoesNotExist") };
            if (line["operator"]!.ToString() is "Gt" or "Lt") line["values"] = new JsonArray(Of("1", "4", "9"));
            else if (line["operator"]!.ToString() is "In" or "NotIn") line["values"] = new JsonArray([.. Enumerable.Range(0, _chance.Next(1, 3)).Select(_ => (JsonNode?)Of("a", "b", "ssd", "5", "x", "f"))]);
            return line;
        }

        private JsonObject PodSelector()
        {
            var selector = new JsonObject();
            if (!Perhaps(4)) selector["matchLabels"] = new JsonObject { ["app"] = Of("x", "y") };
            if (Perhaps(3)) selector["matchExpressions"] = new JsonArray(Line("tier", false));
            return selector;
        }

        private JsonObject PodTerm()
        {
            var term = new JsonObject { ["topologyKey"] = Of("zone", "kubernetes.io/hostname"), ["labelSelector"] = PodSelector() };
            if (Perhaps(4)) term["namespaces"] = new JsonArray(Of("default", "other"));
            if (Perhaps(5)) term["namespaceSelector"] = Perhaps(2) ? [] : new JsonObject { ["matchLabels"] = new JsonObject { ["team"] = Of("one", "two") } };
            return term;
        }

        private JsonNode Spread()
        {
            var constraint = new JsonObject { ["maxSkew"] = _chance.Next(1, 3), ["topologyKey"] = Of("zone", "disk", "kubernetes.io/hostname"), ["whenUnsatisfiable"] = Of("DoNotSchedule", "ScheduleAnyway"), ["labelSelector"] = PodSelector() };
            if (Perhaps(3)) constraint["matchLabelKeys"] = new JsonArray("tier");
            if (Perhaps(3)) constraint["minDomains"] = _chance.Next(1, 5);
            if (Perhaps(3)) constraint["nodeAffinityPolicy"] = Of("Honor", "Ignore");
            if (Perhaps(3)) constraint["nodeTaintsPolicy"] = Of("Honor", "Ignore");
            return constraint;
        }

        public int Count(int most) => _chance.Next(1, most);
    }

    private sealed record Case(Cluster Cluster, ReferenceRules Reference, IReadOnlyList<JsonObject> Nodes, JsonObject Pod, string Text);

    private static Case Make(int seed)
    {
        var maker = new Maker(seed);
        List<JsonObject> nodes = [.. Enumerable.Range(0, maker.Count(6)).Select(maker.Node)];
        List<JsonObject> placed = [.. Enumerable.Range(0, maker.Count(10)).Select(number => maker.Pod($"there{number}", $"n{maker.Count(nodes.Count + 1) - 1}"))];
        var namespaces = new Dictionary<string, JsonObject> { ["default"] = Json("""{"team":"one"}"""), ["other"] = Json("""{"team":"two"}""") };
        var cluster = new Cluster();
        foreach (var (name, labels) in namespaces) cluster.SetNamespace(name, PodReader.Labels(labels));
        foreach (var node in nodes) cluster.SetNode(NodeReader.Read(node));
        foreach (var pod in placed) cluster.SetPod(PodReader.Read(pod));
        var incoming = maker.Pod("p");
        return new Case(cluster, new ReferenceRules(nodes, placed, namespaces), nodes, incoming, string.Join('\n', [$"seed {seed}", incoming.ToJsonString(), .. nodes.Concat(placed).Select(document => document.ToJsonString())]));
    }

    private static string Word(Filter? refused, NodeState node) => refused switch
    {
        null => "", NodeUnschedulable => "unschedulable", UntoleratedTaint => "taint", NodeAffinity => "node affinity", HostPorts => "ports", Resources => "resources", TopologySpread => "spread",
        PodAffinity => refused.Reasons(node).Single() switch { "node(s) didn't match pod affinity rules" => "affinity", "node(s) didn't match pod anti-affinity rules" => "anti-affinity", _ => "existing" },
        _ => refused.GetType().Name,
    };

    [Fact]
    public void Every_node_is_refused_by_the_rule_that_the_slow_rules_name() => Gen.Int[0, int.MaxValue - 1].Sample(seed =>
    {
        var made = Make(seed);
        var pod = PodReader.Read(made.Pod);
        var filters = Filter.AllFor(pod, made.Cluster);
        foreach (var node in made.Nodes)
        {
            var state = made.Cluster.Node(node["metadata"]!["name"]!.ToString())!;
            var refused = filters.FirstOrDefault(filter => !filter.Fits(state));
            Assert.True(made.Reference.Refusal(made.Pod, node) == Word(refused, state), $"{state.Info.Name}: \"{Word(refused, state)}\", by the slow rules \"{made.Reference.Refusal(made.Pod, node)}\"; {made.Text}");
        }
    }, iter: 6_000);

    [Fact]
    public void Every_preference_gives_a_node_what_the_slow_rules_give() => Gen.Int[0, int.MaxValue - 1].Sample(seed =>
    {
        var made = Make(seed);
        var pod = PodReader.Read(made.Pod);
        var fitting = made.Nodes.Where(node => made.Reference.Refusal(made.Pod, node).Length == 0).ToList();
        if (fitting.Count < 2) return;
        NodeState[] states = [.. fitting.Select(node => made.Cluster.Node(node["metadata"]!["name"]!.ToString())!)];
        var expected = made.Reference.Scores(made.Pod, fitting);
        foreach (var strategy in Enum.GetValues<ScoringStrategy>())
        {
            var scores = Score.AllFor(pod, made.Cluster, states, strategy).ToDictionary(score => score.GetType().Name);
            foreach (var (name, wanted) in expected)
            {
                if (name is "LeastAllocated" or "MostAllocated" && name != strategy.ToString()) { Assert.False(scores.ContainsKey(name)); continue; }
                if (!scores.TryGetValue(name, out var score)) { Assert.True(wanted.Distinct().Count() == 1, $"{name} is missing; {made.Text}"); continue; } // it makes no difference
                double[] values = [.. states.Select(score.Of)];
                score.Normalize(values);
                Assert.True(values.Zip(wanted).All(pair => Math.Abs(pair.First - pair.Second) < 0.5), $"{name}: {string.Join(' ', values.Select(value => value.ToString("0.0", CultureInfo.InvariantCulture)))}, by the slow rules {string.Join(' ', wanted.Select(value => value.ToString("0.0", CultureInfo.InvariantCulture)))}; {made.Text}");
            }
        }
    }, iter: 6_000);

    /// <summary>What is chosen has the most points of all that fit, with kube-scheduler's weights, and only what fits is chosen.</summary>
    [Fact]
    public void Nobody_is_put_where_the_slow_rules_refuse_it_and_nobody_waits_whom_they_would_let_in() => Gen.Int[0, int.MaxValue - 1].Sample(seed =>
    {
        var made = Make(seed);
        var fitting = made.Nodes.Where(node => made.Reference.Refusal(made.Pod, node).Length == 0).Select(node => node["metadata"]!["name"]!.ToString()).ToList();
        var decision = Placement.Decide(PodReader.Read(made.Pod), made.Cluster, new PlacementOptions(seed), seed % 7);
        Assert.True(decision is Bind bind ? fitting.Contains(bind.Node) : fitting.Count == 0, made.Text);
    }, iter: 2_000);

    /// <summary>A bound volume's node terms are those of node affinity, one of which must match for every volume.</summary>
    [Fact]
    public void A_node_is_refused_by_a_volume_exactly_when_no_term_of_it_matches() => Gen.Select(Gen.Int[0, 4].Array[0, 3].Array[0, 3], Gen.Int[0, 4]).Sample((volumes, zone) =>
    {
        var terms = volumes.Select(zones => PodReader.Terms(new JsonArray([.. zones.Select(value => (JsonNode)Json($$$"""{"matchExpressions":[{"key":"zone","operator":"In","values":["z{{{value}}}"]}]}"""))]))).ToList();
        var pod = Clusters.Pod("p").With(terms);
        Assert.Equal(volumes.All(zones => zones.Contains(zone)), Clusters.Of(("n", "{\"metadata\":{\"labels\":{\"zone\":\"z" + zone.ToString(CultureInfo.InvariantCulture) + "\"}}}")).Decide(pod) == "n");
    });
}
