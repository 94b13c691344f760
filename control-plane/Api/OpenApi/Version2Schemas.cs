using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.OpenApi;

/// <summary>
/// Schemas of OpenAPI 3 as OpenAPI 2 has them, in the form that every kubectl reads: one definition that its parser refuses keeps it from every kind, not just from that one. As Kubernetes writes those of
/// custom kinds for version 2, what version 2 lacks is left out, and what its readers would be misled by loses its type: nullable values, lists of no known items, and objects that keep what
/// they do not name. Pure.
/// </summary>
public static class Version2Schemas
{
    private const string Nullable = "nullable", Preserve = "x-kubernetes-preserve-unknown-fields", Prefix = "#/components/schemas/";
    private static readonly string[] Types = ["object", "array", "string", "integer", "number", "boolean"];
    private static readonly string[] Lacking = ["allOf", "anyOf", "oneOf", "not", Nullable, "$schema", "id", "definitions", "dependencies", "patternProperties", "additionalItems", "externalDocs"];

    /// <summary>Definitions by name.</summary>
    /// <param name="named">Of OpenAPI 3.</param>
    /// <param name="custom">Which of them are of custom kinds.</param>
    public static JsonObject Definitions(JsonObject named, IReadOnlySet<string> custom) => new(named.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)Of(pair.Value as JsonObject ?? [], custom.Contains(pair.Key)))));

    private static JsonObject Named(JsonObject named, bool custom) => new(named.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)Of(pair.Value as JsonObject ?? [], custom))));

    /// <summary>One schema. A reference stands alone but for its description and extensions: allOf around it has no readers.</summary>
    /// <param name="schema">Of OpenAPI 3.</param>
    /// <param name="custom">An object of it that keeps what it does not name says nothing of what it names either: old clients would refuse the rest.</param>
    private static JsonObject Of(JsonObject schema, bool custom)
    {
        var made = new JsonObject();
        if (schema["allOf"] is JsonArray { Count: 1 } only && (only[0] as JsonObject)?.Text("$ref") is { } reference) made["$ref"] = "#/definitions/" + reference[Prefix.Length..];
        bool untyped = Is(schema, Nullable), open = untyped || (custom && Is(schema, Preserve));
        foreach (var (name, value) in schema)
        {
            switch (name)
            {
                case "properties" or "items" when open: break;
                case "type" when untyped || !Types.Contains(schema.Text("type")): break;
                case "properties": if (value is JsonObject fields) made[name] = Named(fields, custom); break;
                case "items" or "additionalProperties": if (value is JsonObject inner) made[name] = Of(inner, custom); break;
                case "required": if (Required(schema) is { Count: > 0 } required) made[name] = new JsonArray([.. required.Select(field => (JsonNode)field)]); break;
                case "description" or "format" or "title" or "pattern": if (schema.Text(name) is { } text) made[name] = text; break;
                default: if (!Lacking.Contains(name) && name != "$ref") made[name] = value?.DeepClone(); break;
            }
        }
        if (made.Text("type") == "array" && made["items"] is null) made.Remove("type");
        if (made.Text("type") is { } type and not "object" && type != "array" && made.Remove("properties")) made.Remove("required");
        return made;
    }

    /// <summary>Fields that must be there; one that may be null need not, to a reader that knows no null.</summary>
    private static List<string> Required(JsonObject schema)
    {
        if (Is(schema["additionalProperties"] as JsonObject, Nullable)) return [];
        var fields = schema["properties"] as JsonObject;
        return [.. (schema["required"] as JsonArray ?? []).OfType<JsonValue>().Select(name => name.ToString()).Where(name => !Is(fields?[name] as JsonObject, Nullable))];
    }

    private static bool Is(JsonObject? schema, string name) => schema?[name] is JsonValue value && value.TryGetValue(out bool set) && set;
}
