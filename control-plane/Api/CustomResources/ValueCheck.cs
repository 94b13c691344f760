using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Schemas;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>A value against the schema of a CustomResourceDefinition; finds every mistake, in Kubernetes' words. Pure.</summary>
public sealed class ValueCheck
{
    private readonly List<FieldError> _errors = [];

    public static IReadOnlyList<FieldError> Check(Schema schema, JsonNode? value, string path)
    {
        var check = new ValueCheck();
        check.Value(schema, value, path);
        return check._errors;
    }

    private static bool Holds(Schema schema, JsonNode? value) => Check(schema, value, "").Count == 0;

    private void Value(Schema schema, JsonNode? value, string path)
    {
        var rules = schema.Rules;
        if (value is null)
        {
            if (rules is null or { Nullable: true } || (schema.Type.Length == 0 && !schema.IsIntOrString)) return;
            Body(path, "null", $"must be of type {Named(schema)}: \"null\"");
            return;
        }
        if (!HasType(schema, value))
        {
            Body(path, Shown(value), $"must be of type {Named(schema)}: \"{TypeOf(value)}\"");
            return;
        }
        if (rules is not null) Rules(rules, value, path);
        switch (value)
        {
            case JsonObject map: Fields(schema, map, path); break;
            case JsonArray list: Items(schema, list, path); break;
            case JsonValue when value.GetValueKind() == JsonValueKind.String && !HasFormat(schema.Format, value.GetValue<string>()): Body(path, Shown(value), $"must be of type {schema.Format}: {Shown(value)}"); break;
        }
    }

    private void Rules(ValueRules rules, JsonNode value, string path)
    {
        if (rules.Enum.Count > 0 && !rules.Enum.Any(allowed => JsonNode.DeepEquals(JsonNode.Parse(allowed), value)))
            _errors.Add(new FieldError(path, $"Unsupported value: {Shown(value)}: supported values: {string.Join(", ", rules.Enum)}", "FieldValueNotSupported"));
        switch (value)
        {
            case JsonObject map:
                if (map.Count < rules.MinProperties) Body(path, Count(map.Count), $"should have at least {rules.MinProperties} properties");
                if (map.Count > rules.MaxProperties) _errors.Add(new FieldError(path, $"Too many: {map.Count}: must have at most {rules.MaxProperties} items", "FieldValueTooMany"));
                break;
            case JsonArray list:
                if (list.Count < rules.MinItems) Body(path, Count(list.Count), $"should have at least {rules.MinItems} items");
                if (list.Count > rules.MaxItems) _errors.Add(new FieldError(path, $"Too many: {list.Count}: must have at most {rules.MaxItems} items", "FieldValueTooMany"));
                break;
            case JsonValue scalar when scalar.GetValueKind() == JsonValueKind.String: Text(rules, scalar.GetValue<string>(), path); break;
            case JsonValue scalar when scalar.GetValueKind() == JsonValueKind.Number: Number(rules, Parsed(scalar), Shown(scalar), path); break;
        }
        foreach (var part in rules.AllOf) Value(part, value, path);
        if (rules.AnyOf.Count > 0 && !rules.AnyOf.Any(part => Holds(part, value))) Body(path, Shown(value), "must validate at least one schema (anyOf)");
        if (rules.OneOf.Count > 0 && rules.OneOf.Count(part => Holds(part, value)) is var holding and not 1)
            Body(path, Shown(value), $"must validate one and only one schema (oneOf). Found {(holding == 0 ? "none" : Count(holding))} valid");
        if (rules.Not is { } not && Holds(not, value)) Body(path, Shown(value), "must not validate the schema (not)");
    }

    private void Text(ValueRules rules, string text, string path)
    {
        long length = text.EnumerateRunes().LongCount();
        if (length < rules.MinLength) Body(path, $"\"{text}\"", $"should be at least {rules.MinLength} chars long");
        if (length > rules.MaxLength) _errors.Add(new FieldError(path, $"Too long: may not be more than {rules.MaxLength} bytes", "FieldValueTooLong"));
        if (rules.Pattern is { } pattern && !pattern.IsMatch(text)) Body(path, $"\"{text}\"", $"should match '{pattern}'");
    }

    private void Number(ValueRules rules, double number, string shown, string path)
    {
        if (rules.ExclusiveMinimum ? number <= rules.Minimum : number < rules.Minimum) Body(path, shown, $"should be greater than {(rules.ExclusiveMinimum ? "" : "or equal to ")}{Bound(rules.Minimum)}");
        if (rules.ExclusiveMaximum ? number >= rules.Maximum : number > rules.Maximum) Body(path, shown, $"should be less than {(rules.ExclusiveMaximum ? "" : "or equal to ")}{Bound(rules.Maximum)}");
        if (rules.MultipleOf is { } step and > 0 && Math.Abs((number / step) - Math.Round(number / step)) > 1e-9) Body(path, shown, $"should be a multiple of {Bound(step)}");
    }

    private void Fields(Schema schema, JsonObject map, string path)
    {
        foreach (var name in schema.Required)
            if (!map.ContainsKey(name)) _errors.Add(new FieldError(At(path, name), "Required value", "FieldValueRequired"));
        if (schema.EmbeddedResource)
            foreach (var name in new[] { "apiVersion", "kind" })
                if (map[name]?.ToString() is not { Length: > 0 }) _errors.Add(new FieldError(At(path, name), "Required value: must not be empty", "FieldValueRequired"));
        foreach (var (name, inner) in map)
            if (!(schema.EmbeddedResource && name is "apiVersion" or "kind" or "metadata") && schema.Field(name) is { Rules: not null } field) Value(field, inner, At(path, name));
    }

    private void Items(Schema schema, JsonArray list, string path)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < list.Count; i++)
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"{path}[{i}]");
            if (schema.Items is { } items) Value(items, list[i], at);
            var key = schema.Merge switch { MergeKind.Set => list[i]?.ToJsonString() ?? "null", MergeKind.Map => Keys(schema, list[i] as JsonObject ?? []).ToJsonString(), _ => null };
            if (key is not null && !seen.Add(key)) _errors.Add(new FieldError(at, $"Duplicate value: {key}", "FieldValueDuplicate"));
        }
    }

    private static JsonObject Keys(Schema schema, JsonObject item) => new(schema.Keys.Select(key => KeyValuePair.Create(key.Name, item[key.Name]?.DeepClone() ?? key.Default)));

    private static bool HasType(Schema schema, JsonNode value)
    {
        var kind = value.GetValueKind();
        if (schema.IsIntOrString) return kind == JsonValueKind.String || IsWhole(value);
        return schema.Type switch
        {
            "object" => kind == JsonValueKind.Object, "array" => kind == JsonValueKind.Array, "string" => kind == JsonValueKind.String, "boolean" => kind is JsonValueKind.True or JsonValueKind.False,
            "number" => kind == JsonValueKind.Number, "integer" => IsWhole(value), _ => true,
        };
    }

    private static bool IsWhole(JsonNode value) => value.GetValueKind() == JsonValueKind.Number && Parsed(value) is var number && number == Math.Floor(number);

    private static double Parsed(JsonNode value) => double.Parse(value.ToJsonString(), CultureInfo.InvariantCulture);

    private static bool HasFormat(string format, string text) => format switch
    {
        "date-time" => text.Contains('T', StringComparison.OrdinalIgnoreCase) && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out _),
        "date" => DateOnly.TryParseExact(text, "yyyy-MM-dd", out _),
        "byte" => Convert.TryFromBase64String(text, new byte[text.Length], out _),
        "ipv4" => System.Net.IPAddress.TryParse(text, out var address) && address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork,
        "ipv6" => System.Net.IPAddress.TryParse(text, out var address) && address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6,
        "cidr" => System.Net.IPNetwork.TryParse(text, out _),
        "uuid" => Guid.TryParseExact(text, "D", out _),
        "uri" => Uri.TryCreate(text, UriKind.Absolute, out _),
        _ => true,
    };

    private void Body(string path, string shown, string reason) => _errors.Add(new FieldError(path.Length == 0 ? "<nil>" : path, $"Invalid value: {shown}: {path}{(path.Length == 0 ? "" : " ")}in body {reason}"));

    private static string At(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";

    private static string Named(Schema schema) => schema.IsIntOrString ? "integer,string" : schema.Type;

    private static string TypeOf(JsonNode value) => value.GetValueKind() switch
    {
        JsonValueKind.Object => "object", JsonValueKind.Array => "array", JsonValueKind.String => "string", JsonValueKind.Number => IsWhole(value) ? "integer" : "number", _ => "boolean",
    };

    private static string Shown(JsonNode value) => value is JsonValue ? value.ToJsonString() : $"\"{TypeOf(value)}\"";

    private static string Count(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Bound(double? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "";
}
