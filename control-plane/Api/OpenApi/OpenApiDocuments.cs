using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Schemas;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.OpenApi;

/// <summary>OpenAPI 3, one document a group and version, and OpenAPI 2, one for all, which is made from them.</summary>
public static class OpenApiDocuments
{
    public static readonly string[] PatchTypes = ["application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml"];
    private static readonly string[] PatchParameters = ["dryRun", "fieldManager", "fieldValidation", "force"];

    /// <summary>A custom kind has no strategic merge patches: clients choose by what stands here.</summary>
    private static IEnumerable<string> PatchesOf(ResourceKind kind) => PatchTypes.Where(type => kind.Custom is null || type != "application/strategic-merge-patch+json");

    /// <summary>Path of a group and version below the server, e.g. <c>apis/apps/v1</c>.</summary>
    public static string PathOf(ResourceKind kind) => kind.Group.Length == 0 ? "api/" + kind.Version : $"apis/{kind.Group}/{kind.Version}";

    public static JsonObject Version3(string path, IEnumerable<(ResourceKind Kind, Schema? Schema)> kinds)
    {
        var paths = new JsonObject();
        var schemas = new SchemaDocuments();
        foreach (var (kind, schema) in kinds)
        {
            if (schema is not null) schemas.Add(kind, schema);
            if (kind.Verbs.Contains("patch")) paths[ObjectPath(kind)] = new JsonObject { ["patch"] = Patch3(kind) };
        }
        return new JsonObject
        {
            ["openapi"] = "3.0.0", ["info"] = new JsonObject { ["title"] = "Eyrie", ["version"] = path }, ["paths"] = paths, ["components"] = new JsonObject { ["schemas"] = schemas.Definitions },
        };
    }

    public static JsonObject Version2(IEnumerable<(ResourceKind Kind, Schema? Schema)> kinds)
    {
        var paths = new JsonObject();
        var schemas = new SchemaDocuments();
        foreach (var (kind, schema) in kinds)
        {
            if (schema is not null) schemas.Add(kind, schema);
            if (kind.Verbs.Contains("patch")) paths[ObjectPath(kind)] = new JsonObject { ["patch"] = Patch2(kind) };
        }
        return new JsonObject
        {
            ["swagger"] = "2.0", ["info"] = new JsonObject { ["title"] = "Eyrie", ["version"] = "v1" }, ["paths"] = paths, ["definitions"] = Version2Schemas.Definitions(schemas.Definitions, schemas.Custom),
        };
    }

    private static string ObjectPath(ResourceKind kind) => $"/{PathOf(kind)}/{(kind.Namespaced ? "namespaces/{namespace}/" : "")}{kind.Plural}/{{name}}";

    private static JsonObject Patch3(ResourceKind kind)
    {
        var content = new JsonObject();
        foreach (var type in PatchesOf(kind)) content[type] = new JsonObject { ["schema"] = new JsonObject { ["type"] = "object" } };
        return new JsonObject
        {
            ["parameters"] = new JsonArray([.. PatchParameters.Select(name => new JsonObject { ["name"] = name, ["in"] = "query", ["schema"] = new JsonObject { ["type"] = "string" } })]),
            ["requestBody"] = new JsonObject { ["content"] = content },
            ["responses"] = new JsonObject(), ["x-kubernetes-action"] = "patch", ["x-kubernetes-group-version-kind"] = SchemaDocuments.GroupVersionKind(kind),
        };
    }

    private static JsonObject Patch2(ResourceKind kind) => new()
    {
        ["consumes"] = new JsonArray([.. PatchesOf(kind).Select(type => (JsonNode)type)]),
        ["operationId"] = $"patch{kind.Group}{kind.Version}{kind.Kind}",
        ["parameters"] = new JsonArray([.. PatchParameters.Select(name => new JsonObject { ["name"] = name, ["in"] = "query", ["type"] = "string" })]),
        ["x-kubernetes-action"] = "patch", ["x-kubernetes-group-version-kind"] = SchemaDocuments.GroupVersionKind(kind),
    };
}
