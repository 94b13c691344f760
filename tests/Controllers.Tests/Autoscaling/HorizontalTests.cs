using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Autoscaling;
using Eyrie.ControlPlane.Resources;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Autoscaling;

[Collection(nameof(Alone))]
public sealed class HorizontalTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    private static PodSamples Samples(string values, int unready = 0, int missing = 0)
    {
        var used = values.Length == 0 ? [] : values.Split(' ').Select((value, i) => ($"p{i}", decimal.Parse(value, System.Globalization.CultureInfo.InvariantCulture))).ToDictionary(pair => pair.Item1, pair => pair.Item2);
        return new PodSamples(used.Count, [.. Enumerable.Range(0, unready).Select(i => $"u{i}")], [.. Enumerable.Range(0, missing).Select(i => $"m{i}")], used);
    }

    private static readonly Dictionary<string, decimal> Requests = Enumerable.Range(0, 20).SelectMany(i => new[] { $"p{i}", $"u{i}", $"m{i}" }).ToDictionary(name => name, _ => 1m);

    /// <summary>The cases of replica_calculator_test.go, with requests of one core.</summary>
    [Theory]
    [InlineData(3, "0.3 0.5 0.7", 0, 0, 30, 5)] // 50 % against 30 %
    [InlineData(2, "0.5 0.7", 1, 0, 30, 4)] // one starts: it counts as idle, 40 % of three
    [InlineData(5, "0.1 0.1 0.1 0.1 0.1", 0, 0, 50, 1)]
    [InlineData(4, "0.53 0.5 0.48 0.5", 0, 0, 50, 4)] // within the tolerance
    [InlineData(3, "1 1", 0, 1, 75, 3)] // one was not measured: idle, so 66 % of three is no reason
    [InlineData(4, "0.1 0.1", 0, 2, 50, 4)] // two were not measured: they might use all they request
    [InlineData(4, "0.1 0.1 0.1", 0, 1, 100, 2)]
    public void Utilization_asks_for_as_many_as_bring_it_to_the_target(int current, string used, int unready, int missing, int target, int replicas) =>
        Assert.Equal(replicas, ReplicaProposal.ByUtilization(current, Samples(used, unready, missing), Requests, target).Replicas);

    [Theory]
    [InlineData(3, "20 30 25", "15", 5)]
    [InlineData(3, "10 10 10", "15", 2)]
    [InlineData(3, "15 16 14", "15", 3)]
    public void An_average_asks_for_as_many_as_bring_it_to_the_target(int current, string values, string target, int replicas) => Assert.Equal(replicas, ReplicaProposal.ByAverage(current, Samples(values), decimal.Parse(target, System.Globalization.CultureInfo.InvariantCulture)).Replicas);

    [Theory]
    [InlineData(4, 200, 100, 8, 2)]
    [InlineData(4, 105, 100, 4, 2)]
    [InlineData(2, 30, 100, 1, 1)]
    public void One_value_is_for_all_of_them_or_shared_out(int current, int value, int target, int byValue, int byShare)
    {
        Assert.Equal(byValue, ReplicaProposal.ByValue(current, current, value, target));
        Assert.Equal(byShare, ReplicaProposal.ByShare(current, value, target));
    }

    private static JsonObject Spec(string behavior = "{}", int least = 1, int most = 100) => Json($$$"""{"minReplicas":{{{least}}},"maxReplicas":{{{most}}},"behavior":{{{behavior}}}}""");

    [Theory]
    [InlineData("{}", 4, 20, "8 ScaleUpLimit")] // 100 % or four pods in 15 s, whichever is more
    [InlineData("{}", 1, 20, "5 ScaleUpLimit")]
    [InlineData("""{"scaleUp":{"policies":[{"type":"Pods","value":2,"periodSeconds":60}]}}""", 4, 20, "6 ScaleUpLimit")]
    [InlineData("""{"scaleUp":{"selectPolicy":"Min","policies":[{"type":"Pods","value":2,"periodSeconds":60},{"type":"Percent","value":10,"periodSeconds":60}]}}""", 10, 20, "11 ScaleUpLimit")]
    [InlineData("""{"scaleUp":{"selectPolicy":"Disabled"}}""", 4, 20, "4 ScaleUpLimit")]
    [InlineData("""{"scaleDown":{"stabilizationWindowSeconds":0,"policies":[{"type":"Percent","value":10,"periodSeconds":60}]}}""", 20, 1, "18 ScaleDownLimit")]
    [InlineData("""{"scaleDown":{"stabilizationWindowSeconds":0,"selectPolicy":"Min","policies":[{"type":"Percent","value":50,"periodSeconds":60},{"type":"Pods","value":1,"periodSeconds":60}]}}""", 20, 1, "19 ScaleDownLimit")]
    [InlineData("""{"scaleDown":{"stabilizationWindowSeconds":0}}""", 20, 0, "1 TooFewReplicas")]
    [InlineData("{}", 90, 200, "100 TooManyReplicas")]
    [InlineData("{}", 4, 6, "6 ")]
    public void Policies_and_bounds_hold_the_change(string behavior, int current, int desired, string bounded)
    {
        var found = ScalingBehavior.Bound(Spec(behavior), current, desired, ScalingMemory.Empty.Recommending(desired, Now), Now);
        Assert.Equal(bounded, $"{found.Replicas} {found.Limit}");
    }

    [Fact]
    public void What_was_done_within_a_period_counts_against_its_policy()
    {
        var spec = Spec("""{"scaleUp":{"policies":[{"type":"Pods","value":4,"periodSeconds":60}]}}""");
        var memory = ScalingMemory.Empty.Changing(3, Now.AddSeconds(-30));
        Assert.Equal(11, ScalingBehavior.Bound(spec, 10, 50, memory, Now).Replicas);
        Assert.Equal(14, ScalingBehavior.Bound(spec, 10, 50, memory, Now.AddSeconds(31)).Replicas);
    }

    [Fact]
    public void Fewer_are_wanted_only_when_the_window_has_seen_nothing_else()
    {
        var memory = ScalingMemory.Empty.Recommending(8, Now.AddSeconds(-200)).Recommending(2, Now);
        Assert.Equal((8, true), ScalingBehavior.Bound(Spec(), 10, 2, memory, Now) is var held ? (held.Replicas, held.Stabilized) : default);
        var later = memory.Recommending(2, Now.AddSeconds(101));
        Assert.Equal(2, ScalingBehavior.Bound(Spec(), 10, 2, later, Now.AddSeconds(101)).Replicas);
    }

    [Fact]
    public void No_change_is_faster_than_its_policy_whatever_is_asked_for() => Gen.Select(Gen.Int[0, 60].Array[1, 40], Gen.Int[1, 30], Gen.Int[1, 6]).Sample((asked, start, pods) =>
    {
        var spec = Spec($$$"""{"scaleUp":{"policies":[{"type":"Pods","value":{{{pods}}},"periodSeconds":60}]},"scaleDown":{"stabilizationWindowSeconds":30,"policies":[{"type":"Pods","value":{{{pods}}},"periodSeconds":60}]}}""", 1, 40);
        var (memory, current, now) = (ScalingMemory.Empty, Math.Min(start, 40), Now);
        var history = new List<(DateTimeOffset At, int Replicas)> { (now, current) };
        foreach (int desired in asked)
        {
            now = now.AddSeconds(15);
            memory = memory.Recommending(desired, now);
            int next = ScalingBehavior.Bound(spec, current, desired, memory, now).Replicas;
            if (next != current) memory = memory.Changing(next - current, now);
            history.Add((now, current = next));
            Assert.InRange(next, 1, 40);
            int before = history.Last(entry => entry.At <= now.AddSeconds(-60) || entry == history[0]).Replicas, last = history[^2].Replicas;
            Assert.InRange(next, Math.Min(last, before - pods), Math.Max(last, before + pods)); // against what there was a period ago
        }
    });

    /// <summary>
    /// In whole millicores and percent, as replica_calculator.go counts: pods that start are idle when there are to be more; those that were not measured are idle when there are to be more, and use all they request when
    /// there are to be fewer; and if that turns the decision round, or brings it within the tolerance of a tenth, everything stays.
    /// </summary>
    [Fact]
    public void Utilization_is_weighed_with_what_starts_and_what_was_not_measured() => Gen.Int[0, int.MaxValue - 1].Sample(seed =>
    {
        var chance = new Random(seed);
        int current = chance.Next(1, 9), target = chance.Next(10, 120), ready = chance.Next(1, 6), starting = chance.Next(3), silent = chance.Next(3);
        var used = Enumerable.Range(0, ready).ToDictionary(i => $"p{i}", _ => chance.Next(1200));
        var requests = used.Keys.Concat(Enumerable.Range(0, starting).Select(i => $"u{i}")).Concat(Enumerable.Range(0, silent).Select(i => $"m{i}")).ToDictionary(name => name, _ => 100 * chance.Next(1, 10));
        int Percent(Dictionary<string, int> of) => 100 * of.Values.Sum() / of.Keys.Sum(name => requests[name]);
        bool Near(int percent) => 10 * Math.Abs(target - percent) <= target;
        int Wanted(int percent, int pods) => ((percent * pods) + target - 1) / target;
        int first = Percent(used), expected;
        if (silent == 0 && (starting == 0 || first <= target)) expected = Near(first) ? current : Wanted(first, ready);
        else
        {
            var weighed = new Dictionary<string, int>(used);
            if (first != target) for (int i = 0; i < silent; i++) weighed[$"m{i}"] = first < target ? requests[$"m{i}"] : 0;
            if (first > target) for (int i = 0; i < starting; i++) weighed[$"u{i}"] = 0;
            int second = Percent(weighed), wanted = Wanted(second, weighed.Count);
            bool turned = (first > target && second < target) || (first < target && second > target);
            expected = Near(second) || turned || (second > target && wanted < current) || (second < target && wanted > current) ? current : wanted;
        }
        var samples = new PodSamples(ready, [.. Enumerable.Range(0, starting).Select(i => $"u{i}")], [.. Enumerable.Range(0, silent).Select(i => $"m{i}")], used.ToDictionary(pair => pair.Key, pair => pair.Value / 1000m));
        var told = ReplicaProposal.ByUtilization(current, samples, requests.ToDictionary(pair => pair.Key, pair => pair.Value / 1000m), target);
        Assert.True(told == (expected, first), $"seed {seed}: {told}, not {(expected, first)}: {current} at {target} %, {string.Join(' ', used)} of {string.Join(' ', requests)}");
    }, iter: 5_000);

    private static JsonObject Autoscaler(int least = 1, int most = 10) => Json($$$"""{"metadata":{"name":"h","generation":1},"spec":{"minReplicas":{{{least}}},"maxReplicas":{{{most}}}}}""");

    private static string Told(ScalingDecision decision) => $"{decision.Replicas?.ToString() ?? "-"} {string.Join(' ', decision.Status["conditions"]!.AsArray().Select(condition => $"{condition!["type"]}={condition["status"]}/{condition["reason"]}"))}";

    [Theory]
    [InlineData(2, "6", "6 AbleToScale=True/SucceededRescale ScalingActive=True/ValidMetricFound ScalingLimited=False/DesiredWithinRange")]
    [InlineData(2, "3,6,x", "6 AbleToScale=True/SucceededRescale ScalingActive=True/ValidMetricFound ScalingLimited=False/DesiredWithinRange")]
    [InlineData(8, "3,x", "- AbleToScale=True/SucceededGetScale ScalingActive=False/FailedGetResourceMetric")] // one is unread: nobody is let go
    [InlineData(2, "x", "- AbleToScale=True/SucceededGetScale ScalingActive=False/FailedGetResourceMetric")]
    [InlineData(2, "2", "- AbleToScale=True/ReadyForNewScale ScalingActive=True/ValidMetricFound ScalingLimited=False/DesiredWithinRange")]
    [InlineData(0, "2", "- AbleToScale=True/SucceededGetScale ScalingActive=False/ScalingDisabled")]
    [InlineData(12, "2", "10 AbleToScale=True/SucceededRescale")]
    public void The_largest_of_the_metrics_counts_and_the_conditions_say_why(int current, string asked, string told) => Assert.Equal(told,
        Told(HorizontalPlan.Decide(Autoscaler(), current, current, [.. asked.Split(',').Select(text => text == "x" ? new MetricReading(null, "cpu", null, "FailedGetResourceMetric", "no metrics") : new MetricReading(int.Parse(text, System.Globalization.CultureInfo.InvariantCulture), "cpu"))], ScalingMemory.Empty, Now)));

    [Fact]
    public void Pods_that_start_or_were_not_measured_are_told_apart()
    {
        JsonObject Of(string name, string phase, bool ready, int started) => Json($$$"""{"metadata":{"name":"{{{name}}}"},"status":{"phase":"{{{phase}}}","startTime":"{{{ObjectStamp.Time(Now.AddSeconds(-started))}}}","conditions":[{"type":"Ready","status":"{{{(ready ? "True" : "False")}}}","lastTransitionTime":"{{{ObjectStamp.Time(Now.AddSeconds(-started + 5))}}}"}]}}""");
        JsonObject[] pods = [Of("old", "Running", true, 1000), Of("young", "Running", true, 20), Of("warm", "Running", true, 100), Of("pending", "Pending", false, 1), Of("silent", "Running", true, 1000), Of("failed", "Failed", false, 1000)];
        var measured = new[] { "old", "young", "warm", "failed" }.ToDictionary(name => name, _ => (1m, Now, TimeSpan.FromSeconds(30)));
        var samples = PodSamples.Of(pods, measured, true, Now);
        Assert.Equal(("old warm", "young pending", "silent"), (string.Join(' ', samples.Values.Keys), string.Join(' ', samples.Unready), string.Join(' ', samples.Missing)));
        Assert.Equal(3, PodSamples.Of(pods, measured, false, Now).Ready);
    }

    [Fact]
    public void A_custom_metric_is_a_selector_of_prometheus() =>
        Assert.Equal("queue_depth{namespace=\"shop\",queue=\"a\\u0022b\"}", MetricSources.Selector(Json("""{"metric":{"name":"queue_depth","selector":{"matchLabels":{"queue":"a\"b"}}}}"""), ("namespace", "shop")));
}
