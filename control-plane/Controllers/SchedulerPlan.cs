using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>From documents to the scheduler's snapshot. Pure.</summary>
public static class SchedulerPlan
{
    public static Decision Decide(JsonObject pod, IReadOnlyCollection<JsonObject> nodes, IReadOnlyCollection<JsonObject> pods)
    {
        var owner = pod.OwnerUid();
        var views = nodes.Select(node =>
        {
            var here = pods.Where(other => other.NodeName() == node.Name() && !other.IsOver()).ToList();
            var requested = here.Aggregate(new Amounts(0, 0, here.Count), (sum, other) => sum + Requests(other));
            return new NodeView(node.Name(), node.IsReady(), node["spec"]?["unschedulable"]?.GetValue<bool>() == true, Labels(node.Metadata()["labels"]), Capacity(node), requested,
                here.Count(other => owner is not null && other.OwnerUid() == owner));
        });
        return Placement.Decide(new PodView(pod.Name(), Requests(pod), Labels(pod["spec"]?["nodeSelector"])), [.. views]);
    }

    /// <summary>What a pod asks for.</summary>
    public static Amounts Requests(JsonObject pod) =>
        (pod["spec"]?["containers"] as JsonArray ?? []).Aggregate(new Amounts(0, 0, 0), (sum, container) => sum + new Amounts(
            Amount(container, "cpu", 1000), Amount(container, "memory", 1), 0));

    /// <summary>The request; without one the limit, as Kubernetes defaults it.</summary>
    private static long Amount(JsonNode? container, string name, int scale) =>
        Quantity.TryParse((container?["resources"]?["requests"]?[name] ?? container?["resources"]?["limits"]?[name])?.ToString() ?? "0", scale, out long amount) ? amount : 0;

    /// <summary>What a node has for pods.</summary>
    public static Amounts Capacity(JsonObject node)
    {
        long Of(string name, int scale) => Quantity.TryParse(node["status"]?["allocatable"]?[name]?.ToString() ?? "0", scale, out long amount) ? amount : 0;
        return new Amounts(Of("cpu", 1000), Of("memory", 1), (int)Of("pods", 1));
    }

    private static Dictionary<string, string> Labels(JsonNode? labels) => (labels as JsonObject ?? []).ToDictionary(pair => pair.Key, pair => pair.Value?.ToString() ?? "");
}
