using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Controllers.Scheduling;

/// <summary>What a binding changes. Pure.</summary>
public static class PodBinding
{
    /// <summary>Gives a stored pod its node; false: another has its name by now, it is being deleted, or it has a node.</summary>
    public static bool Write(JsonObject pod, string uid, string node)
    {
        if (pod.Uid() != uid || pod.IsDeleted() || pod.NodeName().Length > 0) return false;
        pod["spec"]!["nodeName"] = node;
        return true;
    }
}
