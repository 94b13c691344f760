using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Pods that accept only whom they name, by a NetworkPolicy or by <c>accept</c>: what may connect to everything may not connect to them. Pure.</summary>
public static class ClosedPods
{
    /// <returns>Their addresses, in order.</returns>
    public static IReadOnlyList<string> Of(IReadOnlyCollection<JsonObject> pods, IReadOnlyCollection<JsonObject> networkPolicies)
    {
        var policies = new NetworkPolicies(new CompileContext { NetworkPolicies = networkPolicies });
        return [.. pods.Where(pod => pod.PodAddress().Length > 0 && !pod.IsOver() && (Accepts(pod) || policies.Isolates(pod.Namespace(), pod.Metadata()["labels"]))).Select(pod => pod.PodAddress()).Order(StringComparer.Ordinal)];
    }

    private static bool Accepts(JsonObject pod) => pod["spec"]?["containers"] is JsonArray containers && containers.Any(container => container.At("permissions", "accept") is not null);
}
