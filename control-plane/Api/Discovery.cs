using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

/// <summary>What the API serves: groups, versions, resources, and the OpenAPI documents of each group.</summary>
public static class Discovery
{
    private static IEnumerable<IGrouping<(string Group, string Version), ResourceKind>> Groups => Kinds.Served.Where(kind => kind.Group.Length > 0).GroupBy(kind => (kind.Group, kind.Version));

    public static JsonObject Versions() => new() { ["kind"] = "APIVersions", ["versions"] = new JsonArray("v1"), ["serverAddressByClientCIDRs"] = new JsonArray() };

    public static JsonObject GroupList() => new()
    {
        ["kind"] = "APIGroupList", ["apiVersion"] = "v1",
        ["groups"] = new JsonArray([.. Groups.Select(group => Group(group.Key.Group, group.Key.Version))]),
    };

    private static JsonObject Group(string name, string version)
    {
        JsonObject Entry() => new() { ["groupVersion"] = $"{name}/{version}", ["version"] = version };
        return new JsonObject { ["name"] = name, ["versions"] = new JsonArray(Entry()), ["preferredVersion"] = Entry() };
    }

    public static JsonObject? ResourceList(string group, string version)
    {
        var kinds = Kinds.Served.Where(kind => kind.Group == group && kind.Version == version).ToList();
        if (kinds.Count == 0) return null;
        return new JsonObject
        {
            ["kind"] = "APIResourceList", ["apiVersion"] = "v1", ["groupVersion"] = group.Length == 0 ? version : $"{group}/{version}",
            ["resources"] = new JsonArray([.. kinds.SelectMany(Resources)]),
        };
    }

    private static IEnumerable<JsonObject> Resources(ResourceKind kind)
    {
        JsonObject Entry(string name, string kindName, IReadOnlyList<string> verbs) => new()
        {
            ["name"] = name, ["singularName"] = name == kind.Plural ? kind.Singular : "", ["namespaced"] = kind.Namespaced, ["kind"] = kindName, ["verbs"] = new JsonArray([.. verbs.Select(verb => (JsonNode)verb)]),
        };
        var main = Entry(kind.Plural, kind.Kind, kind.Verbs);
        if (kind.ShortNames.Count > 0) main["shortNames"] = new JsonArray([.. kind.ShortNames.Select(name => (JsonNode)name)]);
        if (kind.Categories.Count > 0) main["categories"] = new JsonArray([.. kind.Categories.Select(name => (JsonNode)name)]);
        yield return main;
        foreach (var part in kind.AllSubresources)
        {
            var entry = Entry($"{kind.Plural}/{part.Name}", part.Kind, part.Verbs);
            if (part.ApiVersion.Length > 0)
            {
                entry["group"] = part.ApiVersion[..part.ApiVersion.IndexOf('/', StringComparison.Ordinal)];
                entry["version"] = part.ApiVersion[(part.ApiVersion.IndexOf('/', StringComparison.Ordinal) + 1)..];
            }
            yield return entry;
        }
    }

    private static IEnumerable<string> OpenApiPaths => new[] { "api/v1" }.Concat(Groups.Select(group => $"apis/{group.Key.Group}/{group.Key.Version}"));

    public static JsonObject OpenApiIndex()
    {
        var paths = new JsonObject();
        foreach (var path in OpenApiPaths) paths[path] = new JsonObject { ["serverRelativeURL"] = "/openapi/v3/" + path };
        return new JsonObject { ["paths"] = paths };
    }

    private static readonly System.Collections.Concurrent.ConcurrentDictionary<string, JsonObject?> Documents = new();

    public static JsonObject? OpenApi(string path) => Documents.GetOrAdd(path, MakeOpenApi);

    private static JsonObject? MakeOpenApi(string path)
    {
        if (!OpenApiPaths.Contains(path)) return null;
        var kinds = Kinds.Served.Where(kind => (kind.Group.Length == 0 ? "api/v1" : $"apis/{kind.Group}/{kind.Version}") == path).ToList();
        var paths = new JsonObject();
        foreach (var kind in kinds) paths[$"/{path}/{(kind.Namespaced ? "namespaces/{namespace}/" : "")}{kind.Plural}/{{name}}"] = new JsonObject { ["patch"] = Patch(kind) };
        return new JsonObject
        {
            ["openapi"] = "3.0.0", ["info"] = new JsonObject { ["title"] = "Eyrie", ["version"] = "v1" }, ["paths"] = paths,
            ["components"] = new JsonObject { ["schemas"] = Schemas.For(kinds) },
        };
    }

    private static JsonObject Patch(ResourceKind kind)
    {
        static JsonObject Parameter(string name) => new() { ["name"] = name, ["in"] = "query", ["schema"] = new JsonObject { ["type"] = "string" } };
        var content = new JsonObject();
        foreach (var type in new[] { "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json" }) content[type] = new JsonObject { ["schema"] = new JsonObject() };
        return new JsonObject
        {
            ["parameters"] = new JsonArray(Parameter("dryRun"), Parameter("fieldManager"), Parameter("fieldValidation"), Parameter("force")),
            ["requestBody"] = new JsonObject { ["content"] = content },
            ["responses"] = new JsonObject(), ["x-kubernetes-action"] = "patch", ["x-kubernetes-group-version-kind"] = Schemas.GroupVersionKind(kind),
        };
    }
}
