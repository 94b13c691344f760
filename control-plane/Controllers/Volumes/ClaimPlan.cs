using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Volumes;

/// <summary>What is around a claim.</summary>
/// <param name="Classes">Every StorageClass.</param>
/// <param name="Volume">A PersistentVolume by name; null: there is none.</param>
/// <param name="Users">Pods of the namespace that mount the claim.</param>
public sealed record ClaimSurroundings(IReadOnlyCollection<JsonObject> Classes, Func<string, JsonObject?> Volume, IReadOnlyCollection<JsonObject> Users);

/// <summary>What to do for a PersistentVolumeClaim: it is kept while a pod uses it, and gets a volume on the node of the first pod that is placed. Pure.</summary>
public static class ClaimPlan
{
    public static IReadOnlyList<WorkloadAction> Decide(JsonObject claim, ClaimSurroundings around)
    {
        if (claim.IsDeleted()) return Leaving(claim, around);
        if (Prepared(claim, around) is { } prepared) return [new UpdateObject(Kinds.PersistentVolumeClaim, prepared)];
        return claim["spec"]?["volumeName"]?.ToString() is { Length: > 0 } name ? Bound(claim, name, around) : Unbound(claim, around);
    }

    /// <summary>Deleted: it goes when the last pod that uses it has ended.</summary>
    private static IReadOnlyList<WorkloadAction> Leaving(JsonObject claim, ClaimSurroundings around) =>
        around.Users.Any(pod => !pod.IsOver() && pod.NodeName().Length > 0) || LocalVolume.Without(claim, LocalVolume.ClaimProtection) is not { } free ? [] : [new UpdateObject(Kinds.PersistentVolumeClaim, free)];

    /// <summary>With its finalizer, and the default class where it names none; null: it has both.</summary>
    private static JsonObject? Prepared(JsonObject claim, ClaimSurroundings around)
    {
        var made = LocalVolume.With(claim, LocalVolume.ClaimProtection);
        if (claim["spec"]?["storageClassName"] is not null || claim["spec"]?["volumeName"] is not null || around.Classes.FirstOrDefault(LocalVolume.IsDefault) is not { } fallback) return made;
        made ??= (JsonObject)claim.DeepClone();
        made["spec"]!["storageClassName"] = fallback.Name();
        return made;
    }

    private static IReadOnlyList<WorkloadAction> Bound(JsonObject claim, string name, ClaimSurroundings around)
    {
        if (around.Volume(name) is not { } volume)
            return claim["status"]?["phase"]?.ToString() == "Bound" ? [Status(claim, "Lost", null), new Report("Warning", "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")] : Pending(claim);
        if (!LocalVolume.IsOurs(volume)) return Pending(claim, new Report("Warning", "FailedBinding", $"volume \"{name}\" was not made by {LocalVolume.Provisioner}: nodes mount no others"));
        if (volume["spec"]?["claimRef"] is not JsonObject owner)
        {
            var taken = (JsonObject)volume.DeepClone();
            taken["spec"]!["claimRef"] = LocalVolume.ReferenceTo(claim);
            return [.. Pending(claim), new UpdateObject(Kinds.PersistentVolume, taken)];
        }
        if (!LocalVolume.IsOf(owner, claim)) return Pending(claim, new Report("Warning", "FailedBinding", $"volume \"{name}\" already bound to a different claim."));
        var status = Status(claim, "Bound", volume);
        return JsonNode.DeepEquals(status.Document["status"], claim["status"]) ? [] : [status];
    }

    private static IReadOnlyList<WorkloadAction> Unbound(JsonObject claim, ClaimSurroundings around)
    {
        if (Obstacle(claim, around.Classes) is { } obstacle) return Pending(claim, obstacle);
        if (around.Users.Where(pod => !pod.IsOver() && pod.NodeName().Length > 0).MinBy(pod => pod.Uid(), StringComparer.Ordinal) is not { } user) return Pending(claim, new Report("Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding"));
        var actions = new List<WorkloadAction>();
        if (around.Volume(LocalVolume.NameFor(claim)) is null) actions.Add(new CreateObject(Kinds.PersistentVolume, LocalVolume.For(claim, around.Classes.First(item => item.Name() == claim["spec"]!["storageClassName"]!.ToString()), user.NodeName())));
        var named = (JsonObject)claim.DeepClone();
        named["spec"]!["volumeName"] = LocalVolume.NameFor(claim);
        actions.Add(new UpdateObject(Kinds.PersistentVolumeClaim, named));
        actions.Add(new Report("Normal", "ProvisioningSucceeded", $"Successfully provisioned volume {LocalVolume.NameFor(claim)}"));
        return actions;
    }

    /// <summary>Why a claim without a volume gets none, whatever pods are placed; null: it gets one. Of a claim without a class nobody knows yet: it is given the default one.</summary>
    public static Report? Obstacle(JsonObject claim, IReadOnlyCollection<JsonObject> classes)
    {
        if (claim["spec"]?["storageClassName"] is null && classes.Any(LocalVolume.IsDefault)) return null;
        var name = claim["spec"]?["storageClassName"]?.ToString() ?? "";
        if (classes.FirstOrDefault(item => item.Name() == name) is not { } storageClass)
            return new Report("Warning", "ProvisioningFailed", name.Length == 0 ? "no persistent volumes available for this claim and no storage class is set" : $"storageclass.storage.k8s.io \"{name}\" not found");
        if (storageClass.Text("provisioner") is var provisioner && provisioner != LocalVolume.Provisioner) return new Report("Normal", "ExternalProvisioning", $"Waiting for a volume to be created by the external provisioner '{provisioner}'.");
        var others = (claim["spec"]?["accessModes"] as JsonArray ?? []).Select(mode => mode?.ToString()).Where(mode => mode != "ReadWriteOnce").ToList();
        if (others.Count > 0) return new Report("Warning", "ProvisioningFailed", $"volumes of class {name} are directories of one node: only ReadWriteOnce can be had, not {string.Join(", ", others)}");
        return claim["spec"]?["volumeMode"]?.ToString() == "Block" ? new Report("Warning", "ProvisioningFailed", $"volumes of class {name} are directories: volumeMode Block cannot be had") : null;
    }

    /// <summary>Not bound, and why; the phase is written once, the reason told at every look.</summary>
    private static IReadOnlyList<WorkloadAction> Pending(JsonObject claim, params Report[] reports) => claim["status"]?["phase"]?.ToString() == "Pending" ? reports : [Status(claim, "Pending", null), .. reports];

    private static UpdateObjectStatus Status(JsonObject claim, string phase, JsonObject? volume)
    {
        var made = (JsonObject)claim.DeepClone();
        made["status"] = volume is null ? new JsonObject { ["phase"] = phase } : new JsonObject { ["phase"] = phase, ["accessModes"] = volume["spec"]?["accessModes"]?.DeepClone(), ["capacity"] = volume["spec"]?["capacity"]?.DeepClone() };
        return new UpdateObjectStatus(Kinds.PersistentVolumeClaim, made);
    }

    /// <summary>The claims that a change concerns: those that a pod mounts, the one that a volume belongs to, and all without a volume when a class changes.</summary>
    public static IEnumerable<ObjectName> Concerned(ObjectChange change, ObjectCache cache)
    {
        var concerned = change.Kind == Kinds.Pod ? LocalVolume.ClaimsOf(change.Document).Select(claim => new ObjectName(change.Name.Namespace, claim))
            : change.Kind == Kinds.PersistentVolume ? cache.All(Kinds.PersistentVolumeClaim).Where(claim => claim["spec"]?["volumeName"]?.ToString() == change.Name.Name).Select(ObjectStamp.NameOf)
            : change.Kind == Kinds.StorageClass ? cache.All(Kinds.PersistentVolumeClaim).Where(claim => claim["spec"]?["volumeName"] is null).Select(ObjectStamp.NameOf) : [];
        return concerned.Where(name => cache.Get(Kinds.PersistentVolumeClaim, name) is not null);
    }

    public static ClaimSurroundings Around(JsonObject claim, ObjectCache cache) => new(cache.All(Kinds.StorageClass), name => cache.Get(Kinds.PersistentVolume, new ObjectName("", name)), [.. cache.All(Kinds.Pod).Where(pod => LocalVolume.Uses(pod, claim))]);
}
