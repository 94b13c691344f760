using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>Pods from templates. Pure.</summary>
public static class PodTemplates
{
    /// <param name="name">Its name; null: one is generated.</param>
    public static JsonObject NewPod(ResourceKind kind, JsonObject owner, JsonNode template, string? name = null)
    {
        var metadata = (JsonObject)(template["metadata"]?.DeepClone() ?? new JsonObject());
        (metadata["annotations"] as JsonObject)?.Remove(KeptPermissions.Annotation);
        metadata.Remove("name");
        if (name is null) metadata["generateName"] = owner.Name() + "-";
        else metadata["name"] = name;
        metadata["namespace"] = owner.Namespace();
        metadata["ownerReferences"] = Views.Owner(kind, owner);
        return new JsonObject
        {
            ["apiVersion"] = "v1", ["kind"] = "Pod", ["metadata"] = metadata, ["spec"] = template["spec"]!.DeepClone(), ["status"] = new JsonObject { ["phase"] = "Pending", ["qosClass"] = QualityOfService.Of(template["spec"]) },
        };
    }

    public static JsonObject Labelled(this JsonObject document, string name, string value) => Put(document, "labels", name, value);

    public static JsonObject Annotated(this JsonObject document, string name, string value) => Put(document, "annotations", name, value);

    public static string? Label(this JsonObject document, string name) => document.Metadata()["labels"]?[name]?.ToString();

    public static string? Annotation(this JsonObject document, string name) => document.Metadata()["annotations"]?[name]?.ToString();

    private static JsonObject Put(JsonObject document, string map, string name, string value)
    {
        if (document.Metadata()[map] is not JsonObject) document.Metadata()[map] = new JsonObject();
        document.Metadata()[map]![name] = value;
        return document;
    }

    /// <summary>The status, if it says something new.</summary>
    public static void WriteStatus(ResourceKind kind, JsonObject document, JsonObject status, List<WorkloadAction> actions)
    {
        if (JsonNode.DeepEquals(status, document["status"])) return;
        var updated = (JsonObject)document.DeepClone();
        updated["status"] = status;
        actions.Add(new UpdateObjectStatus(kind, updated));
    }
}
