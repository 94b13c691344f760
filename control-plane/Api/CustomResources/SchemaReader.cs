using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Schemas;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>The schema of a CustomResourceDefinition, which must be structural, as <see cref="Schema"/>. Pure.</summary>
public static class SchemaReader
{
    /// <summary>The schema of a whole object: apiVersion, kind and metadata are those of every object.</summary>
    public static Schema Root(JsonObject source)
    {
        var read = Read(source);
        var fields = new Dictionary<string, Schema>(read.Properties) { ["apiVersion"] = new() { Type = "string" }, ["kind"] = new() { Type = "string" }, ["metadata"] = ModelSchemas.Of("V1ObjectMeta")! };
        Schema? root = null;
        return root = read with { Type = "object", LazyProperties = new(() => fields), Published = source.ToJsonString(), Rules = read.Rules! with { Validations = Validations(source, () => root!) } };
    }

    private static Schema Read(JsonObject source)
    {
        var list = source.Text("x-kubernetes-list-type");
        var fields = (source["properties"] as JsonObject ?? []).Where(pair => pair.Value is JsonObject).ToDictionary(pair => pair.Key, pair => Read(pair.Value!.AsObject()));
        bool preserve = Truth(source, "x-kubernetes-preserve-unknown-fields");
        var items = source["items"] is JsonObject element ? Read(element) : null;
        Schema? self = null;
        return self = new Schema
        {
            Type = source.Text("type") ?? "", Format = Truth(source, "x-kubernetes-int-or-string") ? "int-or-string" : source.Text("format") ?? "", Description = source.Text("description") ?? "",
            LazyProperties = new(() => fields), Items = items,
            Values = source["additionalProperties"] switch { JsonObject values => Read(values), JsonValue truth when truth.TryGetValue(out bool open) && open => Schema.Anything, _ => null },
            PreserveUnknown = preserve, EmbeddedResource = Truth(source, "x-kubernetes-embedded-resource"),
            Required = [.. (source["required"] as JsonArray ?? []).Select(name => name?.ToString() ?? "")],
            Merge = (source.Text("type"), list, source.Text("x-kubernetes-map-type")) switch
            {
                ("array", "set", _) => MergeKind.Set, ("array", "map", _) => MergeKind.Map, ("array", _, _) => MergeKind.Atomic, (_, _, "atomic") => MergeKind.Atomic, _ => MergeKind.Granular,
            },
            Keys = [.. (source["x-kubernetes-list-map-keys"] as JsonArray ?? []).Select(key => key?.ToString() ?? "").Select(key => new ListKey(key, items?.Field(key)?.Rules?.Default is { } text ? JsonNode.Parse(text)?.ToString() : null))],
            Rules = Rules(source) with { Validations = Validations(source, () => self!) },
        };
    }

    private static IReadOnlyList<ValidationRule> Validations(JsonObject source, Func<Schema> self) => [.. Definition.Items(source, "x-kubernetes-validations").Select(rule => new ValidationRule(rule, self))];

    private static ValueRules Rules(JsonObject source)
    {
        var made = new ValueRules
        {
            Nullable = Truth(source, "nullable"), Default = source["default"]?.ToJsonString(), Enum = [.. (source["enum"] as JsonArray ?? []).Select(value => value?.ToJsonString() ?? "null")],
            Minimum = Number(source, "minimum"), Maximum = Number(source, "maximum"), ExclusiveMinimum = Truth(source, "exclusiveMinimum"), ExclusiveMaximum = Truth(source, "exclusiveMaximum"), MultipleOf = Number(source, "multipleOf"),
            MinLength = Whole(source, "minLength"), MaxLength = Whole(source, "maxLength"), Pattern = source.Text("pattern") is { } pattern ? StructuralSchema.Pattern(pattern) : null,
            MinItems = Whole(source, "minItems"), MaxItems = Whole(source, "maxItems"), MinProperties = Whole(source, "minProperties"), MaxProperties = Whole(source, "maxProperties"),
            AllOf = Parts(source, "allOf"), AnyOf = Parts(source, "anyOf"), OneOf = Parts(source, "oneOf"), Not = source["not"] is JsonObject not ? Read(not) : null,
        };
        return made;
    }

    private static List<Schema> Parts(JsonObject source, string name) => [.. (source[name] as JsonArray ?? []).OfType<JsonObject>().Select(Read)];

    private static bool Truth(JsonObject source, string name) => source[name] is JsonValue value && value.TryGetValue(out bool set) && set;

    private static double? Number(JsonObject source, string name) => source[name] is JsonValue value && value.TryGetValue(out double number) ? number : null;

    private static long? Whole(JsonObject source, string name) => source[name] is JsonValue value && value.TryGetValue(out long number) ? number : null;
}
