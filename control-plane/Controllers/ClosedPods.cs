using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Pods that accept only whom they name, by a NetworkPolicy or by <c>accept</c>: what may connect to everything may not connect to them. Pure.</summary>
public static class ClosedPods
{
    public static NetworkPolicies Policies(IReadOnlyCollection<JsonObject> networkPolicies) => new(new CompileContext { NetworkPolicies = networkPolicies });

    /// <summary>Whether a pod that runs accepts only whom it names.</summary>
    public static bool IsClosed(JsonObject pod, NetworkPolicies policies) => pod.PodAddress().Length > 0 && !pod.IsOver() && (Accepts(pod) || policies.Isolates(pod.Namespace(), pod.Metadata()["labels"]));

    private static bool Accepts(JsonObject pod) => pod["spec"]?["containers"] is JsonArray containers && containers.Any(container => container.At("permissions", "accept") is not null);
}
