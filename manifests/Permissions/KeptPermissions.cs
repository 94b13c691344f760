using System.Text.Json;
using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>
/// The permissions of a pod template once more, as an annotation. A client whose types do not know the field (<c>kubectl rollout undo</c>) reads the template
/// of a ReplicaSet and writes it into the Deployment without them; what it does carry is the annotation. Only ReplicaSets have it: where a
/// person writes, the field alone says what is granted. Pure.
/// </summary>
public static class KeptPermissions
{
    public const string Annotation = "eyrie.dev/permissions";

    private static readonly string[] Lists = ["initContainers", "containers"];

    /// <summary>Adds the annotation: container name to its permissions. A template without permissions stays as it is.</summary>
    public static void Keep(JsonObject template)
    {
        var kept = new JsonObject(Containers(template).Where(container => container["permissions"] is JsonObject && container["name"] is JsonValue)
            .Select(container => KeyValuePair.Create<string, JsonNode?>(container["name"]!.ToString(), container["permissions"]!.DeepClone())));
        if (kept.Count == 0) return;
        if (template["metadata"] is not JsonObject metadata) template["metadata"] = metadata = [];
        if (metadata["annotations"] is not JsonObject annotations) metadata["annotations"] = annotations = [];
        annotations[Annotation] = kept.ToJsonString();
    }

    /// <summary>Takes the annotation away and gives its permissions to the containers that have none.</summary>
    /// <returns>What is wrong with the annotation; null: nothing.</returns>
    public static string? Restore(JsonObject template)
    {
        if (template["metadata"]?["annotations"] is not JsonObject annotations || annotations[Annotation] is not { } annotation) return null;
        JsonObject kept;
        try
        {
            if (JsonNode.Parse(annotation.ToString()) is not JsonObject read) return "must be a JSON object: container name to permissions";
            kept = read;
        }
        catch (JsonException exception)
        {
            return "must be a JSON object: container name to permissions: " + exception.Message;
        }
        foreach (var container in Containers(template))
            if (container["permissions"] is null && kept[container["name"]?.ToString() ?? ""] is { } permissions) container["permissions"] = permissions.DeepClone();
        annotations.Remove(Annotation);
        if (annotations.Count == 0) template["metadata"]!.AsObject().Remove("annotations");
        return null;
    }

    private static IEnumerable<JsonObject> Containers(JsonObject template) => Lists.SelectMany(list => (template["spec"]?[list] as JsonArray ?? []).OfType<JsonObject>());
}
