namespace Eyrie.ControlPlane.Resources;

/// <summary>One kind of object that the API serves, as Kubernetes names it.</summary>
/// <param name="Group">API group, empty for core.</param>
/// <param name="Version">Served and stored version, e.g. <c>v1</c>.</param>
/// <param name="Kind">e.g. <c>Pod</c>.</param>
/// <param name="Plural">Path segment, e.g. <c>pods</c>.</param>
/// <param name="Singular">e.g. <c>pod</c>.</param>
/// <param name="Namespaced">Whether objects live in a namespace.</param>
public sealed record ResourceKind(string Group, string Version, string Kind, string Plural, string Singular, bool Namespaced)
{
    public IReadOnlyList<string> ShortNames { get; init; } = [];
    public IReadOnlyList<string> Categories { get; init; } = [];
    /// <summary>Whether <c>status</c> is written only through the status subresource.</summary>
    public bool HasStatus { get; init; }
    /// <summary><c>v1</c> or <c>apps/v1</c>.</summary>
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";
    /// <summary>Store key prefix, e.g. <c>/apps/deployments/</c> (core: <c>/core/pods/</c>).</summary>
    public string KeyPrefix => $"/{(Group.Length == 0 ? "core" : Group)}/{Plural}/";
    public string Key(ObjectName name) => Namespaced ? $"{KeyPrefix}{name.Namespace}/{name.Name}" : $"{KeyPrefix}{name.Name}";
    public override string ToString() => Group.Length == 0 ? Plural : $"{Plural}.{Group}";
}

/// <summary>Namespace (empty for cluster-scoped kinds) and name.</summary>
public readonly record struct ObjectName(string Namespace, string Name)
{
    public override string ToString() => Namespace.Length == 0 ? Name : $"{Namespace}/{Name}";
}

/// <summary>The kinds of the spine. Adding a standard kind is one line here.</summary>
public static class Kinds
{
    public static readonly ResourceKind Pod = new("", "v1", "Pod", "pods", "pod", true) { ShortNames = ["po"], Categories = ["all"], HasStatus = true };
    public static readonly ResourceKind Service = new("", "v1", "Service", "services", "service", true) { ShortNames = ["svc"], Categories = ["all"], HasStatus = true };
    public static readonly ResourceKind Namespace = new("", "v1", "Namespace", "namespaces", "namespace", false) { ShortNames = ["ns"], HasStatus = true };
    public static readonly ResourceKind Node = new("", "v1", "Node", "nodes", "node", false) { ShortNames = ["no"], HasStatus = true };
    public static readonly ResourceKind Event = new("", "v1", "Event", "events", "event", true) { ShortNames = ["ev"] };
    public static readonly ResourceKind ConfigMap = new("", "v1", "ConfigMap", "configmaps", "configmap", true) { ShortNames = ["cm"] };
    public static readonly ResourceKind Secret = new("", "v1", "Secret", "secrets", "secret", true);
    public static readonly ResourceKind Deployment = new("apps", "v1", "Deployment", "deployments", "deployment", true) { ShortNames = ["deploy"], Categories = ["all"], HasStatus = true };
    public static readonly ResourceKind ReplicaSet = new("apps", "v1", "ReplicaSet", "replicasets", "replicaset", true) { ShortNames = ["rs"], Categories = ["all"], HasStatus = true };
    public static readonly ResourceKind EndpointSlice = new("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice", true);
    public static readonly ResourceKind Lease = new("coordination.k8s.io", "v1", "Lease", "leases", "lease", true);

    public static readonly IReadOnlyList<ResourceKind> All =
        [Pod, Service, Namespace, Node, Event, ConfigMap, Secret, Deployment, ReplicaSet, EndpointSlice, Lease];
}
