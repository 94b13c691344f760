using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>Whether rules that somebody wants to give are covered by rules that the giver holds: nobody gives away more than they have. Pure.</summary>
public static class RuleCover
{
    /// <summary>The wanted rules, split into single rights, that no held rule has; each printed as in Kubernetes' refusals.</summary>
    public static IReadOnlyList<string> Missing(IEnumerable<JsonObject> wanted, IReadOnlyList<JsonObject> held) => [.. wanted.SelectMany(Split).Where(one => !held.Any(rule => Covers(rule, one))).Select(Shown)];

    private sealed record Right(string Verb, string Group, string Resource, string? Name, string? Path);

    private static IEnumerable<Right> Split(JsonObject rule) =>
        from verb in Words(rule, "verbs")
        from right in Words(rule, "nonResourceURLs").Select(path => new Right(verb, "", "", null, path)).Concat(
            from @group in Words(rule, "apiGroups") from resource in Words(rule, "resources") from name in Words(rule, "resourceNames").Cast<string?>().DefaultIfEmpty() select new Right(verb, @group, resource, name, null))
        select right;

    private static bool Covers(JsonObject rule, Right right)
    {
        if (!Has(rule, "verbs", right.Verb)) return false;
        if (right.Path is { } path) return Words(rule, "nonResourceURLs").Any(known => known == "*" || known == path || (known.EndsWith('*') && path.TrimEnd('*').StartsWith(known[..^1], StringComparison.Ordinal)));
        bool resource = Has(rule, "resources", right.Resource) || (right.Resource.Split('/') is [_, var part] && Words(rule, "resources").Contains("*/" + part));
        return resource && Has(rule, "apiGroups", right.Group) && (!Words(rule, "resourceNames").Any() || (right.Name is { } name && Words(rule, "resourceNames").Contains(name)));
    }

    private static string Shown(Right right) => right.Path is { } path ? $"{{NonResourceURLs:[\"{path}\"], Verbs:[\"{right.Verb}\"]}}"
        : $"{{APIGroups:[\"{right.Group}\"], Resources:[\"{right.Resource}\"], {(right.Name is { } name ? $"ResourceNames:[\"{name}\"], " : "")}Verbs:[\"{right.Verb}\"]}}";

    private static bool Has(JsonObject rule, string field, string value) => Words(rule, field).Any(word => word == "*" || word == value);

    private static IEnumerable<string> Words(JsonObject rule, string field) => (rule[field] as JsonArray ?? []).Select(word => word?.ToString() ?? "");
}
