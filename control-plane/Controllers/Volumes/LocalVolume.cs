using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Volumes;

/// <summary>Volumes that are a directory of one node: their class, their objects, and what is read from them. Pure.</summary>
public static class LocalVolume
{
    public const string Class = "local-path", Provisioner = "eyrie.dev/local-path", ClaimProtection = "kubernetes.io/pvc-protection", VolumeProtection = "kubernetes.io/pv-protection";
    private const string DefaultClass = "storageclass.kubernetes.io/is-default-class", ProvisionedBy = "pv.kubernetes.io/provisioned-by", DirectoryGone = "eyrie.dev/directory-removed", Hostname = "kubernetes.io/hostname";

    /// <summary>The class that every cluster has, and that claims without a class get.</summary>
    public static JsonObject StorageClass() => new()
    {
        ["metadata"] = new JsonObject { ["name"] = Class, ["annotations"] = new JsonObject { [DefaultClass] = "true" } },
        ["provisioner"] = Provisioner, ["reclaimPolicy"] = "Delete", ["volumeBindingMode"] = "WaitForFirstConsumer", ["allowVolumeExpansion"] = false,
    };

    public static bool IsDefault(JsonObject storageClass) => storageClass.Metadata()["annotations"]?[DefaultClass]?.ToString() == "true";

    /// <summary>The volume of a claim on a node. Its path is beneath the state directory of the node.</summary>
    public static JsonObject For(JsonObject claim, JsonObject storageClass, string node)
    {
        var name = NameFor(claim);
        return new JsonObject
        {
            ["apiVersion"] = "v1", ["kind"] = "PersistentVolume",
            ["metadata"] = new JsonObject { ["name"] = name, ["annotations"] = new JsonObject { [ProvisionedBy] = Provisioner }, ["finalizers"] = new JsonArray(VolumeProtection) },
            ["spec"] = new JsonObject
            {
                ["capacity"] = new JsonObject { ["storage"] = claim["spec"]?["resources"]?["requests"]?["storage"]?.DeepClone() }, ["accessModes"] = claim["spec"]?["accessModes"]?.DeepClone(), ["volumeMode"] = "Filesystem",
                ["persistentVolumeReclaimPolicy"] = storageClass.Text("reclaimPolicy") ?? "Delete", ["storageClassName"] = storageClass.Name(),
                ["claimRef"] = ReferenceTo(claim),
                ["local"] = new JsonObject { ["path"] = "/volumes/" + name },
                ["nodeAffinity"] = new JsonObject { ["required"] = new JsonObject { ["nodeSelectorTerms"] = TermsFor(node) } },
            },
            ["status"] = new JsonObject { ["phase"] = "Bound" },
        };
    }

    /// <summary>Node selector terms that one node alone matches.</summary>
    public static JsonArray TermsFor(string node) => new(new JsonObject { ["matchExpressions"] = new JsonArray(new JsonObject { ["key"] = Hostname, ["operator"] = "In", ["values"] = new JsonArray(node) }) });

    public static JsonObject ReferenceTo(JsonObject claim) => new() { ["apiVersion"] = "v1", ["kind"] = "PersistentVolumeClaim", ["namespace"] = claim.Namespace(), ["name"] = claim.Name(), ["uid"] = claim.Uid() };

    /// <summary>Whether a volume's claimRef means this very claim; one without a uid means whoever has the name.</summary>
    public static bool IsOf(JsonObject reference, JsonObject claim) => reference.Text("namespace") == claim.Namespace() && reference.Text("name") == claim.Name() && (reference.Text("uid") is not { } uid || uid == claim.Uid());

    public static string NameFor(JsonObject claim) => "pvc-" + claim.Uid();

    /// <summary>Whether this provisioner made it, so that its directory is ours to remove.</summary>
    public static bool IsOurs(JsonObject volume) => volume.Metadata()["annotations"]?[ProvisionedBy]?.ToString() == Provisioner;

    /// <summary>The node that has the directory; null: it names none.</summary>
    public static string? NodeOf(JsonObject volume) => volume["spec"]?["nodeAffinity"]?["required"]?["nodeSelectorTerms"] is JsonArray { Count: > 0 } terms
        ? (terms[0]?["matchExpressions"] as JsonArray ?? []).OfType<JsonObject>().Where(expression => expression.Text("key") == Hostname).Select(expression => (expression["values"] as JsonArray)?.FirstOrDefault()?.ToString()).FirstOrDefault() : null;

    /// <summary>Whether its node is to remove the directory now: no claim has it any more, and the policy is to delete.</summary>
    public static bool IsToBeRemoved(JsonObject volume) => IsOurs(volume) && volume["spec"]?["persistentVolumeReclaimPolicy"]?.ToString() == "Delete" && !IsRemoved(volume) && volume.Phase() == "Released";

    public static bool IsRemoved(JsonObject volume) => volume.Metadata()["annotations"]?[DirectoryGone] is not null;

    /// <summary>The same volume, its directory gone.</summary>
    public static JsonObject Removed(JsonObject volume)
    {
        var made = (JsonObject)volume.DeepClone();
        if (made.Metadata()["annotations"] is not JsonObject annotations) made.Metadata()["annotations"] = annotations = [];
        annotations[DirectoryGone] = "true";
        return made;
    }

    /// <summary>Names of the claims that a pod mounts.</summary>
    public static IEnumerable<string> ClaimsOf(JsonObject pod) => (pod["spec"]?["volumes"] as JsonArray ?? []).OfType<JsonObject>()
        .Select(volume => volume["persistentVolumeClaim"]?["claimName"]?.ToString() ?? "").Where(name => name.Length > 0);

    public static bool Uses(JsonObject pod, JsonObject claim) => pod.Namespace() == claim.Namespace() && ClaimsOf(pod).Contains(claim.Name());

    /// <summary>A copy without a finalizer; null: it has it not.</summary>
    public static JsonObject? Without(JsonObject document, string finalizer)
    {
        if (!Has(document, finalizer)) return null;
        var made = (JsonObject)document.DeepClone();
        var kept = new JsonArray([.. ((JsonArray)made.Metadata()["finalizers"]!).Where(item => item?.ToString() != finalizer).Select(item => item!.DeepClone())]);
        if (kept.Count == 0) made.Metadata().Remove("finalizers");
        else made.Metadata()["finalizers"] = kept;
        return made;
    }

    /// <summary>A copy with a finalizer; null: it has it.</summary>
    public static JsonObject? With(JsonObject document, string finalizer)
    {
        if (Has(document, finalizer)) return null;
        var made = (JsonObject)document.DeepClone();
        if (made.Metadata()["finalizers"] is not JsonArray finalizers) made.Metadata()["finalizers"] = finalizers = [];
        finalizers.Add(finalizer);
        return made;
    }

    private static bool Has(JsonObject document, string finalizer) => (document.Metadata()["finalizers"] as JsonArray ?? []).Any(item => item?.ToString() == finalizer);
}
