using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>A taint of a node.</summary>
/// <param name="Added">When; null: it does not say.</param>
public sealed record NodeTaint(string Key, string Value, string Effect, DateTimeOffset? Added);

/// <summary>Taints of nodes and what pods tolerate of them. Pure.</summary>
public static class Taints
{
    public const string NotReady = "node.kubernetes.io/not-ready", Unreachable = "node.kubernetes.io/unreachable", Unschedulable = "node.kubernetes.io/unschedulable", NoSchedule = "NoSchedule", NoExecute = "NoExecute";

    /// <summary>How long a pod stays on a node that is lost, unless it says otherwise, as the admission plugin DefaultTolerationSeconds has it.</summary>
    public const int DefaultSeconds = 300;

    public static IReadOnlyList<NodeTaint> Of(JsonObject node) =>
        [.. (node["spec"]?["taints"] as JsonArray ?? []).OfType<JsonObject>().Select(taint => new NodeTaint(taint.Text("key") ?? "", taint.Text("value") ?? "", taint.Text("effect") ?? "", Views.Time(taint.Text("timeAdded"))))];

    /// <summary>Adds the default tolerations of not-ready and unreachable to a pod's spec, each unless there is one that covers it.</summary>
    public static void Default(JsonObject spec)
    {
        foreach (var key in new[] { NotReady, Unreachable })
        {
            if (Tolerations(spec).Any(toleration => (toleration.Text("key") ?? "") is var own && (own.Length == 0 || own == key) && toleration.Text("effect") is null or "" or NoExecute)) continue;
            if (spec["tolerations"] is not JsonArray tolerations) spec["tolerations"] = tolerations = [];
            tolerations.Add(new JsonObject { ["key"] = key, ["operator"] = "Exists", ["effect"] = NoExecute, ["tolerationSeconds"] = DefaultSeconds });
        }
    }

    /// <summary>When a pod has to leave a node with these taints; null: never. A time in the past: now.</summary>
    public static DateTimeOffset? Leaves(JsonObject pod, IReadOnlyList<NodeTaint> taints, DateTimeOffset now)
    {
        DateTimeOffset? leaves = null;
        foreach (var taint in taints.Where(taint => taint.Effect == NoExecute))
        {
            var due = Tolerations(pod["spec"]).FirstOrDefault(toleration => Tolerates(toleration, taint)) is not { } tolerated ? now
                : tolerated["tolerationSeconds"] is JsonValue value && value.TryGetValue(out long seconds) ? (taint.Added ?? now).AddSeconds(Math.Clamp(seconds, 0, int.MaxValue)) : (DateTimeOffset?)null;
            if (due < (leaves ?? DateTimeOffset.MaxValue)) leaves = due;
        }
        return leaves;
    }

    private static bool Tolerates(JsonObject toleration, NodeTaint taint)
    {
        string key = toleration.Text("key") ?? "", effect = toleration.Text("effect") ?? "";
        return (effect.Length == 0 || effect == taint.Effect) && (key.Length == 0 || key == taint.Key) && (toleration.Text("operator") == "Exists" || (toleration.Text("value") ?? "") == taint.Value);
    }

    private static IEnumerable<JsonObject> Tolerations(JsonNode? spec) => (spec?["tolerations"] as JsonArray ?? []).OfType<JsonObject>();
}
