using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>
/// spec.persistentVolumeClaimRetentionPolicy of a StatefulSet: whose dependents its claims are, so that the garbage collector takes them along. <c>whenDeleted: Delete</c>: the set's;
/// <c>whenScaled: Delete</c>: those of a pod that is to go, the pod's. Owners that others wrote stay. Pure.
/// </summary>
public static class ClaimRetention
{
    /// <param name="set">The StatefulSet.</param>
    /// <param name="pod">One of its pods.</param>
    /// <param name="goes">The set has become smaller than that pod's ordinal.</param>
    /// <param name="claims">Claims by name; null: there is none.</param>
    public static IEnumerable<WorkloadAction> Decide(JsonObject set, JsonObject pod, bool goes, Func<ObjectName, JsonObject?> claims)
    {
        var policy = set["spec"]!["persistentVolumeClaimRetentionPolicy"];
        bool deleted = policy?["whenDeleted"]?.ToString() == "Delete", scaled = policy?["whenScaled"]?.ToString() == "Delete";
        foreach (var template in (set["spec"]!["volumeClaimTemplates"] as JsonArray ?? []).OfType<JsonObject>())
        {
            if (claims(new ObjectName(set.Namespace(), $"{template.Name()}-{pod.Name()}")) is not { } claim || claim.IsDeleted()) continue;
            var wanted = goes && scaled ? Reference(Kinds.Pod, pod) : deleted ? Reference(Kinds.StatefulSet, set) : null;
            var before = (claim.Metadata()["ownerReferences"] as JsonArray ?? []).OfType<JsonObject>().ToList();
            // Pods of this name, also earlier ones, and this set are the owners that are written here.
            var others = before.Where(owner => owner.Text("uid") != set.Uid() && !(owner.Text("kind") == "Pod" && owner.Text("name") == pod.Name())).Select(owner => (JsonObject)owner.DeepClone());
            JsonArray owners = [.. others, .. wanted is null ? Array.Empty<JsonObject>() : [wanted]];
            if (owners.Count == before.Count && owners.Zip(before).All(pair => pair.First!["uid"]!.ToString() == pair.Second.Text("uid"))) continue;
            var written = (JsonObject)claim.DeepClone();
            if (owners.Count == 0) written.Metadata().Remove("ownerReferences");
            else written.Metadata()["ownerReferences"] = owners;
            yield return new UpdateObject(Kinds.PersistentVolumeClaim, written);
        }
    }

    private static JsonObject Reference(ResourceKind kind, JsonObject owner) => new() { ["apiVersion"] = kind.ApiVersion, ["kind"] = kind.Kind, ["name"] = owner.Name(), ["uid"] = owner.Uid() };
}
