using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Admission;

/// <summary>What the containers of a pod request, and what they are limited to. Pure.</summary>
public static class PodAmounts
{
    public static IEnumerable<JsonObject> Containers(JsonObject pod, bool init = true) =>
        (init ? new[] { "initContainers", "containers" } : ["containers"]).SelectMany(list => pod["spec"]?[list] as JsonArray ?? []).OfType<JsonObject>();

    /// <param name="which"><c>requests</c> or <c>limits</c>.</param>
    public static Dictionary<string, decimal> Of(JsonObject pod, string which)
    {
        var sum = new Dictionary<string, decimal>();
        foreach (var container in Containers(pod, false)) Quantities.Add(sum, Quantities.Of(container["resources"]?[which]));
        var sidecars = new Dictionary<string, decimal>();
        var most = new Dictionary<string, decimal>();
        foreach (var container in (pod["spec"]?["initContainers"] as JsonArray ?? []).OfType<JsonObject>())
        {
            var own = Quantities.Of(container["resources"]?[which]);
            if (container.Text("restartPolicy") == "Always") Quantities.Add(sidecars, own);
            else foreach (var (name, amount) in own) most[name] = Math.Max(most.GetValueOrDefault(name), amount + sidecars.GetValueOrDefault(name));
        }
        Quantities.Add(sum, sidecars);
        foreach (var (name, amount) in most) sum[name] = Math.Max(sum.GetValueOrDefault(name), amount);
        if (pod["spec"]?["overhead"] is { } overhead && (which == "requests" || sum.Count > 0)) Quantities.Add(sum, Quantities.Of(overhead));
        return sum;
    }

    /// <summary>A container that is limited and requests nothing requests its limit.</summary>
    public static void DefaultRequests(JsonObject pod)
    {
        foreach (var container in Containers(pod))
            foreach (var (name, limit) in container["resources"]?["limits"] as JsonObject ?? [])
                if (container["resources"]!["requests"]?[name] is null) Set(container, "requests", name, limit!);
    }

    public static void Set(JsonObject container, string which, string name, JsonNode amount)
    {
        if (container["resources"] is not JsonObject resources) container["resources"] = resources = [];
        if (resources[which] is not JsonObject amounts) resources[which] = amounts = [];
        amounts[name] = amount.DeepClone();
    }
}
