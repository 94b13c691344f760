using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Access;
using Xunit;

namespace Eyrie.Api.Tests;

public sealed class AccessRulesTests
{
    private static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();

    private static readonly AccessObjects Objects = new(
        [Json("""{"metadata":{"name":"reader","namespace":"shop"},"rules":[{"apiGroups":[""],"resources":["pods","pods/log"],"verbs":["get","list"]},{"apiGroups":["apps"],"resources":["deployments"],"resourceNames":["web"],"verbs":["*"]}]}""")],
        [
            Json("""{"metadata":{"name":"viewer"},"rules":[{"nonResourceURLs":["/metrics","/debug/*"],"verbs":["get"]},{"apiGroups":["*"],"resources":["*/status"],"verbs":["get"]}]}"""),
            Json("""{"metadata":{"name":"all"},"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"add":"yes"}}]}}"""),
            Json("""{"metadata":{"name":"part","labels":{"add":"yes"}},"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}]}"""),
        ],
        [Json("""{"kind":"RoleBinding","metadata":{"name":"b","namespace":"shop"},"roleRef":{"kind":"Role","name":"reader"},"subjects":[{"kind":"User","name":"ann"},{"kind":"ServiceAccount","name":"robot"}]}""")],
        [
            Json("""{"kind":"ClusterRoleBinding","metadata":{"name":"c"},"roleRef":{"kind":"ClusterRole","name":"viewer"},"subjects":[{"kind":"Group","name":"team"}]}"""),
            Json("""{"kind":"ClusterRoleBinding","metadata":{"name":"d"},"roleRef":{"kind":"ClusterRole","name":"all"},"subjects":[{"kind":"User","name":"bob"}]}"""),
        ]);

    [Theory]
    [InlineData("ann", "", "get", "", "pods", "", "", "shop", "", true)]
    [InlineData("ann", "", "get", "", "pods", "log", "", "shop", "", true)]
    [InlineData("ann", "", "get", "", "pods", "exec", "", "shop", "", false)]
    [InlineData("ann", "", "delete", "", "pods", "", "", "shop", "", false)]
    [InlineData("ann", "", "get", "", "pods", "", "", "other", "", false)]
    [InlineData("ann", "", "get", "", "pods", "", "", "", "", false)]
    [InlineData("ann", "", "patch", "apps", "deployments", "", "web", "shop", "", true)]
    [InlineData("ann", "", "patch", "apps", "deployments", "", "api", "shop", "", false)]
    [InlineData("system:serviceaccount:shop:robot", "", "list", "", "pods", "", "", "shop", "", true)]
    [InlineData("system:serviceaccount:other:robot", "", "list", "", "pods", "", "", "shop", "", false)]
    [InlineData("eve", "team", "get", "", "", "", "", "", "/debug/pprof", true)]
    [InlineData("eve", "team", "get", "", "", "", "", "", "/metric", false)]
    [InlineData("eve", "team", "get", "batch", "jobs", "status", "", "any", "", true)]
    [InlineData("eve", "team", "get", "batch", "jobs", "", "", "any", "", false)]
    [InlineData("bob", "", "get", "", "secrets", "", "", "any", "", true)]
    [InlineData("eve", "", "get", "", "secrets", "", "", "any", "", false)]
    [InlineData("root", "system:masters", "delete", "any", "thing", "", "", "", "", true)]
    public void Only_what_a_bound_rule_names_is_allowed(string user, string group, string verb, string apiGroup, string resource, string subresource, string name, string space, string path, bool allowed) =>
        Assert.Equal(allowed, AccessRules.Decide(new Subject(user, group.Length > 0 ? [group] : []), new AccessRequest(verb, apiGroup, resource, subresource, name, space, path), Objects).Allowed);

    [Fact]
    public void The_reason_names_binding_role_and_subject() =>
        Assert.Equal("RBAC: allowed by RoleBinding \"b/shop\" of Role \"reader\" to User \"ann\"", AccessRules.Decide(new Subject("ann", []), new AccessRequest("get", "", "pods", "", "", "shop", ""), Objects).Reason);
}
