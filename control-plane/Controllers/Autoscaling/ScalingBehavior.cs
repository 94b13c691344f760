using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Autoscaling;

/// <summary>What an autoscaler remembers: what it would have liked, and what it did. A control plane that starts anew remembers nothing, as in Kubernetes.</summary>
public sealed record ScalingMemory(ImmutableList<(DateTimeOffset At, int Replicas)> Recommended, ImmutableList<(DateTimeOffset At, int Change)> Done)
{
    public static readonly ScalingMemory Empty = new([], []);

    public ScalingMemory Recommending(int replicas, DateTimeOffset now) => this with { Recommended = Recommended.RemoveAll(entry => entry.At < now.AddHours(-1)).Add((now, replicas)) };

    public ScalingMemory Changing(int by, DateTimeOffset now) => this with { Done = Done.RemoveAll(entry => entry.At < now.AddHours(-1)).Add((now, by)) };
}

/// <param name="Stabilized">The window held it back.</param>
/// <param name="Limit">Reason of the condition ScalingLimited when a bound or a policy held it back; empty: none did.</param>
public sealed record BoundedReplicas(int Replicas, bool Stabilized, string Limit, string Message);

/// <summary>spec.behavior: stabilisation windows and policies, then the bounds (horizontal.go of Kubernetes). Pure.</summary>
public static class ScalingBehavior
{
    private static readonly JsonObject Up = JsonNode.Parse("""{"stabilizationWindowSeconds":0,"selectPolicy":"Max","policies":[{"type":"Pods","value":4,"periodSeconds":15},{"type":"Percent","value":100,"periodSeconds":15}]}""")!.AsObject(),
        Down = JsonNode.Parse("""{"stabilizationWindowSeconds":300,"selectPolicy":"Max","policies":[{"type":"Percent","value":100,"periodSeconds":15}]}""")!.AsObject();

    /// <param name="spec">Of the autoscaler.</param>
    /// <param name="current">Replicas there are to be now.</param>
    /// <param name="desired">What the metrics ask for.</param>
    /// <param name="memory">With this recommendation in it.</param>
    public static BoundedReplicas Bound(JsonObject spec, int current, int desired, ScalingMemory memory, DateTimeOffset now)
    {
        int stable = Stabilize(spec, current, desired, memory, now), least = spec["minReplicas"].Int(1), most = spec["maxReplicas"].Int(1);
        var (replicas, limit, message) = (stable, "", "the desired count is within the acceptable range");
        if (stable > current)
        {
            int rate = Math.Max(current, UpTo(spec, current, memory, now)), highest = Math.Min(most, rate);
            if (stable > highest) (replicas, limit, message) = rate < most ? (rate, "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate") : (most, "TooManyReplicas", "the desired replica count is more than the maximum replica count");
        }
        else if (stable < current)
        {
            int rate = Math.Min(current, DownTo(spec, current, memory, now)), lowest = Math.Max(least, rate);
            if (stable < lowest) (replicas, limit, message) = rate > least ? (rate, "ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate") : (least, "TooFewReplicas", "the desired replica count is less than the minimum replica count");
        }
        if (replicas > most) (replicas, limit, message) = (most, "TooManyReplicas", "the desired replica count is more than the maximum replica count");
        if (replicas < least) (replicas, limit, message) = (least, "TooFewReplicas", "the desired replica count is less than the minimum replica count");
        return new BoundedReplicas(replicas, stable != desired, limit, message);
    }

    public static decimal Tolerance(JsonObject spec, bool up) => Admission.Quantities.Parse(spec["behavior"]?[up ? "scaleUp" : "scaleDown"]?["tolerance"]) ?? ReplicaProposal.Tolerance;

    private static int Stabilize(JsonObject spec, int current, int desired, ScalingMemory memory, DateTimeOffset now)
    {
        IEnumerable<int> Within(bool up) => memory.Recommended.Where(entry => entry.At >= now.AddSeconds(-Rule(spec, up, "stabilizationWindowSeconds").Int())).Select(entry => entry.Replicas);
        int lowest = Within(true).Append(desired).Min(), highest = Within(false).Append(desired).Max();
        return current < lowest ? lowest : current > highest ? highest : current;
    }

    private static int UpTo(JsonObject spec, int current, ScalingMemory memory, DateTimeOffset now) => Select(spec, true, current, memory, now, (start, policy) =>
        policy.Text("type") == "Pods" ? start + policy["value"].Int() : (int)Math.Ceiling(start * (1 + (policy["value"].Int() / 100m))));

    private static int DownTo(JsonObject spec, int current, ScalingMemory memory, DateTimeOffset now) => Select(spec, false, current, memory, now, (start, policy) =>
        policy.Text("type") == "Pods" ? start - policy["value"].Int() : (int)(start * (1 - (policy["value"].Int() / 100m))));

    private static int Select(JsonObject spec, bool up, int current, ScalingMemory memory, DateTimeOffset now, Func<int, JsonObject, int> allowed)
    {
        var choice = Rule(spec, up, "selectPolicy")?.ToString();
        if (choice == "Disabled") return current;
        // What was done within a policy's period counts against it.
        var proposals = Rule(spec, up, "policies")!.AsArray().OfType<JsonObject>().Select(policy => allowed(current - memory.Done.Where(entry => entry.At > now.AddSeconds(-policy["periodSeconds"].Int())).Sum(entry => entry.Change), policy));
        return (choice == "Min") == up ? proposals.Min() : proposals.Max();
    }

    private static JsonNode? Rule(JsonObject spec, bool up, string name) => spec["behavior"]?[up ? "scaleUp" : "scaleDown"]?[name] ?? (up ? Up : Down)[name];
}
