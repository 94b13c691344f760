using System.Text.Json.Nodes;
using Eyrie.Manifests.Yaml;

namespace Eyrie.ControlPlane.Api.Schemas;

/// <summary>
/// Eyrie's own objects inside standard kinds (<c>permissions</c>, <c>guard</c>; <see cref="Schema.Own"/>), for clients that merge by types of their own and do not find the field there. As
/// one text such a client carries the object along like any string. Pure.
/// </summary>
public static class OwnFields
{
    /// <summary>The document with each of them as YAML text.</summary>
    public static JsonObject AsText(Schema schema, JsonObject document)
    {
        var made = (JsonObject)document.DeepClone();
        Visit(schema, made, (owner, name, value) => owner[name] = YamlText.Write(value));
        return made;
    }

    /// <summary>Makes each that a strategic merge patch carries replace what is there, instead of merging with it.</summary>
    public static void Replacing(Schema schema, JsonObject patch) => Visit(schema, patch, (_, _, value) => value["$patch"] = "replace");

    /// <summary>The object that a text stands for, with the places of its fields.</summary>
    /// <param name="text">YAML or JSON; empty: no fields.</param>
    /// <param name="name">What errors call it.</param>
    /// <exception cref="ManifestException">The text is no YAML, or no mapping; with line and column.</exception>
    public static ManifestDocument Read(string text, string name) => ManifestReader.Read(text, name, "must be a mapping, one field a line") switch
    {
        [] => new ManifestDocument([], new Dictionary<string, Manifests.Permissions.SourceLocation>()),
        [var only] => only,
        _ => throw new ManifestException(name, 1, 1, "must be one YAML document"),
    };

    private static void Visit(Schema schema, JsonNode? node, Action<JsonObject, string, JsonObject> found)
    {
        if (node is JsonArray list && schema.Items is { } items) foreach (var item in list) Visit(items, item, found);
        if (node is not JsonObject map) return;
        foreach (var (name, value) in map.ToList())
            if (schema.Field(name) is not { } field) continue;
            else if (field.Own && value is JsonObject own) found(map, name, own);
            else Visit(field, value, found);
    }
}
