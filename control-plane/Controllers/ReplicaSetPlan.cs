using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;
using Eyrie.Manifests;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What a controller wants done. Values, so that a test compares them.</summary>
public abstract record WorkloadAction;

public sealed record CreateObject(ResourceKind Kind, JsonObject Document) : WorkloadAction;
public sealed record DeleteObject(ResourceKind Kind, ObjectName Name, string Uid) : WorkloadAction;
public sealed record UpdateObject(ResourceKind Kind, JsonObject Document) : WorkloadAction;
public sealed record UpdateObjectStatus(ResourceKind Kind, JsonObject Document) : WorkloadAction;

/// <summary>ReplicaSet: as many pods as wanted, and the status that says how many there are. Pure.</summary>
public static class ReplicaSetPlan
{
    /// <summary>Most pods made or deleted in one step, so that one set does not flood the rest.</summary>
    private const int Burst = 50;

    /// <param name="set">The ReplicaSet.</param>
    /// <param name="pods">All pods of its namespace.</param>
    /// <param name="now">Time, for minReadySeconds.</param>
    public static IReadOnlyList<WorkloadAction> Decide(JsonObject set, IEnumerable<JsonObject> pods, DateTimeOffset now)
    {
        var actions = new List<WorkloadAction>();
        var own = pods.Where(pod => pod.OwnerUid() == set.Uid() && !pod.IsOver()).ToList();
        var live = own.Where(pod => !pod.IsDeleted()).ToList();
        int wanted = set["spec"]?["replicas"].Int(1) ?? 1;
        if (!set.IsDeleted())
        {
            for (int i = live.Count; i < wanted && i < live.Count + Burst; i++) actions.Add(new CreateObject(Kinds.Pod, NewPod(set)));
            if (live.Count > wanted)
                actions.AddRange(live.OrderBy(pod => Rank(pod, now)).ThenByDescending(pod => pod.Metadata().Text("creationTimestamp"), StringComparer.Ordinal).ThenBy(pod => pod.Name(), StringComparer.Ordinal)
                    .Take(Math.Min(live.Count - wanted, Burst)).Select(pod => new DeleteObject(Kinds.Pod, ObjectStamp.NameOf(pod), pod.Uid())));
        }
        var status = Status(set, live, now);
        if (!JsonNode.DeepEquals(status, set["status"]))
        {
            var updated = (JsonObject)set.DeepClone();
            updated["status"] = status;
            actions.Add(new UpdateObjectStatus(Kinds.ReplicaSet, updated));
        }
        return actions;
    }

    /// <summary>Which pod goes first: one without a node, one not running, one not ready, then the newest (as kube-controller-manager ranks).</summary>
    private static int Rank(JsonObject pod, DateTimeOffset now) =>
        pod.NodeName().Length == 0 ? 0 : pod.Phase() != "Running" ? 1 : !pod.IsReady() ? 2 : pod.IsAvailable(0, now) ? 3 : 2;

    private static JsonObject Status(JsonObject set, List<JsonObject> live, DateTimeOffset now)
    {
        int minReady = set["spec"]?["minReadySeconds"].Int() ?? 0;
        var status = new JsonObject { ["replicas"] = live.Count, ["fullyLabeledReplicas"] = live.Count, ["observedGeneration"] = set.Metadata()["generation"]?.DeepClone() };
        if (live.Count(pod => pod.IsReady()) is > 0 and var ready) status["readyReplicas"] = ready;
        if (live.Count(pod => pod.IsAvailable(minReady, now)) is > 0 and var available) status["availableReplicas"] = available;
        return status;
    }

    private static JsonObject NewPod(JsonObject set)
    {
        var template = set["spec"]!["template"]!;
        var metadata = (JsonObject)(template["metadata"]?.DeepClone() ?? new JsonObject());
        (metadata["annotations"] as JsonObject)?.Remove(KeptPermissions.Annotation);
        metadata["generateName"] = set.Name() + "-";
        metadata["namespace"] = set.Namespace();
        metadata["ownerReferences"] = Views.Owner(Kinds.ReplicaSet, set);
        metadata.Remove("name");
        return new JsonObject
        {
            ["apiVersion"] = "v1", ["kind"] = "Pod", ["metadata"] = metadata, ["spec"] = template["spec"]!.DeepClone(), ["status"] = new JsonObject { ["phase"] = "Pending", ["qosClass"] = QualityOfService.Of(template["spec"]) },
        };
    }
}
