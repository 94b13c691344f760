using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Microsoft.Extensions.Hosting;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>The roles that every Kubernetes cluster has: cluster-admin, admin, edit and view. Made at the start when they are missing; whoever changed them keeps the change.</summary>
public sealed class StandardRoles(IObjects objects) : IHostedService
{
    private static readonly string[] Read = ["get", "list", "watch"], Write = ["create", "delete", "deletecollection", "patch", "update"], All = ["*"];
    private static readonly string[] Core = ["bindings", "configmaps", "endpoints", "events", "limitranges", "namespaces", "namespaces/status", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods", "pods/log", "pods/status", "replicationcontrollers", "replicationcontrollers/scale",
        "replicationcontrollers/status", "resourcequotas", "resourcequotas/status", "serviceaccounts", "services", "services/status"];
    private static readonly string[] CoreWritten = ["configmaps", "events", "persistentvolumeclaims", "pods", "pods/attach", "pods/eviction", "pods/exec", "pods/portforward", "pods/proxy", "pods/ephemeralcontainers", "replicationcontrollers", "replicationcontrollers/scale", "secrets", "serviceaccounts", "services", "services/proxy"];
    private static readonly string[] Workloads = ["daemonsets", "daemonsets/status", "deployments", "deployments/scale", "deployments/status", "replicasets", "replicasets/scale", "replicasets/status", "statefulsets", "statefulsets/scale", "statefulsets/status", "controllerrevisions"];

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var (kind, document) in Documents())
        {
            if (await objects.GetAsync(kind, ObjectStamp.NameOf(document), cancellationToken) is not null) continue;
            try
            {
                await objects.CreateAsync(kind, document, cancellationToken);
            }
            catch (ObjectExistsException)
            {
                // Somebody was quicker: it is theirs.
            }
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public static IEnumerable<(ResourceKind Kind, JsonObject Document)> Documents()
    {
        yield return Role("cluster-admin", [], Rule(All, ["*"], ["*"]), new JsonObject { ["nonResourceURLs"] = List("*"), ["verbs"] = List("*") });
        yield return (Kinds.ClusterRoleBinding, new JsonObject
        {
            ["metadata"] = Metadata("cluster-admin", []), ["roleRef"] = new JsonObject { ["apiGroup"] = Kinds.ClusterRole.Group, ["kind"] = "ClusterRole", ["name"] = "cluster-admin" },
            ["subjects"] = new JsonArray(new JsonObject { ["kind"] = "Group", ["apiGroup"] = Kinds.ClusterRole.Group, ["name"] = Subject.Masters }),
        });
        yield return Role("system:aggregate-to-view", ["view"], Rule(Read, [""], Core), Rule(Read, ["apps"], Workloads), Rule(Read, ["autoscaling"], ["horizontalpodautoscalers", "horizontalpodautoscalers/status"]), Rule(Read, ["batch"], ["cronjobs", "cronjobs/status", "jobs", "jobs/status"]),
            Rule(Read, ["policy"], ["poddisruptionbudgets", "poddisruptionbudgets/status"]), Rule(Read, ["networking.k8s.io"], ["ingresses", "ingresses/status", "networkpolicies"]), Rule(Read, ["discovery.k8s.io"], ["endpointslices"]), Rule(Read, ["metrics.k8s.io"], ["pods"]), Rule(Read, ["eyrie.dev"], ["permissionsets"]));
        yield return Role("system:aggregate-to-edit", ["edit"], Rule([.. Read, .. Write], [""], CoreWritten), Rule(["impersonate"], [""], ["serviceaccounts"]), Rule(["create"], [""], ["serviceaccounts/token"]), Rule(Write, ["apps"], [.. Workloads.Where(name => !name.EndsWith("/status", StringComparison.Ordinal))]),
            Rule(Write, ["autoscaling"], ["horizontalpodautoscalers"]), Rule(Write, ["batch"], ["cronjobs", "jobs"]), Rule(Write, ["policy"], ["poddisruptionbudgets"]), Rule(Write, ["networking.k8s.io"], ["ingresses", "networkpolicies"]));
        yield return Role("system:aggregate-to-admin", ["admin"], Rule([.. Read, .. Write], ["rbac.authorization.k8s.io"], ["rolebindings", "roles"]), Rule(["create"], ["authorization.k8s.io"], ["localsubjectaccessreviews"]), Rule(Write, ["eyrie.dev"], ["permissionsets"]));
        yield return Aggregate("view", "edit", "view");
        yield return Aggregate("edit", "admin", "edit", "view");
        yield return Aggregate("admin", null, "admin", "edit", "view");
    }

    private static (ResourceKind, JsonObject) Role(string name, string[] aggregatedTo, params JsonObject[] rules) => (Kinds.ClusterRole, new JsonObject { ["metadata"] = Metadata(name, aggregatedTo), ["rules"] = new JsonArray([.. rules]) });

    private static (ResourceKind, JsonObject) Aggregate(string name, string? aggregatedTo, params string[] selected) => (Kinds.ClusterRole, new JsonObject
    {
        ["metadata"] = Metadata(name, aggregatedTo is null ? [] : [aggregatedTo]),
        ["aggregationRule"] = new JsonObject { ["clusterRoleSelectors"] = new JsonArray([.. selected.Select(of => new JsonObject { ["matchLabels"] = new JsonObject { [Label(of)] = "true" } })]) }, ["rules"] = new JsonArray(),
    });

    private static JsonObject Metadata(string name, string[] aggregatedTo)
    {
        var labels = new JsonObject { ["kubernetes.io/bootstrapping"] = "rbac-defaults" };
        foreach (var role in aggregatedTo) labels[Label(role)] = "true";
        return new JsonObject { ["name"] = name, ["labels"] = labels };
    }

    private static string Label(string role) => "rbac.authorization.k8s.io/aggregate-to-" + role;

    private static JsonObject Rule(string[] verbs, string[] groups, string[] resources) => new() { ["apiGroups"] = List(groups), ["resources"] = List(resources), ["verbs"] = List(verbs) };

    private static JsonArray List(params string[] words) => new([.. words.Select(word => (JsonNode)word)]);
}
