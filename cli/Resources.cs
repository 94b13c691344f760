using System.Text.Json.Nodes;

namespace Eyrie.Cli;

/// <summary>One kind of resource as the cluster's discovery names it.</summary>
/// <param name="GroupVersion">As in <c>apiVersion</c>: <c>v1</c>, <c>apps/v1</c>.</param>
public sealed record ResourceType(string GroupVersion, string Kind, string Plural, string Singular, IReadOnlyList<string> ShortNames, bool Namespaced)
{
    private string Root => GroupVersion.Contains('/', StringComparison.Ordinal) ? "/apis/" + GroupVersion : "/api/" + GroupVersion;

    /// <summary>Path of the collection in a namespace (of the whole cluster when the kind has none).</summary>
    public string Collection(string @namespace) => Namespaced ? $"{Root}/namespaces/{@namespace}/{Plural}" : $"{Root}/{Plural}";

    public bool Answers(string word) => Plural == word || Singular == word || ShortNames.Contains(word) || string.Equals(Kind, word, StringComparison.OrdinalIgnoreCase);
}

/// <summary>What kinds the cluster serves, asked of it once a command.</summary>
public sealed class Resources
{
    private readonly IReadOnlyList<ResourceType> _types;

    private Resources(IReadOnlyList<ResourceType> types) => _types = types;

    public static async Task<Resources> DiscoverAsync(Cluster cluster)
    {
        var groups = (await cluster.CallAsync(HttpMethod.Get, "/apis", null))["groups"]!.AsArray();
        var versions = groups.SelectMany(group => group!["versions"]!.AsArray()).Select(version => version!["groupVersion"]!.ToString());
        var lists = await Task.WhenAll(versions.Select(version => "/apis/" + version).Prepend("/api/v1").Select(path => cluster.CallAsync(HttpMethod.Get, path, null)));
        return new Resources([.. lists.SelectMany(Types)]);
    }

    private static IEnumerable<ResourceType> Types(JsonObject list) =>
        from resource in list["resources"]!.AsArray()
        let name = resource["name"]!.ToString()
        where !name.Contains('/', StringComparison.Ordinal)
        select new ResourceType(list["groupVersion"]!.ToString(), resource["kind"]!.ToString(), name, resource["singularName"]?.ToString() ?? "",
            [.. (resource["shortNames"] as JsonArray ?? []).Select(word => word!.ToString())], resource["namespaced"]!.GetValue<bool>());

    /// <exception cref="Failure">The cluster has no such kind.</exception>
    public ResourceType OfManifest(string version, string kind) =>
        _types.FirstOrDefault(type => type.GroupVersion == version && type.Kind == kind) ?? throw new Failure($"apiVersion {version}, kind {kind} is not served by this cluster; what is: kubectl api-resources");

    /// <summary>By plural, singular, kind or short name.</summary>
    /// <exception cref="Failure">The cluster has no such resource.</exception>
    public ResourceType Named(string word) =>
        _types.FirstOrDefault(type => type.Answers(word.ToLowerInvariant())) ?? throw new Failure($"resource \"{word}\" is not known; known are {string.Join(", ", _types.Select(type => type.Plural).Distinct())}");
}
