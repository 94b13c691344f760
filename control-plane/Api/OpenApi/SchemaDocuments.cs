using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Schemas;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.OpenApi;

/// <summary>Schemas as OpenAPI 3 writes them: named ones once, under components.schemas, and everything else in place.</summary>
public sealed class SchemaDocuments
{
    private const string Prefix = "#/components/schemas/";

    /// <summary>Definitions by name; grows with every schema that is written.</summary>
    public JsonObject Definitions { get; } = [];

    /// <summary>Names of those that a CustomResourceDefinition wrote.</summary>
    public HashSet<string> Custom { get; } = [];

    public static JsonObject GroupVersionKind(ResourceKind kind) => new() { ["group"] = kind.Group, ["version"] = kind.Version, ["kind"] = kind.Kind };

    /// <summary>The schema of a kind, marked with its group, version and kind.</summary>
    public void Add(ResourceKind kind, Schema schema)
    {
        var named = schema.Name is null ? schema with { Name = $"{string.Join('.', kind.Group.Split('.').Reverse())}.{kind.Version}.{kind.Kind}" } : schema;
        Reference(named);
        if (schema.Published is not null) Custom.Add(named.Name!);
        var definition = Definitions[named.Name!]!.AsObject();
        if (definition["x-kubernetes-group-version-kind"] is not JsonArray kinds) definition["x-kubernetes-group-version-kind"] = kinds = [];
        kinds.Add(GroupVersionKind(kind));
    }

    private readonly Descriptions _descriptions = Descriptions.Read();

    /// <summary>What is said of the field that a schema stands in.</summary>
    private string Field(Schema schema) => schema.Description.Length > 0 ? schema.Description : _descriptions.Of(schema.FieldDescribed);

    private JsonObject Reference(Schema schema)
    {
        if (!Definitions.ContainsKey(schema.Name!))
        {
            var body = new JsonObject();
            Definitions[schema.Name!] = body;
            Fill(body, schema);
        }
        return new JsonObject { ["$ref"] = Prefix + schema.Name };
    }

    private JsonObject Write(Schema schema)
    {
        if (schema.Name is null)
        {
            var made = new JsonObject();
            Fill(made, schema);
            return made;
        }
        // Beside $ref nothing else counts: what the field adds to its type goes around it.
        var field = new JsonObject { ["allOf"] = new JsonArray(Reference(schema)) };
        if (Field(schema) is { Length: > 0 } description) field["description"] = description;
        Extensions(field, schema);
        return field;
    }

    /// <summary>As its definition has it, with the fields that every object has.</summary>
    private void Publish(JsonObject made, Schema schema)
    {
        foreach (var (name, value) in JsonNode.Parse(schema.Published!)!.AsObject().ToList()) made[name] = value?.DeepClone();
        made["type"] = "object";
        if (made["properties"] is not JsonObject properties) made["properties"] = properties = [];
        foreach (var name in new[] { "apiVersion", "kind", "metadata" })
        {
            var field = Write(schema.Properties[name]);
            if (properties[name] is JsonObject given && given["description"] is { } description) field["description"] = description.DeepClone();
            properties[name] = field;
        }
    }

    private void Fill(JsonObject made, Schema schema)
    {
        if (schema.Published is not null) { Publish(made, schema); return; }
        if ((schema.Name is null ? Field(schema) : schema.Description.Length > 0 ? schema.Description : _descriptions.Of(schema.TypeDescribed)) is { Length: > 0 } description) made["description"] = description;
        if (schema.Type.Length > 0) made["type"] = schema.Type;
        if (schema.Format.Length > 0 && schema.Format != "quantity") made["format"] = schema.Format;
        if (schema.Properties.Count > 0)
        {
            var properties = new JsonObject();
            foreach (var (name, property) in schema.Properties) properties[name] = Write(property);
            made["properties"] = properties;
        }
        if (schema.Values is not null) made["additionalProperties"] = Write(schema.Values);
        if (schema.Items is not null) made["items"] = Write(schema.Items);
        if (schema.Required.Count > 0) made["required"] = new JsonArray([.. schema.Required.Select(name => (JsonNode)name)]);
        if (schema.PreserveUnknown && schema.Type == "object") made["x-kubernetes-preserve-unknown-fields"] = true;
        Extensions(made, schema);
        if (made.Count == 0) made["description"] = "Any value."; // kubectl explain takes an empty schema for none
    }

    private static void Extensions(JsonObject made, Schema schema)
    {
        if (schema.Type == "array") made["x-kubernetes-list-type"] = schema.Merge switch { MergeKind.Map => "map", MergeKind.Set => "set", _ => "atomic" };
        else if (schema.Merge == MergeKind.Atomic) made["x-kubernetes-map-type"] = "atomic";
        if (schema.Keys.Count > 0) made["x-kubernetes-list-map-keys"] = new JsonArray([.. schema.Keys.Select(key => (JsonNode)key.Name)]);
        if (schema.PatchKey is { } patchKey) made["x-kubernetes-patch-merge-key"] = patchKey;
        var strategies = new[] { schema.PatchMerges ? "merge" : null, schema.RetainKeys ? "retainKeys" : null }.Where(word => word is not null).ToList();
        if (strategies.Count > 0) made["x-kubernetes-patch-strategy"] = string.Join(',', strategies);
    }
}
