using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

/// <summary>Containers that are added to a pod while it runs (<c>kubectl debug</c>): only by their subresource, never changed, with a set of their own like any container's. Pure.</summary>
public static class EphemeralContainers
{
    /// <summary>A pod's list of them.</summary>
    public const string Field = "ephemeralContainers";

    private static readonly HashSet<string> Allowed =
    [
        "name", "image", "command", "args", "workingDir", "envFrom", "env", "volumeMounts", "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy", "securityContext", "stdin", "stdinOnce", "tty", "targetContainerName", "permissions",
    ];

    /// <summary>What is stored, with those that are wanted; those that are there stay as they are.</summary>
    /// <exception cref="StatusException">422: one that is there is missing or another.</exception>
    public static JsonObject Added(JsonObject document, JsonObject stored)
    {
        var wanted = Of(document["spec"]);
        foreach (var there in Of(stored["spec"]))
        {
            var same = wanted.FirstOrDefault(item => item.Text("name") == there.Text("name"));
            // A client with types of its own wrote the others back without what it does not know.
            if (same is not null && same["permissions"] is null && there["permissions"] is { } permissions) same["permissions"] = permissions.DeepClone();
            if (same is null || !JsonNode.DeepEquals(same, there))
                throw StatusException.Invalid("Pod", stored.Metadata().Text("name")!, [new FieldError("spec." + Field, $"Forbidden: existing ephemeral containers may not be changed or removed: \"{there.Text("name")}\"; a new one needs another name", "FieldValueForbidden")]);
        }
        var made = (JsonObject)stored.DeepClone();
        made.Metadata()["resourceVersion"] = document.Metadata().Text("resourceVersion");
        Fields.Set(made, "spec." + Field, new JsonArray([.. wanted.Select(item => item.DeepClone())]));
        return made;
    }

    /// <param name="spec">A pod's spec.</param>
    /// <param name="stored">Of the pod that they are added to; null: a new pod, or a template, which can have none.</param>
    /// <param name="path">Of the pod in its document: empty, or <c>spec.template.</c></param>
    public static IEnumerable<FieldError> Check(JsonObject spec, JsonNode? stored, string path)
    {
        var added = Of(spec);
        if (added.Count == 0) yield break;
        if (stored is null)
        {
            yield return new FieldError($"{path}spec.{Field}", "Forbidden: ephemeral containers are added to a pod that is there (kubectl debug)", "FieldValueForbidden");
            yield break;
        }
        var targets = new[] { "initContainers", "containers" }.SelectMany(list => spec[list] as JsonArray ?? []).OfType<JsonObject>().Select(container => container.Text("name")).ToHashSet();
        for (int i = 0; i < added.Count; i++)
        {
            var at = $"{path}spec.{Field}[{i}]";
            foreach (var (name, _) in added[i].Where(field => !Allowed.Contains(field.Key) && field.Value is not (JsonObject { Count: 0 } or JsonArray { Count: 0 }))) yield return new FieldError($"{at}.{name}", "Forbidden: cannot be set for an Ephemeral Container", "FieldValueForbidden");
            if (added[i].Text("targetContainerName") is { Length: > 0 } target && !targets.Contains(target)) yield return new FieldError(at + ".targetContainerName", $"Not found: \"{target}\"", "FieldValueNotFound");
        }
    }

    /// <summary>What somebody who knows Kubernetes may expect of a new one and will not see.</summary>
    public static IEnumerable<string> Warnings(JsonObject document, JsonObject stored)
    {
        var there = Of(stored["spec"]).Select(container => container.Text("name")).ToHashSet();
        foreach (var container in Of(document["spec"]).Where(container => !there.Contains(container.Text("name"))))
            if (container.Text("targetContainerName") is { Length: > 0 } target) yield return $"container {container.Text("name")} shares the address of the pod and not the processes of container {target}, which no container sees but itself";
    }

    private static List<JsonObject> Of(JsonNode? spec) => [.. (spec?[Field] as JsonArray ?? []).OfType<JsonObject>()];
}
