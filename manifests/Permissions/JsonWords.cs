using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>Fields of a document that anybody may have written: a wrong type is an answer, never an exception.</summary>
public static class JsonWords
{
    /// <summary>A string or number as text; null for anything else.</summary>
    public static string? Word(this JsonNode? node) => node is JsonValue value ? value.GetValueKind() is System.Text.Json.JsonValueKind.String or System.Text.Json.JsonValueKind.Number ? value.ToString() : null : null;

    public static long? Whole(this JsonNode? node) => node is JsonValue value && (value.TryGetValue(out long number) || value.TryGetValue(out int small) && (number = small) == small) ? number : null;

    public static bool? Truth(this JsonNode? node) => node is JsonValue value && value.TryGetValue(out bool truth) ? truth : null;

    /// <summary>The member of an object; null where there is no object.</summary>
    public static JsonNode? At(this JsonNode? node, string name) => node is JsonObject map && map.TryGetPropertyValue(name, out var value) ? value : null;

    public static JsonNode? At(this JsonNode? node, string first, string second) => node.At(first).At(second);

    public static IEnumerable<JsonObject> Objects(this JsonNode? node) => (node as JsonArray)?.OfType<JsonObject>() ?? [];

    public static string NameOf(this JsonObject document) => document.At("metadata", "name").Word() ?? "";

    public static string NamespaceOf(this JsonObject document) => document.At("metadata", "namespace").Word() ?? "default";
}
