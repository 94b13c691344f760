using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Node;

/// <summary>The environment that a manifest gives a container: Services, envFrom, env, each later one over the earlier. Pure.</summary>
public static class ContainerEnvironment
{
    /// <exception cref="ContainerConfigException">Something it names is not there and is not optional.</exception>
    public static Dictionary<string, string> Of(JsonObject container, PodFacts facts, PodObjects objects, IEnumerable<KeyValuePair<string, string>> services)
    {
        var environment = new Dictionary<string, string>(services);
        var home = facts.Pod["metadata"]!["namespace"]!.ToString();
        foreach (var source in Items(container["envFrom"]))
        {
            var (kind, reference) = source["configMapRef"] is JsonObject map ? ("ConfigMap", map) : ("Secret", source["secretRef"] as JsonObject ?? []);
            if (Find(objects, kind, reference, home) is not { } data) continue;
            foreach (var (key, value) in data)
                if ((source["prefix"]?.ToString() ?? "") + key is { Length: > 0 } name && !name.Contains('=', StringComparison.Ordinal)) environment[name] = Encoding.UTF8.GetString(value);
        }
        foreach (var variable in Items(container["env"]))
        {
            var name = variable["name"]!.ToString();
            if (variable["valueFrom"] is not JsonObject from) environment[name] = Expansion.Expand(variable["value"]?.ToString() ?? "", environment.GetValueOrDefault);
            else if (Value(from, container, facts, objects, home) is { } value) environment[name] = value;
        }
        return environment;
    }

    private static string? Value(JsonObject from, JsonObject container, PodFacts facts, PodObjects objects, string home)
    {
        if (from["fieldRef"]?["fieldPath"]?.ToString() is { } path) return DownwardApi.Field(facts, path);
        if (from["resourceFieldRef"] is JsonObject resource) return DownwardApi.Resource(facts, container, resource);
        var (kind, reference) = from["configMapKeyRef"] is JsonObject map ? ("ConfigMap", map) : ("Secret", from["secretKeyRef"] as JsonObject ?? []);
        if (Find(objects, kind, reference, home) is not { } data) return null;
        var key = reference["key"]?.ToString() ?? "";
        if (data.TryGetValue(key, out var value)) return Encoding.UTF8.GetString(value);
        return Optional(reference) ? null : throw new ContainerConfigException($"couldn't find key {key} in {kind} {home}/{reference["name"]}; it has {(data.Count == 0 ? "none" : string.Join(", ", data.Keys))}");
    }

    private static IReadOnlyDictionary<string, byte[]>? Find(PodObjects objects, string kind, JsonObject reference, string home)
    {
        var name = reference["name"]?.ToString() ?? "";
        if (objects.Find(kind, name) is { } found) return found;
        return Optional(reference) ? null : throw new ContainerConfigException($"{kind.ToLowerInvariant()} \"{name}\" not found in namespace {home}; the container starts when it is there, or mark the reference `optional: true`");
    }

    private static bool Optional(JsonObject reference) => reference["optional"] is JsonValue value && value.TryGetValue(out bool optional) && optional;

    private static IEnumerable<JsonObject> Items(JsonNode? list) => (list as JsonArray ?? []).OfType<JsonObject>();
}
