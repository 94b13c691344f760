using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Autoscaling;

/// <summary>What one metric of an autoscaler says.</summary>
/// <param name="Replicas">How many it asks for; null: it could not be read.</param>
/// <param name="Name">e.g. <c>cpu resource utilization (percentage of request)</c>.</param>
/// <param name="Current">Its entry in status.currentMetrics; null without a value.</param>
/// <param name="Reason">Why it could not be read: reason of the condition, e.g. FailedGetResourceMetric.</param>
/// <param name="Problem">The same in words.</param>
public sealed record MetricReading(int? Replicas, string Name, JsonObject? Current = null, string Reason = "", string Problem = "");

/// <param name="Replicas">What the target is to have; null: as it is.</param>
/// <param name="Status">Of the autoscaler.</param>
/// <param name="Reports">Events.</param>
public sealed record ScalingDecision(int? Replicas, JsonObject Status, ScalingMemory Memory, IReadOnlyList<Report> Reports);

/// <summary>HorizontalPodAutoscaler autoscaling/v2: the largest of what its metrics ask for, held by <see cref="ScalingBehavior"/>, with the conditions and words of Kubernetes. Pure.</summary>
public static class HorizontalPlan
{
    /// <param name="autoscaler">The document.</param>
    /// <param name="current">spec.replicas of the target.</param>
    /// <param name="observed">status.replicas of the target.</param>
    /// <param name="readings">One a metric.</param>
    public static ScalingDecision Decide(JsonObject autoscaler, int current, int observed, IReadOnlyList<MetricReading> readings, ScalingMemory memory, DateTimeOffset now)
    {
        var spec = autoscaler["spec"]!.AsObject();
        int least = spec["minReplicas"].Int(1), most = spec["maxReplicas"].Int(1);
        if (current == 0 && least != 0) return Told(autoscaler, observed, 0, null, memory, readings, now, ("AbleToScale", true, "SucceededGetScale", "the HPA controller was able to get the target's current scale"), ("ScalingActive", false, "ScalingDisabled", "scaling is disabled since the replica count of the target is zero"));
        if (current > most) return Rescale(autoscaler, current, observed, most, "Current number of replicas above Spec.MaxReplicas", memory, readings, now);
        if (current < least) return Rescale(autoscaler, current, observed, least, "Current number of replicas below Spec.MinReplicas", memory, readings, now);
        var best = readings.Where(reading => reading.Replicas is not null).MaxBy(reading => reading.Replicas);
        var bad = readings.FirstOrDefault(reading => reading.Replicas is null);
        // With a metric unread nobody is let go: it might be the one that needs them.
        if (best is null || (bad is not null && best.Replicas < current))
        {
            var failed = bad ?? new MetricReading(null, "", null, "InvalidMetricSourceType", "the autoscaler has no metrics");
            var refused = Told(autoscaler, observed, current, null, memory, readings, now, ("AbleToScale", true, "SucceededGetScale", "the HPA controller was able to get the target's current scale"), ("ScalingActive", false, failed.Reason, $"the HPA was unable to compute the replica count: {failed.Problem}"));
            return refused with { Reports = [new Report("Warning", failed.Reason, failed.Problem)] };
        }
        memory = memory.Recommending(best.Replicas!.Value, now);
        var bounded = ScalingBehavior.Bound(spec, current, best.Replicas.Value, memory, now);
        var active = ("ScalingActive", true, "ValidMetricFound", $"the HPA was able to successfully calculate a replica count from {best.Name}");
        var limited = ("ScalingLimited", bounded.Limit.Length > 0, bounded.Limit.Length > 0 ? bounded.Limit : "DesiredWithinRange", bounded.Message);
        if (bounded.Replicas != current) return Rescale(autoscaler, current, observed, bounded.Replicas, bounded.Replicas > current ? best.Name + " above target" : "All metrics below target", memory, readings, now, active, limited);
        var able = bounded.Stabilized ? ("AbleToScale", true, best.Replicas < current ? "ScaleDownStabilized" : "ScaleUpStabilized", best.Replicas < current ? "recent recommendations were higher than current one, applying the highest recent recommendation" : "recent recommendations were lower than current one, applying the lowest recent recommendation")
            : ("AbleToScale", true, "ReadyForNewScale", "recommended size matches current size");
        return Told(autoscaler, observed, current, null, memory, readings, now, able, active, limited);
    }

    /// <summary>The status of an autoscaler whose target is not there.</summary>
    public static JsonObject NoTarget(JsonObject autoscaler, string problem, DateTimeOffset now) => Told(autoscaler, 0, autoscaler["status"]?["desiredReplicas"].Int() ?? 0, null, ScalingMemory.Empty, [], now, ("AbleToScale", false, "FailedGetScale", problem)).Status;

    private static ScalingDecision Rescale(JsonObject autoscaler, int current, int observed, int replicas, string reason, ScalingMemory memory, IReadOnlyList<MetricReading> readings, DateTimeOffset now, params (string, bool, string, string)[] more)
    {
        var told = Told(autoscaler, observed, replicas, now, memory.Changing(replicas - current, now), readings, now, [("AbleToScale", true, "SucceededRescale", string.Create(CultureInfo.InvariantCulture, $"the HPA controller was able to update the target scale to {replicas}")), .. more]);
        return told with { Replicas = replicas, Reports = [new Report("Normal", "SuccessfulRescale", string.Create(CultureInfo.InvariantCulture, $"New size: {replicas}; reason: {reason}"))] };
    }

    private static ScalingDecision Told(JsonObject autoscaler, int observed, int desired, DateTimeOffset? scaled, ScalingMemory memory, IReadOnlyList<MetricReading> readings, DateTimeOffset now, params (string Type, bool Holds, string Reason, string Message)[] conditions)
    {
        var status = new JsonObject { ["observedGeneration"] = autoscaler.Metadata()["generation"]?.DeepClone(), ["currentReplicas"] = observed, ["desiredReplicas"] = desired };
        if ((scaled is { } at ? ObjectStamp.Time(at) : autoscaler["status"]?["lastScaleTime"]?.ToString()) is { } last) status["lastScaleTime"] = last;
        status["currentMetrics"] = new JsonArray([.. readings.Where(reading => reading.Current is not null).Select(reading => reading.Current!.DeepClone())]);
        status["conditions"] = new JsonArray([.. conditions.Select(condition => Condition(autoscaler, condition.Type, condition.Holds ? "True" : "False", condition.Reason, condition.Message, now))]);
        return new ScalingDecision(null, status, memory, []);
    }

    private static JsonObject Condition(JsonObject autoscaler, string type, string word, string reason, string message, DateTimeOffset now)
    {
        var before = autoscaler.Condition(type);
        return new JsonObject { ["type"] = type, ["status"] = word, ["lastTransitionTime"] = before?.Text("status") == word ? before.Text("lastTransitionTime") : ObjectStamp.Time(now), ["reason"] = reason, ["message"] = message };
    }
}
