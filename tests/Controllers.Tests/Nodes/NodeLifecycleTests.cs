using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Nodes;
using Eyrie.ControlPlane.Resources;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Nodes;

[Collection(nameof(Alone))]
public sealed class NodeLifecycleTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private static JsonObject Node(string conditions, string spec = "{}") => Json($$$"""{"metadata":{"name":"n"},"spec":{{{spec}}},"status":{"conditions":{{{conditions}}}}}""");

    private static string Condition(string type, string status) => $$"""{"type":"{{type}}","status":"{{status}}"}""";

    private static string TaintsOf(JsonObject? node) => node is null ? "as it is" : string.Join(' ', Taints.Of(node).Select(taint => $"{taint.Key.Replace("node.kubernetes.io/", "", StringComparison.Ordinal)}:{taint.Effect}{(taint.Added == Now ? "@now" : "")}"));

    [Theory]
    [InlineData("Ready:True", false, "{}", "as it is")]
    [InlineData("Ready:Unknown", false, "{}", "unreachable:NoSchedule@now")]
    [InlineData("Ready:Unknown", true, "{}", "unreachable:NoExecute@now unreachable:NoSchedule@now")]
    [InlineData("Ready:False", true, "{}", "not-ready:NoExecute@now not-ready:NoSchedule@now")]
    [InlineData("Ready:True,DiskPressure:True,MemoryPressure:False", true, "{}", "disk-pressure:NoSchedule@now")]
    [InlineData("Ready:True", false, """{"unschedulable":true}""", "unschedulable:NoSchedule@now")]
    [InlineData("Ready:True", false, """{"taints":[{"key":"node.kubernetes.io/unreachable","effect":"NoExecute"},{"key":"mine","effect":"NoSchedule"}]}""", "mine:NoSchedule")]
    [InlineData("Ready:Unknown", false, """{"taints":[{"key":"node.kubernetes.io/unreachable","effect":"NoSchedule"}]}""", "as it is")]
    [InlineData("Ready:True", false, """{"taints":[{"key":"mine","effect":"NoExecute"}]}""", "mine:NoExecute@now")]
    public void A_node_has_the_taints_that_its_conditions_say_and_those_that_others_set(string conditions, bool evict, string spec, string taints) =>
        Assert.Equal(taints, TaintsOf(NodeTaintPlan.Decide(Node("[" + string.Join(',', conditions.Split(',').Select(pair => Condition(pair.Split(':')[0], pair.Split(':')[1]))) + "]", spec), evict, Now)));

    [Theory]
    [InlineData("[]", 0.0)]
    [InlineData("""[{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute"}]""", null)]
    [InlineData("""[{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]""", 240.0)]
    [InlineData("""[{"operator":"Exists","tolerationSeconds":30}]""", -30.0)]
    [InlineData("""[{"operator":"Exists","effect":"NoSchedule"}]""", 0.0)]
    [InlineData("""[{"key":"node.kubernetes.io/unreachable","operator":"Equal","value":"x","effect":"NoExecute"}]""", 0.0)]
    public void A_pod_stays_as_long_as_it_tolerates(string tolerations, double? seconds)
    {
        NodeTaint[] taints = [new(Taints.Unreachable, "", Taints.NoSchedule, null), new(Taints.Unreachable, "", Taints.NoExecute, Now.AddMinutes(-1))];
        Assert.Equal(seconds, (Taints.Leaves(Json($$$"""{"spec":{"tolerations":{{{tolerations}}}}}"""), taints, Now) - Now)?.TotalSeconds);
    }

    [Fact]
    public void Every_pod_tolerates_a_lost_node_for_five_minutes_unless_it_says_otherwise()
    {
        var spec = Json("""{"tolerations":[{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":2}]}""");
        Taints.Default(spec);
        Taints.Default(spec);
        Assert.Equal("""[{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":2},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}]""", spec["tolerations"]!.ToJsonString());
        var all = Json("""{"tolerations":[{"operator":"Exists"}]}""");
        Taints.Default(all);
        Assert.Single(all["tolerations"]!.AsArray());
    }

    /// <summary>Any conditions, cordon and taints: those of ours are exactly what the conditions say, others' stay as they are, every NoExecute has its time, and the next look changes nothing.</summary>
    [Fact]
    public void Taints_are_those_of_the_conditions_and_of_others_with_their_times() => Gen.Int[0, int.MaxValue - 1].Sample(seed =>
    {
        var chance = new Random(seed);
        T Of<T>(params T[] choices) => choices[chance.Next(choices.Length)];
        var pressures = new Dictionary<string, string> { ["MemoryPressure"] = "memory-pressure", ["DiskPressure"] = "disk-pressure", ["PIDPressure"] = "pid-pressure", ["NetworkUnavailable"] = "network-unavailable" };
        var told = pressures.Keys.Append("Ready").Where(_ => chance.Next(4) > 0).ToDictionary(type => type, _ => Of("True", "False", "Unknown"));
        bool cordoned = chance.Next(3) == 0, evict = chance.Next(2) == 0;
        var had = new List<(string Key, string Effect, bool Timed)>();
        foreach (var key in pressures.Values.Concat(["not-ready", "unreachable", "unschedulable", "mine"]))
            foreach (var effect in new[] { "NoSchedule", "NoExecute", "PreferNoSchedule" })
                if (chance.Next(5) == 0) had.Add((key == "mine" ? key : "node.kubernetes.io/" + key, effect, chance.Next(2) == 0));
        var taints = had.Select(taint => $$"""{"key":"{{taint.Key}}","effect":"{{taint.Effect}}"{{(taint.Timed ? ""","timeAdded":"2025-06-01T00:00:00Z" """ : "")}}}""");
        var node = Node("[" + string.Join(',', told.Select(pair => Condition(pair.Key, pair.Value))) + "]", $$"""{"unschedulable":{{(cordoned ? "true" : "false")}},"taints":[{{string.Join(',', taints)}}]}""");
        var wanted = pressures.Where(pair => told.GetValueOrDefault(pair.Key) == "True").Select(pair => ("node.kubernetes.io/" + pair.Value, "NoSchedule")).ToHashSet();
        if (cordoned) wanted.Add(("node.kubernetes.io/unschedulable", "NoSchedule"));
        if (told.GetValueOrDefault("Ready") != "True")
        {
            var lost = "node.kubernetes.io/" + (told.GetValueOrDefault("Ready") == "Unknown" ? "unreachable" : "not-ready");
            wanted.Add((lost, "NoSchedule"));
            if (evict) wanted.Add((lost, "NoExecute"));
        }
        var made = NodeTaintPlan.Decide(node, evict, Now) ?? node;
        var expected = had.Where(taint => taint.Key == "mine" || taint.Effect == "PreferNoSchedule").Select(taint => (taint.Key, taint.Effect)).Concat(wanted).Order();
        Assert.True(expected.SequenceEqual(Taints.Of(made).Select(taint => (taint.Key, taint.Effect)).Order()), $"seed {seed}: {made}, not {string.Join(' ', expected)}");
        foreach (var taint in Taints.Of(made))
        {
            var before = had.FirstOrDefault(entry => (entry.Key, entry.Effect) == (taint.Key, taint.Effect));
            var time = before.Timed ? new DateTimeOffset(2025, 6, 1, 0, 0, 0, TimeSpan.Zero) : before.Key is null || taint.Effect == "NoExecute" ? Now : (DateTimeOffset?)null;
            Assert.True(taint.Added == time, $"seed {seed}: {taint}, not at {time}");
        }
        Assert.Null(NodeTaintPlan.Decide(made, evict, Now.AddHours(1)));
    }, iter: 2_000);

    /// <summary>The first toleration that fits a taint says how long; the shortest of all taints counts, and one that nothing tolerates is at once.</summary>
    [Fact]
    public void A_pod_leaves_when_the_first_of_the_taints_is_no_longer_tolerated() => Gen.Int[0, int.MaxValue - 1].Sample(seed =>
    {
        var chance = new Random(seed);
        T Of<T>(params T[] choices) => choices[chance.Next(choices.Length)];
        List<NodeTaint> taints = [.. Enumerable.Range(0, chance.Next(4)).Select(_ => new NodeTaint(Of("a", "b"), Of("", "v"), Of("NoExecute", "NoExecute", "NoSchedule"), chance.Next(3) == 0 ? null : Now.AddSeconds(-chance.Next(100))))];
        var tolerations = Enumerable.Range(0, chance.Next(4)).Select(_ => (Key: Of("", "a", "b"), Exists: chance.Next(2) == 0, Value: Of("", "v"), Effect: Of("", "NoExecute", "NoSchedule"), Seconds: chance.Next(3) == 0 ? (int?)null : chance.Next(-5, 200))).ToList();
        var pod = new JsonObject { ["spec"] = new JsonObject { ["tolerations"] = new JsonArray([.. tolerations.Select(toleration =>
        {
            var made = new JsonObject { ["operator"] = toleration.Exists ? "Exists" : "Equal" };
            if (toleration.Key.Length > 0) made["key"] = toleration.Key;
            if (!toleration.Exists) made["value"] = toleration.Value;
            if (toleration.Effect.Length > 0) made["effect"] = toleration.Effect;
            if (toleration.Seconds is { } seconds) made["tolerationSeconds"] = seconds;
            return (JsonNode)Json(made.ToJsonString());
        })]) } };
        var leaves = DateTimeOffset.MaxValue;
        foreach (var taint in taints)
        {
            if (taint.Effect != "NoExecute") continue;
            int first = tolerations.FindIndex(toleration => toleration.Effect is "" or "NoExecute" && (toleration.Key == "" || toleration.Key == taint.Key) && (toleration.Exists || toleration.Value == taint.Value));
            var at = first < 0 ? Now : tolerations[first].Seconds is not { } seconds ? DateTimeOffset.MaxValue : (taint.Added ?? Now).AddSeconds(seconds < 0 ? 0 : seconds);
            if (at < leaves) leaves = at;
        }
        Assert.True(leaves == (Taints.Leaves(pod, taints, Now) ?? DateTimeOffset.MaxValue), $"seed {seed}: {Taints.Leaves(pod, taints, Now)}, not {leaves}; {string.Join(' ', taints)} {pod}");
    }, iter: 3_000);

    private static NodeHealth[] Zone(string name, int ready, int lost) => [.. Enumerable.Range(0, ready + lost).Select(i => new NodeHealth($"{name}{i:000}", name, i >= lost))];

    /// <summary>How many nodes have been granted after some time of looking every second.</summary>
    private static int After(NodeHealth[] nodes, int seconds)
    {
        var pace = EvictionPace.Start;
        for (int second = 0; second <= seconds; second++) (pace, _) = pace.At(nodes, Now.AddSeconds(second));
        return pace.Granted.Count;
    }

    [Theory]
    [InlineData(9, 1, 0, 1)]
    [InlineData(9, 3, 0, 1)]
    [InlineData(9, 3, 10, 2)]
    [InlineData(9, 3, 20, 3)]
    [InlineData(4, 6, 600, 0)] // most of a small zone is lost: nobody leaves
    [InlineData(40, 60, 0, 1)] // most of a large one: one every 100 s
    [InlineData(40, 60, 99, 1)]
    [InlineData(40, 60, 100, 2)]
    [InlineData(0, 3, 600, 0)] // everything is lost: it is the control plane
    [InlineData(1, 1, 0, 1)]
    public void Lost_nodes_are_emptied_one_by_one_and_not_at_all_when_it_looks_like_the_network(int ready, int lost, int seconds, int emptied) => Assert.Equal(emptied, After(Zone("z", ready, lost), seconds));

    [Fact]
    public void A_zone_that_is_lost_altogether_is_emptied_while_another_stands() => Assert.Equal(2, After([.. Zone("a", 0, 5), .. Zone("b", 5, 0)], 10));

    [Fact]
    public void What_was_granted_stays_until_the_node_is_back_and_time_is_told()
    {
        var nodes = Zone("z", 5, 2);
        var (pace, again) = EvictionPace.Start.At(nodes, Now);
        Assert.Equal((1, Now.AddSeconds(10)), (pace.Granted.Count, again));
        (pace, _) = pace.At(nodes, Now.AddSeconds(1));
        Assert.Equal(["z000"], pace.Granted);
        (pace, _) = pace.At(Zone("z", 7, 0), Now.AddSeconds(2));
        Assert.Empty(pace.Granted);
        Assert.Empty(EvictionPace.Start.At(Zone("z", 0, 7), Now).Next.Granted);
    }

    /// <summary>Whatever comes and goes, a zone never gives up more than one node at first and one every ten seconds.</summary>
    [Fact]
    public void The_pace_is_never_exceeded() => Gen.Select(Gen.Bool.Array[8].Array[1, 30], Gen.Int[0, 5].Array[30]).Sample((rounds, gaps) =>
    {
        var (pace, now, granted) = (EvictionPace.Start, Now, 0);
        for (int i = 0; i < rounds.Length; i++)
        {
            now = now.AddSeconds(gaps[i]);
            NodeHealth[] nodes = [.. rounds[i].Select((ready, at) => new NodeHealth($"n{at}", "z", ready)), new NodeHealth("safe", "other", true)];
            var before = pace.Granted;
            (pace, _) = pace.At(nodes, now);
            granted += pace.Granted.Except(before).Count;
            Assert.All(pace.Granted, name => Assert.Contains(nodes, node => node.Name == name && !node.Ready));
        }
        Assert.True(granted <= 1 + ((now - Now) / EvictionPace.Interval), $"{granted} in {(now - Now).TotalSeconds} s");
    });

    [Fact]
    public void A_pod_of_a_lost_node_is_not_ready_and_is_again_when_the_node_is_back_unless_the_node_said_otherwise()
    {
        var pod = Pod("p", "a", "127.0.0.1");
        Assert.Null(LostPods.Decide(pod, "n", true, Now));
        var lost = LostPods.Decide(pod, "n", false, Now)!;
        Assert.Equal("False NodeLost", $"{lost.Condition("Ready")!.Text("status")} {lost.Condition("Ready")!.Text("reason")}");
        Assert.Null(LostPods.Decide(lost, "n", false, Now));
        Assert.True(LostPods.Decide(lost, "n", true, Now)!.IsReady());
        Assert.Null(LostPods.Decide(Pod("q", "a", "127.0.0.1", ready: false), "n", true, Now));
    }
}
