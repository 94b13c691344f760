using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;

namespace Eyrie.ControlPlane.Controllers.Scheduling;

/// <summary>Where the volumes that a pod's claims are bound to can be reached from.</summary>
public static class VolumeTerms
{
    public static IReadOnlyList<IReadOnlyList<NodeTerm>> Of(JsonObject pod, ObjectCache cache)
    {
        List<IReadOnlyList<NodeTerm>>? terms = null;
        foreach (var volume in (pod["spec"]?["volumes"] as JsonArray ?? []).OfType<JsonObject>())
        {
            if (volume["persistentVolumeClaim"]?["claimName"]?.ToString() is not { Length: > 0 } claim) continue;
            if (cache.Get(Kinds.PersistentVolumeClaim, new ObjectName(pod.Namespace(), claim))?["spec"]?["volumeName"]?.ToString() is not { Length: > 0 } name) continue;
            if (cache.Get(Kinds.PersistentVolume, new ObjectName("", name))?["spec"]?["nodeAffinity"]?["required"]?["nodeSelectorTerms"] is JsonArray required) (terms ??= []).Add(PodReader.Terms(required));
        }
        return terms ?? [];
    }
}
