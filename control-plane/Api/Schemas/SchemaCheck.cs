using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Eyrie.Manifests.Yaml;

namespace Eyrie.ControlPlane.Api.Schemas;

/// <summary>
/// A document against its schema: fields that nobody knows, and values of another type. Cleans as decoding does in Kubernetes: nulls are absent, numbers where a quantity is
/// wanted become text, and unknown fields go.
/// </summary>
public sealed partial class SchemaCheck
{
    /// <summary>Field paths, e.g. <c>spec.containers[0].colour</c>.</summary>
    public IReadOnlyList<string> Unknown => _unknown;

    /// <summary>What has the wrong type, with its path.</summary>
    public IReadOnlyList<string> Mistyped => _mistyped;

    /// <summary>Texts that stood for objects (<see cref="OwnFields"/>), read, by their field paths.</summary>
    public IReadOnlyDictionary<string, ManifestDocument> Texts => _texts;

    /// <summary>Texts that could not be read.</summary>
    public IReadOnlyList<FieldError> Malformed => _malformed;

    private readonly Dictionary<string, ManifestDocument> _texts = [];
    private readonly List<FieldError> _malformed = [];
    private readonly List<string> _unknown = [];
    private readonly List<string> _mistyped = [];

    /// <summary>Checks and cleans a document in place.</summary>
    public static SchemaCheck Clean(Schema schema, JsonObject document)
    {
        var check = new SchemaCheck();
        check.Object(schema, document, "");
        return check;
    }

    private void Object(Schema schema, JsonObject document, string path)
    {
        foreach (var (name, value) in document.ToList())
        {
            var at = path.Length == 0 ? name : $"{path}.{name}";
            if (schema.Field(name) is not { } field)
            {
                // kind and apiVersion are every object's, also those embedded in others.
                if (name is "kind" or "apiVersion" or "metadata" && path.Length == 0) continue;
                _unknown.Add(at);
                document.Remove(name);
            }
            else if (value is null && field != Schema.Anything) document.Remove(name);
            else if (field.Format == "quantity" && value is JsonValue number && number.GetValueKind() == JsonValueKind.Number) document[name] = number.ToJsonString();
            else if (field.Own && value is JsonValue given && given.TryGetValue(out string? text)) Text(field, document, name, text, at);
            else if (value is not null) Value(field, value, at);
        }
    }

    private void Text(Schema schema, JsonObject document, string name, string text, string path)
    {
        try
        {
            var read = OwnFields.Read(text, name);
            document[name] = read.Content;
            _texts[path] = read;
            Value(schema, read.Content, path);
        }
        catch (ManifestException exception)
        {
            _malformed.Add(new FieldError(path, "Invalid value: " + exception.Message));
        }
    }

    private void Value(Schema schema, JsonNode value, string path)
    {
        if (!Fits(schema, value)) 
        {
            var wanted = Wanted(schema);
            _mistyped.Add($"{path} must be {wanted}, not {Shown(value)}{(wanted == "a string" && value is JsonValue ? $": write \"{value}\" in quotes" : "")}");
            return;
        }
        if (value is JsonObject one && schema.Either is { } either) Object(either.Object.Value, one, path);
        else if (value is JsonObject map && (schema.Type == "object" || schema.Properties.Count > 0)) Object(schema, map, path);
        if (value is JsonArray list && schema.Items is { } items)
            for (int i = 0; i < list.Count; i++)
            {
                var at = string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]");
                if (list[i] is { } item) Value(items, item, at);
                else if (items.Type.Length > 0) _mistyped.Add($"{at} must be {Wanted(items)}, not null");
            }
    }

    private static bool Fits(Schema schema, JsonNode value)
    {
        var kind = value.GetValueKind();
        if (schema.IsIntOrString) return kind == JsonValueKind.String || IsInteger(value);
        if (schema.Either is { } either) return kind == JsonValueKind.Object || either.Others.Contains(kind);
        return schema.Type switch
        {
            "object" => kind == JsonValueKind.Object, "array" => kind == JsonValueKind.Array, "boolean" => kind is JsonValueKind.True or JsonValueKind.False, "number" => kind == JsonValueKind.Number,
            "integer" => IsInteger(value) && (schema.Format != "int32" || value.AsValue().TryGetValue(out int _) || (Number(value) is >= int.MinValue and <= int.MaxValue)),
            "string" => kind == JsonValueKind.String && FitsFormat(schema.Format, value.GetValue<string>()), _ => true,
        };
    }

    private static bool FitsFormat(string format, string text) => format switch
    {
        "byte" => Convert.TryFromBase64String(text, new byte[text.Length], out _),
        "quantity" => Quantity().IsMatch(text),
        "date-time" => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out _),
        _ => true,
    };

    private static bool IsInteger(JsonNode value) => value.GetValueKind() == JsonValueKind.Number && Number(value) is { } number && number == Math.Floor(number);

    private static double? Number(JsonNode value) => double.TryParse(value.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number) ? number : null;

    private static string Wanted(Schema schema) => schema switch
    {
        { IsIntOrString: true } => "a number or a string", { Either: { } either } => $"an object{(either.Others.Contains(JsonValueKind.Array) ? " or a list of them" : ", true or false")}", { Format: "byte" } => "a base64 string", { Format: "date-time" } => "an RFC 3339 time", { Format: "quantity" } => "a quantity such as 100m, 2 or 64Mi", { Values: not null } => "a map",
        { Type: "object" } => "an object", { Type: "array" } => "a list", { Type: "integer" } => "a whole number", { Type: "boolean" } => "true or false", _ => "a " + schema.Type,
    };

    private static string Shown(JsonNode value) => value.GetValueKind() switch
    {
        JsonValueKind.Object => "an object", JsonValueKind.Array => "a list", JsonValueKind.String => $"the string \"{value}\"", JsonValueKind.Number => $"the number {value}", _ => value.ToString(),
    };

    [GeneratedRegex("^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?\\z")]
    private static partial Regex Quantity();
}
