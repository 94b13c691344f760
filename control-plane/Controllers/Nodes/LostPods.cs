using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Nodes;

/// <summary>Pods of a node that is not ready are not ready either, whatever was heard of them last; they are again when it is back, until it says otherwise. Pure.</summary>
public static class LostPods
{
    public const string Reason = "NodeLost";

    public static bool IsLost(JsonObject pod) => pod.Condition("Ready")?.Text("reason") == Reason;

    /// <returns>The pod with its condition turned, at the revision it was seen; null: it says what it should.</returns>
    public static JsonObject? Decide(JsonObject pod, string node, bool ready, DateTimeOffset now)
    {
        if (pod.IsOver() || (ready ? !IsLost(pod) : !pod.IsReady())) return null;
        var made = (JsonObject)pod.DeepClone();
        var condition = made.Condition("Ready")!;
        condition["status"] = ready ? "True" : "False";
        condition["lastTransitionTime"] = ObjectStamp.Time(now);
        if (ready) { condition.Remove("reason"); condition.Remove("message"); }
        else (condition["reason"], condition["message"]) = (Reason, $"node {node} is not connected");
        return made;
    }
}
