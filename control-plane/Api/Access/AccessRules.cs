using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>The roles and bindings of the cluster at one moment.</summary>
public sealed record AccessObjects(IReadOnlyList<JsonObject> Roles, IReadOnlyList<JsonObject> ClusterRoles, IReadOnlyList<JsonObject> RoleBindings, IReadOnlyList<JsonObject> ClusterRoleBindings);

/// <summary>rbac.authorization.k8s.io: everything is denied that no bound rule allows. Pure.</summary>
public static class AccessRules
{
    public static AccessDecision Decide(Subject subject, AccessRequest request, AccessObjects objects)
    {
        if (subject.IsMaster) return new AccessDecision(true, $"member of {Subject.Masters}");
        foreach (var (binding, bound, rules) in Bound(subject, request.Namespace, objects))
            if (rules.Any(rule => Allows(rule, request)))
                return new AccessDecision(true, $"RBAC: allowed by {binding.Text("kind")} \"{Title(binding)}\" of {binding["roleRef"]!["kind"]} \"{binding["roleRef"]!["name"]}\" to {bound["kind"]} \"{bound["name"]}\"");
        return new AccessDecision(false, "");
    }

    /// <summary>Every rule that holds for somebody in a namespace (and, without one, in the cluster).</summary>
    public static IEnumerable<JsonObject> RulesOf(Subject subject, string @namespace, AccessObjects objects) => Bound(subject, @namespace, objects).SelectMany(bound => bound.Rules);

    private static IEnumerable<(JsonObject Binding, JsonObject Subject, IReadOnlyList<JsonObject> Rules)> Bound(Subject subject, string @namespace, AccessObjects objects)
    {
        var bindings = objects.ClusterRoleBindings.Concat(@namespace.Length == 0 ? [] : objects.RoleBindings.Where(binding => binding.Metadata().Text("namespace") == @namespace));
        foreach (var binding in bindings)
        {
            if (Items(binding, "subjects").FirstOrDefault(candidate => Names(candidate, subject, binding)) is not { } bound) continue;
            var (kind, name) = (binding["roleRef"]?["kind"]?.ToString(), binding["roleRef"]?["name"]?.ToString());
            var role = kind == "ClusterRole" ? objects.ClusterRoles.FirstOrDefault(role => role.Metadata().Text("name") == name)
                : objects.Roles.FirstOrDefault(role => role.Metadata().Text("name") == name && role.Metadata().Text("namespace") == binding.Metadata().Text("namespace"));
            if (role is not null) yield return (binding, bound, Rules(role, objects));
        }
    }

    private const int DeepestAggregation = 4;

    /// <summary>A role's own rules; a ClusterRole with an aggregation has those of the roles it selects, which may aggregate themselves.</summary>
    public static IReadOnlyList<JsonObject> Rules(JsonObject role, AccessObjects objects, int depth = 0)
    {
        if (depth == DeepestAggregation) return [];
        if (role["aggregationRule"] is not JsonObject aggregation) return [.. Items(role, "rules")];
        var selectors = Items(aggregation, "clusterRoleSelectors").Select(selector => (selector["matchLabels"] as JsonObject ?? []).ToDictionary(pair => pair.Key, pair => pair.Value?.ToString())).ToList();
        return [.. objects.ClusterRoles.Where(candidate => selectors.Any(selector => selector.All(label => candidate.Metadata()["labels"]?[label.Key]?.ToString() == label.Value))).SelectMany(candidate => Rules(candidate, objects, depth + 1))];
    }

    private static bool Names(JsonObject candidate, Subject subject, JsonObject binding) => candidate.Text("kind") switch
    {
        "User" => candidate.Text("name") == subject.Name,
        "Group" => subject.Groups.Contains(candidate.Text("name")),
        "ServiceAccount" => subject.Name == $"{Subject.AccountPrefix}{candidate.Text("namespace") ?? binding.Metadata().Text("namespace")}:{candidate.Text("name")}",
        _ => false,
    };

    private static bool Allows(JsonObject rule, AccessRequest request)
    {
        if (!Has(rule, "verbs", request.Verb)) return false;
        if (request.Path.Length > 0) return List(rule, "nonResourceURLs").Any(pattern => pattern == request.Path || (pattern.EndsWith('*') && request.Path.StartsWith(pattern[..^1], StringComparison.Ordinal)));
        var resource = request.Subresource.Length == 0 ? request.Resource : $"{request.Resource}/{request.Subresource}";
        return Has(rule, "apiGroups", request.Group) && (Has(rule, "resources", resource) || (request.Subresource.Length > 0 && List(rule, "resources").Contains("*/" + request.Subresource)))
            && (!List(rule, "resourceNames").Any() || List(rule, "resourceNames").Contains(request.Name));
    }

    private static bool Has(JsonObject rule, string field, string value) => List(rule, field).Any(item => item == "*" || item == value);

    private static IEnumerable<string> List(JsonObject rule, string field) => (rule[field] as JsonArray ?? []).Select(item => item?.ToString() ?? "");

    private static IEnumerable<JsonObject> Items(JsonObject document, string field) => (document[field] as JsonArray ?? []).OfType<JsonObject>();

    private static string Title(JsonObject binding) => binding.Metadata().Text("namespace") is { Length: > 0 } space ? $"{binding.Metadata().Text("name")}/{space}" : binding.Metadata().Text("name") ?? "";
}
