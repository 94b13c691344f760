using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>
/// Whether the schema of a CustomResourceDefinition is structural: every field has its type outside of allOf, anyOf, oneOf and not, and nothing says what decoding and merging could
/// not follow. Finds every mistake. Pure. (apiextensions.k8s.io/v1, "Specifying a structural schema".)
/// </summary>
public sealed class StructuralSchema
{
    private const int Deepest = 60;
    private static readonly string[] Types = ["object", "array", "string", "integer", "number", "boolean"];
    private static readonly string[] Refused = ["$ref", "$schema", "id", "definitions", "dependencies", "patternProperties", "additionalItems"];
    private static readonly string[] OutsideOnly = ["type", "description", "default", "additionalProperties", "nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "x-kubernetes-int-or-string"];

    private readonly List<FieldError> _errors = [];

    /// <param name="schema">openAPIV3Schema.</param>
    /// <param name="path">Where it stands.</param>
    public static IReadOnlyList<FieldError> Check(JsonObject schema, string path)
    {
        var check = new StructuralSchema();
        check.Node(schema, path, 0);
        if (schema.Text("type") is not (null or "object")) check.Invalid(path + ".type", $"\"{schema.Text("type")}\": must be object at the root");
        if (schema["x-kubernetes-preserve-unknown-fields"] is null && Has(schema, "x-kubernetes-int-or-string")) check.Invalid(path, "must be an object at the root");
        if (schema["properties"] is JsonObject properties && properties["metadata"] is JsonObject metadata) check.Metadata(metadata, path + ".properties[metadata]");
        return check._errors;
    }

    private void Node(JsonObject schema, string path, int depth)
    {
        if (depth > Deepest) { Forbidden(path, $"must not be nested more than {Deepest} levels deep"); return; }
        foreach (var name in Refused)
            if (schema[name] is not null) Forbidden($"{path}.{name}", name == "$ref" ? "$ref is not supported" : $"{name} is not supported");
        if (Has(schema, "uniqueItems")) Forbidden(path + ".uniqueItems", "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
        bool either = Has(schema, "x-kubernetes-int-or-string"), preserve = Has(schema, "x-kubernetes-preserve-unknown-fields");
        var type = schema.Text("type") ?? "";
        if (type.Length == 0 && !either && !preserve) _errors.Add(new FieldError(path + ".type", $"Required value: must not be empty for {(depth == 0 ? "the root" : "specified object fields and array items")}", "FieldValueRequired"));
        if (type.Length > 0 && !Types.Contains(type)) _errors.Add(new FieldError(path + ".type", $"Unsupported value: \"{type}\": supported values: {string.Join(", ", Types.Order().Select(word => $"\"{word}\""))}", "FieldValueNotSupported"));
        if (either && type.Length > 0) Invalid(path + ".type", "must be empty if x-kubernetes-int-or-string is true");
        if (schema["x-kubernetes-preserve-unknown-fields"] is JsonValue kept && kept.TryGetValue(out bool truth) && !truth) Invalid(path + ".x-kubernetes-preserve-unknown-fields", "must be true or undefined");
        Containers(schema, type, path, depth);
        MergeTypes(schema, type, path);
        if (schema.Text("pattern") is { } pattern && !IsPattern(pattern)) Invalid(path + ".pattern", $"\"{pattern}\": must be a valid regular expression");
        if (Has(schema, "x-kubernetes-embedded-resource"))
        {
            if (type != "object") Invalid(path + ".type", "must be object if x-kubernetes-embedded-resource is true");
            if (!preserve && schema["properties"] is not JsonObject { Count: > 0 }) _errors.Add(new FieldError(path + ".properties", "Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields", "FieldValueRequired"));
        }
        foreach (var (part, at) in Junctors(schema, path)) Value(part, schema, at);
    }

    private void Containers(JsonObject schema, string type, string path, int depth)
    {
        if (schema["properties"] is JsonObject properties)
        {
            if (schema["additionalProperties"] is not null) Forbidden(path + ".additionalProperties", "additionalProperties and properties are mutual exclusive");
            foreach (var (name, field) in properties)
                if (field is JsonObject inner) Node(inner, $"{path}.properties[{name}]", depth + 1);
                else Invalid($"{path}.properties[{name}]", "must be a schema");
        }
        else if (schema["additionalProperties"] is JsonObject values) Node(values, path + ".additionalProperties", depth + 1);
        else if (schema["additionalProperties"] is JsonValue truth && truth.TryGetValue(out bool open) && !open) Forbidden(path + ".additionalProperties", "additionalProperties cannot be set to false");
        switch (schema["items"])
        {
            case JsonObject items: Node(items, path + ".items", depth + 1); break;
            case JsonArray: Forbidden(path + ".items", "items must be a schema object and not an array"); break;
            case null when type == "array": _errors.Add(new FieldError(path + ".items", "Required value: must be specified", "FieldValueRequired")); break;
        }
    }

    private void MergeTypes(JsonObject schema, string type, string path)
    {
        var list = schema.Text("x-kubernetes-list-type");
        var keys = (schema["x-kubernetes-list-map-keys"] as JsonArray ?? []).Select(key => key?.ToString() ?? "").ToList();
        if (list is not (null or "atomic" or "set" or "map")) _errors.Add(new FieldError(path + ".x-kubernetes-list-type", $"Unsupported value: \"{list}\": supported values: \"atomic\", \"map\", \"set\"", "FieldValueNotSupported"));
        if (list is not null && type != "array") Invalid(path + ".type", "must be array if x-kubernetes-list-type is specified");
        if (keys.Count > 0 && list != "map") Invalid(path + ".x-kubernetes-list-type", "must be map if x-kubernetes-list-map-keys is non-empty");
        var items = schema["items"] as JsonObject;
        if (list == "map")
        {
            if (keys.Count == 0) _errors.Add(new FieldError(path + ".x-kubernetes-list-map-keys", "Required value: must not be empty if x-kubernetes-list-type is map", "FieldValueRequired"));
            if (items?.Text("type") != "object") Invalid(path + ".items.type", "must be object if parent array's x-kubernetes-list-type is map");
            var required = (items?["required"] as JsonArray ?? []).Select(name => name?.ToString()).ToList();
            foreach (var key in keys)
            {
                if (items?["properties"]?[key] is not JsonObject field) { Invalid(path + ".x-kubernetes-list-map-keys", $"\"{key}\": entries must all be names of item properties"); continue; }
                if (field.Text("type") is "object" or "array") Invalid($"{path}.items.properties[{key}].type", $"\"{field.Text("type")}\": must be a scalar type if parent array's x-kubernetes-list-type is map");
                if (!required.Contains(key) && field["default"] is null) _errors.Add(new FieldError($"{path}.items.properties[{key}].default", "Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property", "FieldValueRequired"));
            }
        }
        if (list == "set" && ((items?.Text("type") == "object" && items.Text("x-kubernetes-map-type") != "atomic") || (items?.Text("type") == "array" && items.Text("x-kubernetes-list-type") is not (null or "atomic"))))
            Invalid(path + ".items", "must be scalar or atomic if parent array's x-kubernetes-list-type is set");
        var map = schema.Text("x-kubernetes-map-type");
        if (map is not (null or "atomic" or "granular")) _errors.Add(new FieldError(path + ".x-kubernetes-map-type", $"Unsupported value: \"{map}\": supported values: \"atomic\", \"granular\"", "FieldValueNotSupported"));
        if (map is not null && type != "object") Invalid(path + ".type", "must be object if x-kubernetes-map-type is specified");
    }

    /// <summary>A schema inside allOf, anyOf, oneOf or not: it says nothing that the schema around it does not know of.</summary>
    private void Value(JsonObject part, JsonObject around, string path)
    {
        foreach (var name in OutsideOnly)
            if (part[name] is not null && !(name == "type" && Has(around, "x-kubernetes-int-or-string"))) Forbidden($"{path}.{name}", "must be empty to be structural");
        foreach (var (name, field) in part["properties"] as JsonObject ?? [])
        {
            if (field is not JsonObject inner) continue;
            var outside = around["properties"]?[name] as JsonObject ?? around["additionalProperties"] as JsonObject;
            if (outside is null && !Has(around, "x-kubernetes-preserve-unknown-fields") && name != "metadata") _errors.Add(new FieldError($"{path}.properties[{name}]", "Required value: because it is defined in a logical junctor, it must be specified outside of it too", "FieldValueRequired"));
            else Value(inner, outside ?? [], $"{path}.properties[{name}]");
        }
        if (part["items"] is JsonObject items)
        {
            if (around["items"] is not JsonObject outside) _errors.Add(new FieldError(path + ".items", "Required value: because it is defined in a logical junctor, it must be specified outside of it too", "FieldValueRequired"));
            else Value(items, outside, path + ".items");
        }
        if (part.Text("pattern") is { } pattern && !IsPattern(pattern)) Invalid(path + ".pattern", $"\"{pattern}\": must be a valid regular expression");
        foreach (var (inner, at) in Junctors(part, path)) Value(inner, around, at);
    }

    private static IEnumerable<(JsonObject Schema, string Path)> Junctors(JsonObject schema, string path)
    {
        foreach (var name in new[] { "allOf", "anyOf", "oneOf" })
        {
            var parts = schema[name] as JsonArray ?? [];
            for (int i = 0; i < parts.Count; i++)
                if (parts[i] is JsonObject part) yield return (part, string.Create(CultureInfo.InvariantCulture, $"{path}.{name}[{i}]"));
        }
        if (schema["not"] is JsonObject not) yield return (not, path + ".not");
    }

    /// <summary>Of the root's metadata only name and generateName may be restricted.</summary>
    private void Metadata(JsonObject metadata, string path)
    {
        if (metadata.Text("type") is not (null or "object")) Invalid(path + ".type", "must be object");
        foreach (var (name, _) in metadata["properties"] as JsonObject ?? [])
            if (name is not ("name" or "generateName")) Forbidden(path, "must not specify anything other than name and generateName, but metadata is implicitly specified");
    }

    /// <summary>Regular expressions of linear time only, as RE2 has them.</summary>
    public static Regex Pattern(string pattern) => new(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);

    private static bool IsPattern(string pattern)
    {
        try
        {
            return Pattern(pattern) is not null;
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            return false;
        }
    }

    private static bool Has(JsonObject schema, string name) => schema[name] is JsonValue value && value.TryGetValue(out bool set) && set;

    private void Forbidden(string field, string reason) => _errors.Add(new FieldError(field, "Forbidden: " + reason, "FieldValueForbidden"));

    private void Invalid(string field, string reason) => _errors.Add(new FieldError(field, "Invalid value: " + reason));
}
