using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Scheduling;

/// <summary>The PodScheduled condition, as clients read it. Pure.</summary>
public static class SchedulerConditions
{
    /// <summary>With status.nominatedNodeName: where room is being made.</summary>
    public static JsonObject Nominated(JsonObject pod, string node)
    {
        var made = (JsonObject)pod.DeepClone();
        if (made["status"] is not JsonObject) made["status"] = new JsonObject();
        made["status"]!["nominatedNodeName"] = node;
        return made;
    }

    public static JsonObject Refused(JsonObject pod, string message, DateTimeOffset now)
    {
        var made = (JsonObject)pod.DeepClone();
        if (made["status"] is not JsonObject status) made["status"] = status = [];
        var before = made.Condition("PodScheduled");
        var conditions = new JsonArray([.. (status["conditions"] as JsonArray ?? []).OfType<JsonObject>().Where(condition => condition.Text("type") != "PodScheduled").Select(condition => condition.DeepClone())]);
        conditions.Add(new JsonObject
        {
            ["type"] = "PodScheduled", ["status"] = "False", ["reason"] = "Unschedulable", ["message"] = message, ["lastProbeTime"] = null,
            ["lastTransitionTime"] = before?.Text("status") == "False" ? before.Text("lastTransitionTime") : ObjectStamp.Time(now),
        });
        status["conditions"] = conditions;
        return made;
    }
}
