using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Nodes;

/// <summary>The taints that say what a node's conditions say: nothing new is placed there, and, where eviction is allowed, what does not tolerate it leaves. Pure.</summary>
public static class NodeTaintPlan
{
    private static readonly (string Condition, string Key)[] Pressures =
    [
        ("MemoryPressure", "node.kubernetes.io/memory-pressure"), ("DiskPressure", "node.kubernetes.io/disk-pressure"), ("PIDPressure", "node.kubernetes.io/pid-pressure"), ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
    ];

    private static readonly HashSet<string> Ours = [Taints.NotReady, Taints.Unreachable, Taints.Unschedulable, .. Pressures.Select(pressure => pressure.Key)];

    /// <param name="node">The node.</param>
    /// <param name="evict">Whether its pods may be evicted if it is not ready.</param>
    /// <param name="now">When a taint that is new, or that somebody set without a time, takes effect.</param>
    /// <returns>The node with its taints; null: they are as they should be.</returns>
    public static JsonObject? Decide(JsonObject node, bool evict, DateTimeOffset now)
    {
        var taints = node["spec"]?["taints"] as JsonArray ?? [];
        var wanted = Wanted(node, evict).ToHashSet();
        var kept = new List<JsonObject>();
        foreach (var taint in taints.OfType<JsonObject>())
        {
            var (key, effect) = (taint.Text("key") ?? "", taint.Text("effect") ?? "");
            if (Ours.Contains(key) && effect is Taints.NoSchedule or Taints.NoExecute && !wanted.Remove((key, effect))) continue;
            kept.Add(effect == Taints.NoExecute && taint["timeAdded"] is null ? At(taint, now) : taint);
        }
        kept.AddRange(wanted.OrderBy(taint => taint.Effect, StringComparer.Ordinal).ThenBy(taint => taint.Key, StringComparer.Ordinal).Select(taint => At(new JsonObject { ["key"] = taint.Key, ["effect"] = taint.Effect }, now)));
        if (kept.Count == taints.Count && kept.Zip(taints, ReferenceEquals).All(same => same)) return null;
        var made = (JsonObject)node.DeepClone();
        if (made["spec"] is not JsonObject spec) made["spec"] = spec = [];
        if (kept.Count == 0) spec.Remove("taints");
        else spec["taints"] = new JsonArray([.. kept.Select(taint => taint.DeepClone())]);
        return made;
    }

    private static IEnumerable<(string Key, string Effect)> Wanted(JsonObject node, bool evict)
    {
        if (Lost(node) is { } key)
        {
            yield return (key, Taints.NoSchedule);
            if (evict) yield return (key, Taints.NoExecute);
        }
        foreach (var (condition, pressure) in Pressures)
            if (node.Condition(condition)?.Text("status") == "True") yield return (pressure, Taints.NoSchedule);
        if (node["spec"]?["unschedulable"]?.GetValue<bool>() == true) yield return (Taints.Unschedulable, Taints.NoSchedule);
    }

    private static string? Lost(JsonObject node) => node.Condition("Ready")?.Text("status") switch { "True" => null, "Unknown" => Taints.Unreachable, _ => Taints.NotReady };

    private static JsonObject At(JsonObject taint, DateTimeOffset now)
    {
        var made = (JsonObject)taint.DeepClone();
        made["timeAdded"] = ObjectStamp.Time(now);
        return made;
    }
}
