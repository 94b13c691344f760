using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Volumes;

/// <summary>What to do for a PersistentVolume: it is Bound as long as its claim is there, then Released; with the policy Delete its object goes when its node has removed the directory. Pure.</summary>
public static class VolumePlan
{
    /// <param name="volume">The volume.</param>
    /// <param name="claim">The claim that it refers to, if it is there.</param>
    /// <param name="nodeIsThere">Whether the node that has the directory is part of the cluster.</param>
    public static IReadOnlyList<WorkloadAction> Decide(JsonObject volume, JsonObject? claim, bool nodeIsThere)
    {
        if (!volume.IsDeleted() && LocalVolume.With(volume, LocalVolume.VolumeProtection) is { } kept) return [new UpdateObject(Kinds.PersistentVolume, kept)];
        var phase = volume["spec"]?["claimRef"] is not JsonObject owner ? "Available" : claim is not null && LocalVolume.IsOf(owner, claim) ? "Bound" : "Released";
        if (volume["status"]?["phase"]?.ToString() != phase)
        {
            var made = (JsonObject)volume.DeepClone();
            made["status"] = new JsonObject { ["phase"] = phase };
            return [new UpdateObjectStatus(Kinds.PersistentVolume, made)];
        }
        if (phase == "Bound") return [];
        bool waits = LocalVolume.IsToBeRemoved(volume) && nodeIsThere; // the node says when the directory is gone
        if (volume.IsDeleted()) return !waits && LocalVolume.Without(volume, LocalVolume.VolumeProtection) is { } free ? [new UpdateObject(Kinds.PersistentVolume, free)] : [];
        return phase == "Released" && !waits && LocalVolume.IsOurs(volume) && volume["spec"]?["persistentVolumeReclaimPolicy"]?.ToString() == "Delete" ? [new DeleteObject(Kinds.PersistentVolume, ObjectStamp.NameOf(volume), volume.Uid())] : [];
    }

    public static IReadOnlyList<WorkloadAction> Decide(JsonObject volume, ObjectCache cache)
    {
        var owner = volume["spec"]?["claimRef"] as JsonObject;
        return Decide(volume, owner is null ? null : cache.Get(Kinds.PersistentVolumeClaim, new ObjectName(owner.Text("namespace") ?? "", owner.Text("name") ?? "")), LocalVolume.NodeOf(volume) is { } node && cache.Get(Kinds.Node, new ObjectName("", node)) is not null);
    }

    /// <summary>The volumes that a change concerns: the claim's own, and those of a node that is no more.</summary>
    public static IEnumerable<ObjectName> Concerned(ObjectChange change, ObjectCache cache)
    {
        var concerned = change.Kind == Kinds.PersistentVolumeClaim ? cache.All(Kinds.PersistentVolume).Where(volume => volume["spec"]?["claimRef"] is JsonObject owner && owner.Text("namespace") == change.Name.Namespace && owner.Text("name") == change.Name.Name)
            : change.Kind == Kinds.Node && change.Type == ChangeType.Deleted ? cache.All(Kinds.PersistentVolume).Where(volume => LocalVolume.NodeOf(volume) == change.Name.Name) : [];
        return concerned.Select(ObjectStamp.NameOf);
    }
}
