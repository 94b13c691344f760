using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Controllers;

/// <param name="Kind">ConfigMap, Secret or PersistentVolumeClaim.</param>
/// <param name="Name">In the pod's namespace.</param>
public readonly record struct PodReference(string Kind, string Name);

/// <summary>Every ConfigMap, Secret and claim that a pod names: in the environment of its containers, in its volumes, and for its images. Pure.</summary>
public static class PodReferences
{
    /// <summary>Each once, in a fixed order.</summary>
    public static IReadOnlyList<PodReference> Of(JsonObject pod)
    {
        var found = new HashSet<PodReference>();
        void Add(string kind, JsonNode? name) { if (name?.ToString() is { Length: > 0 } text) found.Add(new PodReference(kind, text)); }
        var spec = pod["spec"] as JsonObject ?? [];
        foreach (var container in Items(spec["initContainers"]).Concat(Items(spec["containers"])).Concat(Items(spec["ephemeralContainers"])))
        {
            foreach (var source in Items(container["envFrom"]))
            {
                Add("ConfigMap", source["configMapRef"]?["name"]);
                Add("Secret", source["secretRef"]?["name"]);
            }
            foreach (var variable in Items(container["env"]))
            {
                Add("ConfigMap", variable["valueFrom"]?["configMapKeyRef"]?["name"]);
                Add("Secret", variable["valueFrom"]?["secretKeyRef"]?["name"]);
            }
        }
        foreach (var volume in Items(spec["volumes"]))
        {
            Add("ConfigMap", volume["configMap"]?["name"]);
            Add("Secret", volume["secret"]?["secretName"]);
            Add("PersistentVolumeClaim", volume["persistentVolumeClaim"]?["claimName"]);
            foreach (var source in Items(volume["projected"]?["sources"]))
            {
                Add("ConfigMap", source["configMap"]?["name"]);
                Add("Secret", source["secret"]?["name"]);
            }
        }
        foreach (var secret in Items(spec["imagePullSecrets"])) Add("Secret", secret["name"]);
        return [.. found.OrderBy(reference => reference.Kind, StringComparer.Ordinal).ThenBy(reference => reference.Name, StringComparer.Ordinal)];
    }

    private static IEnumerable<JsonObject> Items(JsonNode? list) => (list as JsonArray ?? []).OfType<JsonObject>();
}
