using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Disruptions;

/// <summary>What becomes of a request to evict a pod.</summary>
public abstract record EvictionDecision;

/// <summary>It goes, and no budget is charged.</summary>
public sealed record Evict : EvictionDecision;

/// <summary>It goes when this budget, with one disruption less, is written at the revision it was read at.</summary>
public sealed record EvictAndSpend(JsonObject Budget) : EvictionDecision;

/// <param name="Code">429: later it may go; 403 and 500: something is wrong with the budgets.</param>
/// <param name="Message">For the client.</param>
/// <param name="Cause">Which budget, and why.</param>
public sealed record RefuseEviction(int Code, string Message, string? Cause) : EvictionDecision;

/// <summary>Whether a pod may be evicted, as kube-apiserver decides: budgets protect running pods; an unready one may go when its budget is met or the budget always lets unhealthy ones go. Pure.</summary>
public static class EvictionRule
{
    /// <summary>More evictions than this that no controller has confirmed are not remembered.</summary>
    private const int MostDisrupted = 2000;

    /// <param name="pod">The pod.</param>
    /// <param name="budgets">Every PodDisruptionBudget of its namespace.</param>
    /// <param name="now">When a disruption is noted for.</param>
    public static EvictionDecision Decide(JsonObject pod, IEnumerable<JsonObject> budgets, DateTimeOffset now)
    {
        if (pod.IsOver() || pod.Phase() == "Pending" || pod.IsDeleted()) return new Evict();
        var covering = budgets.Where(budget => DisruptionBudgetPlan.Covers(budget, pod)).ToList();
        if (covering.Count == 0) return new Evict();
        if (covering.Count > 1) return new RefuseEviction(500, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.", null);
        var budget = covering[0];
        var status = budget["status"] as JsonObject;
        long allowed = Number(status, "disruptionsAllowed"), healthy = Number(status, "currentHealthy"), desired = Number(status, "desiredHealthy");
        if (!pod.IsReady() && (budget["spec"]?["unhealthyPodEvictionPolicy"]?.ToString() == "AlwaysAllow" || (healthy >= desired && desired > 0))) return new Evict();
        if (Number(status, "observedGeneration") < Number(budget.Metadata(), "generation")) return Later($"The disruption budget {budget.Name()} is still being processed by the server.");
        if (allowed < 0) return new RefuseEviction(403, $"poddisruptionbudgets.policy \"{budget.Name()}\" is forbidden: pdb disruptions allowed is negative", null);
        if (status?["disruptedPods"] is JsonObject { Count: > MostDisrupted })
            return new RefuseEviction(403, $"poddisruptionbudgets.policy \"{budget.Name()}\" is forbidden: DisruptedPods map too big - too many evictions not confirmed by PDB controller", null);
        if (allowed == 0) return Later(WhyNone(budget, healthy, desired));
        return new EvictAndSpend(Spent(budget, pod, allowed - 1, now));
    }

    private static RefuseEviction Later(string cause) => new(429, "Cannot evict pod as it would violate the pod's disruption budget.", cause);

    private static string WhyNone(JsonObject budget, long healthy, long desired)
    {
        if (budget.Condition(DisruptionBudgetPlan.Condition) is { } condition && condition.Text("reason") == DisruptionBudgetPlan.SyncFailed)
            return $"The disruption budget {budget.Name()} does not allow evicting pods currently because it failed sync: {condition.Text("message")}";
        return healthy <= desired ? string.Create(CultureInfo.InvariantCulture, $"The disruption budget {budget.Name()} needs {desired} healthy pods and has {healthy} currently")
            : $"The disruption budget {budget.Name()} does not allow evicting pods currently";
    }

    private static JsonObject Spent(JsonObject budget, JsonObject pod, long left, DateTimeOffset now)
    {
        var spent = (JsonObject)budget.DeepClone();
        var status = spent["status"]!.AsObject();
        status["disruptionsAllowed"] = left;
        if (left == 0 && spent.Condition(DisruptionBudgetPlan.Condition) is { } condition)
            (condition["status"], condition["reason"], condition["lastTransitionTime"]) = ("False", DisruptionBudgetPlan.Insufficient, ObjectStamp.Time(now));
        if (status["disruptedPods"] is not JsonObject disrupted) status["disruptedPods"] = disrupted = [];
        disrupted[pod.Name()] = ObjectStamp.Time(now);
        return spent;
    }

    private static long Number(JsonObject? from, string name) => from?[name] is JsonValue value && value.TryGetValue(out long number) ? number : 0;
}
