using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers.Scheduling;

/// <summary>From a Node object to what the scheduler sees. Pure.</summary>
public static class NodeReader
{
    public const string NotReady = Controllers.Taints.NotReady, Unreachable = Controllers.Taints.Unreachable;

    public static NodeInfo Read(JsonObject node)
    {
        var allocatable = node["status"]?["allocatable"] as JsonObject;
        return new NodeInfo
        {
            Name = node.Name(), Labels = PodReader.Labels(node.Metadata()["labels"]), Unschedulable = Unschedulable(node), Taints = Taints(node), Capacity = Capacity(node),
            Extended = PodRequests.Others(allocatable).ToDictionary(pair => pair.Name, pair => pair.Amount), Images = Images(node),
        };
    }

    /// <summary>What a node has for pods.</summary>
    public static Amounts Capacity(JsonObject node)
    {
        long Of(string name, int scale) => Quantity.TryParse(node["status"]?["allocatable"]?[name]?.ToString() ?? "0", scale, out long amount) ? amount : 0;
        return new Amounts(Of("cpu", 1000), Of("memory", 1), (int)Of("pods", 1), Of("ephemeral-storage", 1));
    }

    /// <summary>Its taints, which follow what the node says a moment later: one that is not Ready has the taint that says so even before it was written, and one that was uncordoned no longer has the cordon's.</summary>
    private static List<Taint> Taints(JsonObject node)
    {
        var taints = (node["spec"]?["taints"] as JsonArray ?? []).OfType<JsonObject>().Select(taint => new Taint(taint.Text("key") ?? "", taint.Text("value") ?? "", taint.Text("effect") ?? "")).ToList();
        if (!node.IsReady() && !taints.Any(taint => taint.Key is NotReady or Unreachable && taint.Effect == "NoSchedule"))
            taints.Add(new Taint(node.Condition("Ready")?.Text("status") == "Unknown" ? Unreachable : NotReady, "", "NoSchedule"));
        if (!Unschedulable(node)) taints.RemoveAll(taint => taint is { Key: Controllers.Taints.Unschedulable, Effect: Controllers.Taints.NoSchedule });
        return taints;
    }

    private static bool Unschedulable(JsonObject node) => node["spec"]?["unschedulable"]?.GetValue<bool>() == true;

    private static Dictionary<string, long> Images(JsonObject node)
    {
        var images = new Dictionary<string, long>();
        foreach (var image in (node["status"]?["images"] as JsonArray ?? []).OfType<JsonObject>())
            foreach (var name in image["names"] as JsonArray ?? [])
                if (name is not null) images[name.ToString()] = image["sizeBytes"] is JsonValue size && size.TryGetValue(out long bytes) ? bytes : 0;
        return images;
    }
}
