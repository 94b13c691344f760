using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>What a role or a binding gives, its writer must have: or the right to escalate, or to bind that role.</summary>
public sealed class Grants(Authorizer access)
{
    /// <exception cref="StatusException">403: it would give what the writer has not.</exception>
    public async Task CheckAsync(Call call, JsonObject document)
    {
        bool role = call.Kind == Kinds.Role || call.Kind == Kinds.ClusterRole;
        if (!role && call.Kind != Kinds.RoleBinding && call.Kind != Kinds.ClusterRoleBinding) return;
        var subject = Authorizer.Of(call.Http.Request);
        if (subject.IsMaster) return;
        var all = await access.ObjectsAsync(call.Ends);
        var space = call.Kind.Namespaced ? call.Name.Namespace : "";
        var reference = role ? document.Metadata().Text("name") ?? "" : document["roleRef"]?["name"]?.ToString() ?? "";
        var kind = role ? call.Kind : document["roleRef"]?["kind"]?.ToString() == "ClusterRole" ? Kinds.ClusterRole : Kinds.Role;
        if (AccessRules.Decide(subject, new AccessRequest(role ? "escalate" : "bind", kind.Group, kind.Plural, "", reference, space, ""), all).Allowed) return;
        var missing = RuleCover.Missing(Given(role ? document : Find(kind, space, reference, all), all), [.. AccessRules.RulesOf(subject, space, all)]);
        if (missing.Count > 0) throw Authorizer.Refused(call, $"user \"{subject.Name}\" (groups=[{string.Join(' ', subject.Groups.Select(group => $"\"{group}\""))}]) is attempting to grant RBAC permissions not currently held:\n{string.Join('\n', missing)}");
    }

    private static JsonObject? Find(ResourceKind kind, string space, string name, AccessObjects all) =>
        (kind == Kinds.ClusterRole ? all.ClusterRoles : all.Roles.Where(role => role.Metadata().Text("namespace") == space)).FirstOrDefault(role => role.Metadata().Text("name") == name);

    /// <summary>An aggregation may come to select anything; a role that is not there yet may come to have anything.</summary>
    private static IEnumerable<JsonObject> Given(JsonObject? role, AccessObjects all) =>
        role is null || role["aggregationRule"] is not null ? [new JsonObject { ["verbs"] = new JsonArray("*"), ["apiGroups"] = new JsonArray("*"), ["resources"] = new JsonArray("*") }] : AccessRules.Rules(role, all);
}
