using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Schemas;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>Takes out of a document what its schema does not name, and fills in what it has defaults for.</summary>
public static class Pruning
{
    /// <summary>Removes unknown fields.</summary>
    /// <returns>Their paths.</returns>
    public static IReadOnlyList<string> Prune(Schema schema, JsonObject document)
    {
        var unknown = new List<string>();
        Prune(schema, document, "", unknown);
        return unknown;
    }

    private static void Prune(Schema schema, JsonNode? value, string path, List<string> unknown)
    {
        switch (value)
        {
            case JsonObject map:
                foreach (var (name, inner) in map.ToList())
                {
                    var at = path.Length == 0 ? name : $"{path}.{name}";
                    if (schema.EmbeddedResource && name is "apiVersion" or "kind") continue;
                    var field = schema.EmbeddedResource && name == "metadata" ? ModelSchemas.Of("V1ObjectMeta") : schema.Field(name);
                    if (field is not null) Prune(field, inner, at, unknown);
                    else
                    {
                        unknown.Add(at);
                        map.Remove(name);
                    }
                }
                break;
            case JsonArray list when schema.Items is { } items:
                for (int i = 0; i < list.Count; i++) Prune(items, list[i], $"{path}[{i}]", unknown);
                break;
        }
    }

    /// <summary>Sets defaults where a field is missing, or is null and may not be.</summary>
    public static void Default(Schema schema, JsonNode? value)
    {
        switch (value)
        {
            case JsonObject map:
                foreach (var (name, field) in schema.Properties)
                {
                    if (field.Rules is not { } rules) continue;
                    if (map.TryGetPropertyValue(name, out var there) && there is null && !rules.Nullable && rules.Default is not null) map.Remove(name);
                    if (!map.ContainsKey(name) && rules.Default is { } text) map[name] = JsonNode.Parse(text);
                }
                foreach (var (name, inner) in map.ToList())
                    if (inner is not null && schema.Field(name) is { } field) Default(field, inner);
                break;
            case JsonArray list when schema.Items is { } items:
                foreach (var item in list) Default(items, item);
                break;
        }
    }
}
