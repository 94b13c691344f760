using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Pods that accept only whom they name, by a NetworkPolicy, by <c>accept</c> or by their namespace's ceiling: what may connect to everything may not connect to them. Pure.</summary>
public static class ClosedPods
{
    /// <summary>Whether a pod that runs accepts only whom it names.</summary>
    public static bool IsClosed(JsonObject pod, Acceptance acceptance) => pod.PodAddress().Length > 0 && !pod.IsOver() && acceptance.IsClosed(pod);
}
