using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

/// <summary>What the API serves: groups, versions and resources, one by one or (aggregated discovery) all at once. Pure.</summary>
public static class Discovery
{
    public static JsonObject Versions() => new() { ["kind"] = "APIVersions", ["versions"] = new JsonArray("v1"), ["serverAddressByClientCIDRs"] = new JsonArray() };

    public static JsonObject GroupList(IEnumerable<ResourceKind> kinds) => new() { ["kind"] = "APIGroupList", ["apiVersion"] = "v1", ["groups"] = new JsonArray([.. Groups(kinds).Select(group => Described(group.Name, group.Versions))]) };

    /// <summary>null: there is no such group.</summary>
    public static JsonObject? Group(IEnumerable<ResourceKind> kinds, string name)
    {
        var (found, versions) = Groups(kinds).FirstOrDefault(group => group.Name == name);
        if (found is null) return null;
        var made = Described(name, versions);
        made["kind"] = "APIGroup";
        made["apiVersion"] = "v1";
        return made;
    }

    /// <summary>Groups beside core with their versions, the preferred first.</summary>
    private static IEnumerable<(string Name, List<string> Versions)> Groups(IEnumerable<ResourceKind> kinds) =>
        kinds.Where(kind => kind.Group.Length > 0).GroupBy(kind => kind.Group).Select(group => (group.Key, group.Select(kind => kind.Version).Distinct().OrderByDescending(ApiVersions.Rank).ToList()));

    private static JsonObject Described(string name, List<string> versions)
    {
        JsonObject Entry(string version) => new() { ["groupVersion"] = $"{name}/{version}", ["version"] = version };
        return new JsonObject { ["name"] = name, ["versions"] = new JsonArray([.. versions.Select(Entry)]), ["preferredVersion"] = Entry(versions[0]) };
    }

    /// <summary>null: nothing is served there.</summary>
    public static JsonObject? ResourceList(IEnumerable<ResourceKind> kinds, string group, string version)
    {
        var found = kinds.Where(kind => kind.Group == group && kind.Version == version).ToList();
        if (found.Count == 0) return null;
        return new JsonObject
        {
            ["kind"] = "APIResourceList", ["apiVersion"] = "v1", ["groupVersion"] = group.Length == 0 ? version : $"{group}/{version}",
            ["resources"] = new JsonArray([.. found.SelectMany(Resources)]),
        };
    }

    private static IEnumerable<JsonObject> Resources(ResourceKind kind)
    {
        JsonObject Entry(string name, string kindName, IReadOnlyList<string> verbs) => new()
        {
            ["name"] = name, ["singularName"] = name == kind.Plural ? kind.Singular : "", ["namespaced"] = kind.Namespaced, ["kind"] = kindName, ["verbs"] = List(verbs),
        };
        var main = Entry(kind.Plural, kind.Kind, kind.Verbs);
        if (kind.ShortNames.Count > 0) main["shortNames"] = List(kind.ShortNames);
        if (kind.Categories.Count > 0) main["categories"] = List(kind.Categories);
        yield return main;
        foreach (var part in kind.AllSubresources)
        {
            var entry = Entry($"{kind.Plural}/{part.Name}", part.Kind, part.Verbs);
            if (part.ApiVersion.Length > 0) (entry["group"], entry["version"]) = GroupAndVersion(part.ApiVersion);
            yield return entry;
        }
    }

    /// <summary>apidiscovery.k8s.io: everything below <c>/api</c> (core) or <c>/apis</c> in one answer.</summary>
    public static JsonObject Aggregated(IEnumerable<ResourceKind> kinds, bool core, string version) => new()
    {
        ["kind"] = "APIGroupDiscoveryList", ["apiVersion"] = "apidiscovery.k8s.io/" + version, ["metadata"] = new JsonObject(),
        ["items"] = new JsonArray([.. kinds.Where(kind => kind.Group.Length == 0 == core).GroupBy(kind => kind.Group).Select(group => new JsonObject
        {
            ["metadata"] = new JsonObject { ["name"] = group.Key },
            ["versions"] = new JsonArray([.. group.GroupBy(kind => kind.Version).OrderByDescending(same => ApiVersions.Rank(same.Key)).Select(same => new JsonObject
            {
                ["version"] = same.Key, ["freshness"] = "Current", ["resources"] = new JsonArray([.. same.Select(Aggregated)]),
            })]),
        })]),
    };

    private static JsonObject Aggregated(ResourceKind kind)
    {
        var made = new JsonObject
        {
            ["resource"] = kind.Plural, ["responseKind"] = ResponseKind(kind.Group, kind.Version, kind.Kind), ["scope"] = kind.Namespaced ? "Namespaced" : "Cluster",
            ["singularResource"] = kind.Singular, ["verbs"] = List(kind.Verbs), ["shortNames"] = List(kind.ShortNames), ["categories"] = List(kind.Categories),
        };
        made["subresources"] = new JsonArray([.. kind.AllSubresources.Select(part =>
        {
            var (group, version) = part.ApiVersion.Length == 0 ? (kind.Group, kind.Version) : GroupAndVersion(part.ApiVersion);
            return new JsonObject { ["subresource"] = part.Name, ["responseKind"] = ResponseKind(group, version, part.Kind), ["verbs"] = List(part.Verbs) };
        })]);
        return made;
    }

    private static (string Group, string Version) GroupAndVersion(string apiVersion) => apiVersion.Split('/') is [var group, var version] ? (group, version) : ("", apiVersion);

    private static JsonObject ResponseKind(string group, string version, string kind) => new() { ["group"] = group, ["version"] = version, ["kind"] = kind };

    private static JsonArray List(IEnumerable<string> words) => new([.. words.Select(word => (JsonNode)word)]);
}
