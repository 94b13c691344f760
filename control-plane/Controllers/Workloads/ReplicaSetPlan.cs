using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>ReplicaSet and ReplicationController: as many pods as wanted, and the status that says how many there are. Pure.</summary>
public static class ReplicaSetPlan
{
    /// <summary>Most pods made or deleted in one step, so that one set does not flood the rest.</summary>
    private const int Burst = 500;

    /// <param name="set">The ReplicaSet.</param>
    /// <param name="pods">The pods it controls.</param>
    /// <param name="now">Time, for minReadySeconds.</param>
    /// <param name="kind">ReplicaSet, or ReplicationController.</param>
    public static IReadOnlyList<WorkloadAction> Decide(JsonObject set, IEnumerable<PodView> pods, DateTimeOffset now, ResourceKind? kind = null)
    {
        kind ??= Kinds.ReplicaSet;
        var actions = new List<WorkloadAction>();
        int minReady = set["spec"]?["minReadySeconds"].Int() ?? 0;
        int going = pods.Count(pod => pod.IsDeleted && !pod.IsOver);
        var live = pods.Where(pod => !pod.IsOver && !pod.IsDeleted).ToList();
        var staying = live; // what goes is still there, but whoever counts on it would let others go in its place
        int wanted = set["spec"]?["replicas"].Int(1) ?? 1;
        if (!set.IsDeleted())
        {
            for (int i = live.Count; i < wanted && i < live.Count + Burst; i++) actions.Add(new CreateObject(Kinds.Pod, PodTemplates.NewPod(kind, set, set["spec"]!["template"]!)));
            if (live.Count > wanted)
            {
                var leaving = live.OrderBy(pod => Rank(pod, minReady, now)).ThenByDescending(pod => pod.Document.Metadata().Text("creationTimestamp"), StringComparer.Ordinal).ThenBy(pod => pod.Document.Name(), StringComparer.Ordinal)
                    .Take(Math.Min(live.Count - wanted, Burst)).ToList();
                actions.AddRange(leaving.Select(pod => new DeleteObject(Kinds.Pod, ObjectStamp.NameOf(pod.Document), pod.Document.Uid())));
                staying = [.. live.Except(leaving)];
            }
        }
        PodTemplates.WriteStatus(kind, set, Status(set, live.Count, going, wanted, staying, minReady, now), actions);
        if (PodView.NextAvailable(staying, minReady, now) is { } next) actions.Add(new LookAgain(next));
        return actions;
    }

    /// <summary>Which pod goes first: one without a node, one not running, one not ready, one not ready for long enough, then the newest (as kube-controller-manager ranks).</summary>
    private static int Rank(PodView pod, int minReady, DateTimeOffset now) =>
        pod.Document.NodeName().Length == 0 ? 0 : pod.Document.Phase() != "Running" ? 1 : !pod.IsReady ? 2 : !pod.IsAvailable(minReady, now) ? 3 : 4;

    private static JsonObject Status(JsonObject set, int there, int going, int wanted, List<PodView> staying, int minReady, DateTimeOffset now)
    {
        var status = new JsonObject { ["replicas"] = there, ["fullyLabeledReplicas"] = there, ["observedGeneration"] = set.Metadata()["generation"]?.DeepClone() };
        if (going > 0) status["terminatingReplicas"] = going;
        if (staying.Count(pod => pod.IsReady) is > 0 and var ready) status["readyReplicas"] = ready;
        if (staying.Count(pod => pod.IsAvailable(minReady, now)) is > 0 and var available) status["availableReplicas"] = available;
        if (there < wanted && set.Condition(ReplicaFailure.Condition) is { } failure) status["conditions"] = new JsonArray(failure.DeepClone());
        return status;
    }
}
