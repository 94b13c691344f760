using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Schemas;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>A CustomResourceDefinition as the kinds it adds. Pure.</summary>
public static class Definition
{
    public const string Finalizer = "customresourcecleanup.apiextensions.k8s.io";

    public static string Group(JsonObject definition) => Text(definition, "spec.group");

    public static IEnumerable<JsonObject> Versions(JsonObject definition) => (Fields.At(definition, "spec.versions") as JsonArray ?? []).OfType<JsonObject>();

    public static bool Is(JsonObject definition, string condition) =>
        (Fields.At(definition, "status.conditions") as JsonArray ?? []).OfType<JsonObject>().Any(item => item.Text("type") == condition && item.Text("status") == "True");

    /// <summary>The kinds it adds with their schemas, one a served version; none before its names are accepted.</summary>
    public static IReadOnlyList<(ResourceKind Kind, Schema Schema)> Kinds(JsonObject definition)
    {
        if (!Is(definition, DefinitionStatus.Established)) return [];
        return [.. Versions(definition).Where(version => Truth(version, "served")).Select(version => Kind(definition, version))];
    }

    /// <summary>The kind at the version its objects are stored at; null: it is not established.</summary>
    public static (ResourceKind Kind, Schema Schema)? Stored(JsonObject definition) =>
        Is(definition, DefinitionStatus.Established) && Versions(definition).FirstOrDefault(version => Truth(version, "storage")) is { } storage ? Kind(definition, storage) : null;

    private static (ResourceKind Kind, Schema Schema) Kind(JsonObject definition, JsonObject version)
    {
        var names = Fields.At(definition, "status.acceptedNames") as JsonObject ?? [];
        var (group, name) = (Group(definition), version.Text("name") ?? "");
        var storage = Versions(definition).FirstOrDefault(candidate => Truth(candidate, "storage"))?.Text("name") ?? name;
        var schema = SchemaReader.Root(Fields.At(version, "schema.openAPIV3Schema") as JsonObject ?? []);
        var scale = Fields.At(version, "subresources.scale") as JsonObject;
        var apiVersion = $"{group}/{name}";
        void AfterRead(JsonObject document)
        {
            document["apiVersion"] = apiVersion;
            Pruning.Default(schema, document);
        }
        var kind = new ResourceKind(group, name, names.Text("kind") ?? "", names.Text("plural") ?? "", names.Text("singular") ?? "", Text(definition, "spec.scope") == "Namespaced")
        {
            ShortNames = List(names, "shortNames"), Categories = List(names, "categories"), ListKind = names.Text("listKind") ?? "", HasStatus = Fields.At(version, "subresources.status") is not null,
            Scale = scale is null ? null : new ScalePaths(Point(scale, "specReplicasPath"), Point(scale, "statusReplicasPath"), Point(scale, "labelSelectorPath")),
            Custom = new CustomKind($"{group}/{storage}", AfterRead, Columns(version), [.. Items(version, "selectableFields").Select(field => Point(field, "jsonPath"))], definition.Metadata()["deletionTimestamp"] is not null),
        };
        return (kind, schema);
    }

    private static IReadOnlyList<PrinterColumn> Columns(JsonObject version) =>
    [
        .. Items(version, "additionalPrinterColumns").Select(column => new PrinterColumn(column.Text("name") ?? "", column.Text("type") ?? "string", column.Text("format") ?? "", column.Text("description") ?? "",
            column["priority"] is JsonValue priority && priority.TryGetValue(out int number) ? number : 0, column.Text("jsonPath") ?? "")),
    ];

    public static IEnumerable<JsonObject> Items(JsonObject version, string field) => (version[field] as JsonArray ?? []).OfType<JsonObject>();

    public static IReadOnlyList<string> List(JsonObject names, string field) => [.. (names[field] as JsonArray ?? []).Select(word => word?.ToString() ?? "")];

    /// <summary>A path of fields without its first point.</summary>
    private static string Point(JsonObject source, string field) => source.Text(field)?.TrimStart('.') ?? "";

    public static string Text(JsonObject document, string path) => Fields.At(document, path)?.ToString() ?? "";

    public static bool Truth(JsonObject source, string name) => source[name] is JsonValue value && value.TryGetValue(out bool set) && set;
}
