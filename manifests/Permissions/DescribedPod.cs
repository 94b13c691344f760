using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>The pod that a document describes: itself, or a workload's template. Pure.</summary>
public static class DescribedPod
{
    private static readonly Dictionary<string, string> Paths = new()
    {
        ["Pod"] = "", ["Deployment"] = "spec.template.", ["ReplicaSet"] = "spec.template.", ["StatefulSet"] = "spec.template.", ["DaemonSet"] = "spec.template.", ["Job"] = "spec.template.", ["ReplicationController"] = "spec.template.",
        ["CronJob"] = "spec.jobTemplate.spec.template.",
    };

    /// <summary>The pod's spec where it stands in the document; null: the document has none.</summary>
    public static JsonObject? SpecOf(JsonObject document) => Paths.TryGetValue(document["kind"].Word() ?? "", out var path) ? Template(document, path).At("spec") as JsonObject : null;

    private static JsonNode? Template(JsonObject document, string path)
    {
        JsonNode? template = document;
        foreach (var part in path.Split('.', StringSplitOptions.RemoveEmptyEntries)) template = template.At(part);
        return template;
    }

    /// <returns>The pod with its namespace, and the path it stands at (empty, or ending with a dot); null: the document has none.</returns>
    public static (JsonObject Pod, string Path)? Of(JsonObject document)
    {
        if (!Paths.TryGetValue(document["kind"].Word() ?? "", out var path)) return null;
        var template = Template(document, path);
        if (template.At("spec") is not JsonObject spec) return null;
        var metadata = new JsonObject { ["name"] = document.NameOf(), ["namespace"] = document.NamespaceOf(), ["labels"] = template.At("metadata", "labels")?.DeepClone() };
        return (new JsonObject { ["kind"] = "Pod", ["metadata"] = metadata, ["spec"] = spec.DeepClone() }, path);
    }
}
