using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Disruptions;

/// <summary>The condition that says that a pod is about to be ended for a reason that is not its own; a Job's failure policy reads it.</summary>
public static class DisruptionTarget
{
    public const string ByEviction = "EvictionByEvictionAPI", ByScheduler = "PreemptionByScheduler", ByTaint = "DeletionByTaintManager", ByCollector = "DeletionByPodGC";

    /// <summary>Adds it to a pod's status, in place of one that is there.</summary>
    public static void Mark(JsonObject pod, string reason, string message, DateTimeOffset now)
    {
        if (pod["status"] is not JsonObject status) pod["status"] = status = [];
        var others = (status["conditions"] as JsonArray ?? []).OfType<JsonObject>().Where(condition => condition.Text("type") != "DisruptionTarget").Select(condition => condition.DeepClone());
        status["conditions"] = new JsonArray([.. others, new JsonObject { ["type"] = "DisruptionTarget", ["status"] = "True", ["reason"] = reason, ["message"] = message, ["lastTransitionTime"] = ObjectStamp.Time(now) }]);
    }
}
