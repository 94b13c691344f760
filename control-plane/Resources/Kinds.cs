using System.Reflection;

namespace Eyrie.ControlPlane.Resources;

/// <summary>The standard kinds. Adding one is one registration here: discovery, OpenAPI, every verb, tables and checks of unknown fields follow from it.</summary>
public static class Kinds
{
    private const string Apps = "apps", Batch = "batch", Networking = "networking.k8s.io", Rbac = "rbac.authorization.k8s.io", Storage = "storage.k8s.io", Authentication = "authentication.k8s.io", Authorization = "authorization.k8s.io";
    private static readonly string[] InAll = ["all"], Create = ["create"], ReadOnly = ["get", "list"], Proxy = ["create", "delete", "get", "patch", "update"];

    public static readonly ResourceKind Pod = Namespaced("", "Pod", "po") with
    {
        Categories = InAll, HasStatus = true,
        Subresources =
        [
            new("log", "", "Pod", "get"), new("exec", "", "PodExecOptions", "create", "get"), new("attach", "", "PodAttachOptions", "create", "get"), new("portforward", "", "PodPortForwardOptions", "create", "get"),
            new("proxy", "", "PodProxyOptions", Proxy),
            new("binding", "", "Binding", "create"), new("eviction", "policy/v1", "Eviction", "create"), new("ephemeralcontainers", "", "Pod", "get", "patch", "update"),
        ],
    };
    public static readonly ResourceKind Service = Namespaced("", "Service", "svc") with { Categories = InAll, HasStatus = true, Subresources = [new("proxy", "", "ServiceProxyOptions", Proxy)] };
    public static readonly ResourceKind Endpoints = new("", "v1", "Endpoints", "endpoints", "endpoints", true) { ShortNames = ["ep"] };
    public static readonly ResourceKind Namespace = Cluster("", "Namespace", "ns") with { HasStatus = true, Subresources = [new("finalize", "", "Namespace", "update")], Verbs = [.. Subresource.AllVerbs.Where(verb => verb != "deletecollection")] };
    public static readonly ResourceKind Node = Cluster("", "Node", "no") with { HasStatus = true };
    public static readonly ResourceKind Event = Namespaced("", "Event", "ev") with { Model = "Corev1Event" };
    public static readonly ResourceKind ConfigMap = Namespaced("", "ConfigMap", "cm");
    public static readonly ResourceKind Secret = Namespaced("", "Secret");
    public static readonly ResourceKind ServiceAccount = Namespaced("", "ServiceAccount", "sa") with { Subresources = [new("token", Authentication + "/v1", "TokenRequest", "create")] };
    public static readonly ResourceKind PersistentVolume = Cluster("", "PersistentVolume", "pv") with { HasStatus = true };
    public static readonly ResourceKind PersistentVolumeClaim = Namespaced("", "PersistentVolumeClaim", "pvc") with { HasStatus = true };
    public static readonly ResourceKind ReplicationController = Namespaced("", "ReplicationController", "rc") with { Categories = InAll, HasStatus = true, Scale = ScalePaths.Standard };
    public static readonly ResourceKind LimitRange = Namespaced("", "LimitRange", "limits");
    public static readonly ResourceKind ResourceQuota = Namespaced("", "ResourceQuota", "quota") with { HasStatus = true };
    public static readonly ResourceKind PodTemplate = Namespaced("", "PodTemplate");

    public static readonly ResourceKind Deployment = Namespaced(Apps, "Deployment", "deploy") with { Categories = InAll, HasStatus = true, Scale = ScalePaths.Standard };
    public static readonly ResourceKind ReplicaSet = Namespaced(Apps, "ReplicaSet", "rs") with { Categories = InAll, HasStatus = true, Scale = ScalePaths.Standard };
    public static readonly ResourceKind StatefulSet = Namespaced(Apps, "StatefulSet", "sts") with { Categories = InAll, HasStatus = true, Scale = ScalePaths.Standard };
    public static readonly ResourceKind DaemonSet = Namespaced(Apps, "DaemonSet", "ds") with { Categories = InAll, HasStatus = true };
    public static readonly ResourceKind ControllerRevision = Namespaced(Apps, "ControllerRevision");
    public static readonly ResourceKind Job = Namespaced(Batch, "Job") with { Categories = InAll, HasStatus = true };
    public static readonly ResourceKind CronJob = Namespaced(Batch, "CronJob", "cj") with { Categories = InAll, HasStatus = true };
    public static readonly ResourceKind HorizontalPodAutoscaler = new("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler", true)
        { ShortNames = ["hpa"], Categories = InAll, HasStatus = true, Model = "V2HorizontalPodAutoscaler" };
    public static readonly ResourceKind PodDisruptionBudget = Namespaced("policy", "PodDisruptionBudget", "pdb") with { HasStatus = true };
    public static readonly ResourceKind PriorityClass = new("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "priorityclass", false) { ShortNames = ["pc"] };
    public static readonly ResourceKind Lease = Namespaced("coordination.k8s.io", "Lease");

    public static readonly ResourceKind EndpointSlice = Namespaced("discovery.k8s.io", "EndpointSlice");
    public static readonly ResourceKind NetworkPolicy = new(Networking, "v1", "NetworkPolicy", "networkpolicies", "networkpolicy", true) { ShortNames = ["netpol"] };
    public static readonly ResourceKind Ingress = new(Networking, "v1", "Ingress", "ingresses", "ingress", true) { ShortNames = ["ing"], HasStatus = true };
    public static readonly ResourceKind IngressClass = new(Networking, "v1", "IngressClass", "ingressclasses", "ingressclass", false);
    public static readonly ResourceKind StorageClass = new(Storage, "v1", "StorageClass", "storageclasses", "storageclass", false) { ShortNames = ["sc"] };

    public static readonly ResourceKind Role = Namespaced(Rbac, "Role");
    public static readonly ResourceKind RoleBinding = Namespaced(Rbac, "RoleBinding");
    public static readonly ResourceKind ClusterRole = Cluster(Rbac, "ClusterRole");
    public static readonly ResourceKind ClusterRoleBinding = Cluster(Rbac, "ClusterRoleBinding");
    public static readonly ResourceKind CertificateSigningRequest = Cluster("certificates.k8s.io", "CertificateSigningRequest", "csr") with
        { HasStatus = true, Subresources = [new("approval", "", "CertificateSigningRequest", "get", "patch", "update")] };
    public static readonly ResourceKind TokenReview = Cluster(Authentication, "TokenReview") with { Verbs = Create };
    public static readonly ResourceKind SelfSubjectReview = Cluster(Authentication, "SelfSubjectReview") with { Verbs = Create };
    /// <summary>For kubectl 1.27, which asks this version.</summary>
    public static readonly ResourceKind SelfSubjectReviewBeta = SelfSubjectReview with { Version = "v1beta1", Model = "V1SelfSubjectReview" };
    public static readonly ResourceKind SubjectAccessReview = Cluster(Authorization, "SubjectAccessReview") with { Verbs = Create };
    public static readonly ResourceKind SelfSubjectAccessReview = Cluster(Authorization, "SelfSubjectAccessReview") with { Verbs = Create };
    public static readonly ResourceKind SelfSubjectRulesReview = Cluster(Authorization, "SelfSubjectRulesReview") with { Verbs = Create };
    public static readonly ResourceKind LocalSubjectAccessReview = Namespaced(Authorization, "LocalSubjectAccessReview") with { Verbs = Create };
    public static readonly ResourceKind CustomResourceDefinition = Cluster("apiextensions.k8s.io", "CustomResourceDefinition", "crd", "crds") with { Categories = ["api-extensions"], HasStatus = true };
    public static readonly ResourceKind PermissionSet = Namespaced("eyrie.dev", "PermissionSet", "permset");
    public static readonly ResourceKind PermissionRecord = Namespaced("eyrie.dev", "PermissionRecord", "permrec") with { HasStatus = true };
    public static readonly ResourceKind NodeMetrics = new("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", "", false) { Model = "NodeMetrics", Verbs = ReadOnly };
    public static readonly ResourceKind PodMetrics = new("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", "", true) { Model = "PodMetrics", Verbs = ReadOnly };

    /// <summary>Another view of the core events: stored there, shown with this group's names.</summary>
    public static readonly ResourceKind EventOfGroup = Namespaced("events.k8s.io", "Event", "ev") with { Model = "Eventsv1Event", View = new KindView(Event, EventWords.ToGroup, EventWords.ToCore) };

    public static readonly IReadOnlyList<ResourceKind> All = [.. typeof(Kinds).GetFields(BindingFlags.Public | BindingFlags.Static).Where(field => field.FieldType == typeof(ResourceKind)).Select(field => (ResourceKind)field.GetValue(null)!)];

    /// <summary>What the store keeps, each object under one kind.</summary>
    public static readonly IReadOnlyList<ResourceKind> Served = [.. All.Where(kind => kind.Stored && kind.View is null)];

    /// <summary>What is stored under another kind.</summary>
    public static readonly IReadOnlyList<ResourceKind> Views = [.. All.Where(kind => kind.View is not null)];

    /// <summary>Answered and never stored.</summary>
    public static readonly IReadOnlyList<ResourceKind> Reviews = [TokenReview, SelfSubjectReview, SelfSubjectReviewBeta, SubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview, LocalSubjectAccessReview];

    private static ResourceKind Namespaced(string group, string kind, params string[] shortNames) => Make(group, kind, true, shortNames);

    private static ResourceKind Cluster(string group, string kind, params string[] shortNames) => Make(group, kind, false, shortNames);

    private static ResourceKind Make(string group, string kind, bool namespaced, string[] shortNames)
    {
        var singular = kind.ToLowerInvariant();
        return new ResourceKind(group, "v1", kind, singular + "s", singular, namespaced) { ShortNames = shortNames };
    }
}
