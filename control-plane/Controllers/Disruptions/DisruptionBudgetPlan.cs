using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Scheduling;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Disruptions;

/// <summary>
/// The status of a PodDisruptionBudget, which evictions and preemption read: how many pods are healthy, how many must be, and so how many may go. A pod whose eviction was
/// allowed counts as gone from then on, until it has gone or two minutes are over. Pure.
/// </summary>
public static class DisruptionBudgetPlan
{
    /// <summary>Within this an allowed eviction is expected to show as a deletion.</summary>
    public static readonly TimeSpan DeletionExpected = TimeSpan.FromMinutes(2);

    public const string Condition = "DisruptionAllowed", SyncFailed = "SyncFailed", Sufficient = "SufficientPods", Insufficient = "InsufficientPods";

    /// <param name="budget">The PodDisruptionBudget.</param>
    /// <param name="pods">All pods.</param>
    /// <param name="find">A workload by name.</param>
    /// <param name="now">Time, for evictions that did not happen.</param>
    public static IReadOnlyList<WorkloadAction> Decide(JsonObject budget, IEnumerable<JsonObject> pods, Func<ResourceKind, ObjectName, JsonObject?> find, DateTimeOffset now)
    {
        if (budget.IsDeleted()) return [];
        var actions = new List<WorkloadAction>();
        var selector = PodReader.Select(budget["spec"]?["selector"]);
        var covered = pods.Where(pod => pod.Namespace() == budget.Namespace() && selector.Matches(PodReader.Labels(pod.Metadata()["labels"]))).ToList();
        if (covered.Count == 0) actions.Add(new Report("Normal", "NoPods", "No matching pods found"));
        var (expected, desired, failure) = Wanted(budget, covered, find, actions);
        if (failure is not null)
        {
            actions.Add(new Report("Warning", "CalculateExpectedPodCountFailed", $"Failed to calculate the number of expected pods: {failure}"));
            var stopped = (JsonObject)(budget["status"]?.DeepClone() ?? new JsonObject());
            stopped["disruptionsAllowed"] = 0;
            stopped["conditions"] = Conditions(budget, "False", SyncFailed, failure, now);
            foreach (var name in new[] { "currentHealthy", "desiredHealthy", "expectedPods" }) stopped[name] ??= 0;
            stopped["observedGeneration"] = budget.Metadata()["generation"]?.DeepClone();
            PodTemplates.WriteStatus(Kinds.PodDisruptionBudget, budget, stopped, actions);
            return actions;
        }
        var disrupted = Disrupted(budget, covered, now, actions);
        int healthy = covered.Count(pod => pod.IsReady() && !pod.IsDeleted() && !disrupted.ContainsKey(pod.Name()));
        int allowed = expected <= 0 ? 0 : Math.Max(0, healthy - desired);
        var status = new JsonObject { ["currentHealthy"] = healthy, ["desiredHealthy"] = desired, ["disruptionsAllowed"] = allowed, ["expectedPods"] = expected, ["observedGeneration"] = budget.Metadata()["generation"]?.DeepClone() };
        if (disrupted.Count > 0) status["disruptedPods"] = disrupted;
        status["conditions"] = Conditions(budget, allowed > 0 ? "True" : "False", allowed > 0 ? Sufficient : Insufficient, "", now);
        PodTemplates.WriteStatus(Kinds.PodDisruptionBudget, budget, status, actions);
        return actions;
    }

    private static (int Expected, int Desired, string? Failure) Wanted(JsonObject budget, List<JsonObject> covered, Func<ResourceKind, ObjectName, JsonObject?> find, List<WorkloadAction> actions)
    {
        var (least, most) = (budget["spec"]?["minAvailable"], budget["spec"]?["maxUnavailable"]);
        if (most is null && (least is null || !least.ToString().EndsWith('%'))) return (covered.Count, least is null ? 0 : Portion.Of(least, "0", 0, up: true), null);
        var expected = ExpectedPods.Of(covered, find);
        if (expected.Failure is not null) return (0, 0, expected.Failure);
        if (expected.Unmanaged.Count > 0)
            actions.Add(new Report("Warning", "UnmanagedPods", $"Pods selected by this PodDisruptionBudget (selector: {budget["spec"]?["selector"]?.ToJsonString()}) were found to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value."));
        int desired = most is not null ? Math.Max(0, expected.Count - Portion.Of(most, "0", expected.Count, up: true)) : Portion.Of(least, "0", expected.Count, up: true);
        return (expected.Count, desired, null);
    }

    /// <summary>Evictions that were allowed and are still on their way, by pod.</summary>
    private static JsonObject Disrupted(JsonObject budget, List<JsonObject> covered, DateTimeOffset now, List<WorkloadAction> actions)
    {
        var kept = new JsonObject();
        foreach (var (name, time) in (budget["status"]?["disruptedPods"] as JsonObject ?? []).OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (covered.FirstOrDefault(pod => pod.Name() == name) is not { } pod || pod.IsDeleted() || Views.Time(time?.ToString()) is not { } since) continue;
            if (since + DeletionExpected <= now)
            {
                actions.Add(new Report("Warning", "NotDeleted", $"Pod {name} was expected by PDB {budget.Namespace()}/{budget.Name()} to be deleted but it wasn't"));
                continue;
            }
            kept[name] = time!.DeepClone();
            actions.Add(new LookAgain(since + DeletionExpected));
        }
        return kept;
    }

    private static JsonArray Conditions(JsonObject budget, string word, string reason, string message, DateTimeOffset now)
    {
        var before = budget.Condition(Condition);
        return new JsonArray(new JsonObject
        {
            ["type"] = Condition, ["status"] = word, ["reason"] = reason, ["message"] = message, ["observedGeneration"] = budget.Metadata()["generation"]?.DeepClone(),
            ["lastTransitionTime"] = before?.Text("status") == word ? before.Text("lastTransitionTime") : ObjectStamp.Time(now),
        });
    }

    /// <summary>The budgets that a change concerns: those that cover the pod or did, and all of the namespace where a workload's size changed.</summary>
    public static IEnumerable<ObjectName> Concerned(ObjectChange change, ObjectCache cache)
    {
        bool scaled = change.Kind == Kinds.ReplicaSet || change.Kind == Kinds.Deployment || change.Kind == Kinds.StatefulSet || change.Kind == Kinds.ReplicationController;
        if (change.Kind != Kinds.Pod && !(scaled && change.Previous?["spec"]?["replicas"].Int(1) != change.Document["spec"]?["replicas"].Int(1))) return [];
        return cache.All(Kinds.PodDisruptionBudget).Where(budget => budget.Namespace() == change.Name.Namespace && (scaled || Covers(budget, change.Document) || (change.Previous is { } before && Covers(budget, before)))).Select(ObjectStamp.NameOf);
    }

    public static bool Covers(JsonObject budget, JsonObject pod) => PodReader.Select(budget["spec"]?["selector"]).Matches(PodReader.Labels(pod.Metadata()["labels"]));
}
