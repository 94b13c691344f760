using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.CustomResources;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests;
using static Eyrie.ControlPlane.Api.FieldChecks;

namespace Eyrie.ControlPlane.Api;

/// <summary>Defaulting as the Kubernetes API does it (pkg/apis/*/v1/defaults.go), for the fields that the parts of Eyrie read or clients show.</summary>
public static class Defaults
{
    public static void Apply(ResourceKind kind, JsonObject document)
    {
        if (kind == Kinds.Pod && document["spec"] is JsonObject pod)
        {
            PodSpec(pod);
            Default(document, "status", new JsonObject());
            if (document["status"] is JsonObject status)
            {
                Default(status, "phase", "Pending");
                Default(status, "qosClass", QualityOfService.Of(pod));
            }
        }
        if (kind == Kinds.Deployment && document["spec"] is JsonObject deployment) Deployment(deployment);
        if (kind == Kinds.ReplicaSet && document["spec"] is JsonObject set)
        {
            Default(set, "replicas", 1);
            if (set["template"]?["spec"] is JsonObject template) PodSpec(template);
        }
        if (kind == Kinds.StatefulSet || kind == Kinds.DaemonSet || kind == Kinds.Job || kind == Kinds.ReplicationController) Template(document["spec"]?["template"]?["spec"]);
        if (document["spec"] is JsonObject workload) Workload(kind, workload);
        if (kind == Kinds.CronJob) Template(document["spec"]?["jobTemplate"]?["spec"]?["template"]?["spec"]);
        if (kind == Kinds.Service && document["spec"] is JsonObject service) Service(service);
        if (kind == Kinds.Namespace)
        {
            Default(document, "spec", new JsonObject { ["finalizers"] = new JsonArray("kubernetes") });
            Default(document, "status", new JsonObject());
            if (document["status"] is JsonObject status) Default(status, "phase", "Active");
            if (document["metadata"] is JsonObject metadata)
            {
                Default(metadata, "labels", new JsonObject());
                metadata["labels"]!["kubernetes.io/metadata.name"] = metadata["name"]?.ToString();
            }
        }
        if (kind == Kinds.CustomResourceDefinition && document["spec"] is JsonObject definition) Defined(document, definition);
        if (kind == Kinds.Secret)
        {
            Default(document, "type", "Opaque");
            Encode(document);
        }
    }

    /// <summary>Names that follow from the kind, and the finalizer that keeps a definition until its objects have gone.</summary>
    private static void Defined(JsonObject document, JsonObject spec)
    {
        Default(spec, "conversion", new JsonObject { ["strategy"] = "None" });
        if (spec["names"] is JsonObject names && names.Text("kind") is { Length: > 0 } kind)
        {
            Default(names, "singular", kind.ToLowerInvariant());
            Default(names, "listKind", kind + "List");
        }
        if (document.Metadata()["deletionTimestamp"] is not null) return;
        if (document.Metadata()["finalizers"] is not JsonArray finalizers) document.Metadata()["finalizers"] = finalizers = [];
        if (!finalizers.Any(name => name?.ToString() == Definition.Finalizer)) finalizers.Add(Definition.Finalizer);
    }

    /// <summary>stringData is for writing only: what it says stands in data, encoded.</summary>
    private static void Encode(JsonObject secret)
    {
        if (secret["stringData"] is not JsonObject texts) return;
        secret.Remove("stringData");
        Default(secret, "data", new JsonObject());
        foreach (var (key, value) in texts) secret["data"]![key] = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(value?.ToString() ?? ""));
    }

    private static void Default(JsonObject target, string name, JsonNode value)
    {
        if (target[name] is null) target[name] = value;
    }

    private static void Deployment(JsonObject spec)
    {
        Default(spec, "replicas", 1);
        Default(spec, "revisionHistoryLimit", 10);
        Default(spec, "progressDeadlineSeconds", 600);
        Default(spec, "strategy", new JsonObject());
        if (spec["strategy"] is JsonObject strategy)
        {
            Default(strategy, "type", "RollingUpdate");
            if (strategy["type"]!.ToString() == "RollingUpdate")
            {
                Default(strategy, "rollingUpdate", new JsonObject());
                if (strategy["rollingUpdate"] is JsonObject rolling) { Default(rolling, "maxUnavailable", "25%"); Default(rolling, "maxSurge", "25%"); }
            }
        }
        if (spec["template"] is JsonObject template)
        {
            if (template["spec"] is JsonObject pod) PodSpec(pod);
        }
    }

    /// <summary>What kubectl reads of a workload's spec without asking whether it is there.</summary>
    private static void Workload(ResourceKind kind, JsonObject spec)
    {
        if (kind == Kinds.StatefulSet || kind == Kinds.DaemonSet)
        {
            Default(spec, "updateStrategy", new JsonObject());
            if (spec["updateStrategy"] is JsonObject strategy) Default(strategy, "type", "RollingUpdate");
            Default(spec, "revisionHistoryLimit", 10);
        }
        if (kind == Kinds.StatefulSet)
        {
            Default(spec, "podManagementPolicy", "OrderedReady");
            Default(spec, "persistentVolumeClaimRetentionPolicy", new JsonObject());
            if (spec["persistentVolumeClaimRetentionPolicy"] is JsonObject retention) foreach (var when in new[] { "whenDeleted", "whenScaled" }) Default(retention, when, "Retain");
        }
        if (kind == Kinds.StatefulSet || kind == Kinds.ReplicationController) Default(spec, "replicas", 1);
        if (kind == Kinds.Job)
        {
            if (spec["parallelism"] is null && spec["completions"] is null) Default(spec, "completions", 1);
            Default(spec, "parallelism", 1);
            Default(spec, "backoffLimit", spec["backoffLimitPerIndex"] is null ? 6 : int.MaxValue);
            Default(spec, "podReplacementPolicy", spec["podFailurePolicy"] is null ? "TerminatingOrFailed" : "Failed");
            Default(spec, "completionMode", "NonIndexed");
            Default(spec, "suspend", false);
        }
        if (kind == Kinds.CronJob)
        {
            Default(spec, "concurrencyPolicy", "Allow");
            Default(spec, "suspend", false);
            Default(spec, "successfulJobsHistoryLimit", 3);
            Default(spec, "failedJobsHistoryLimit", 1);
        }
    }

    private static void Template(JsonNode? pod)
    {
        if (pod is JsonObject spec) PodSpec(spec);
    }

    /// <summary>Of sessionAffinity: ClientIP (three hours).</summary>
    private const int AffinitySeconds = 10800;

    private static void Service(JsonObject spec)
    {
        Default(spec, "type", "ClusterIP");
        Default(spec, "sessionAffinity", "None");
        if (spec.Text("type") != "ExternalName")
        {
            Default(spec, "ipFamilies", new JsonArray("IPv4"));
            Default(spec, "ipFamilyPolicy", "SingleStack");
            Default(spec, "internalTrafficPolicy", "Cluster");
        }
        if (spec.Text("sessionAffinity") == "ClientIP")
        {
            Default(spec, "sessionAffinityConfig", new JsonObject());
            if (spec["sessionAffinityConfig"] is JsonObject config) Default(config, "clientIP", new JsonObject());
            if (spec["sessionAffinityConfig"] is JsonObject { } whole && whole["clientIP"] is JsonObject client) Default(client, "timeoutSeconds", AffinitySeconds);
        }
        if (NodePorts.Needs(spec)) Default(spec, "externalTrafficPolicy", "Cluster");
        foreach (var port in Items(spec["ports"]))
        {
            Default(port, "protocol", "TCP");
            if (port["port"] is { } number) Default(port, "targetPort", number.DeepClone());
        }
    }

    private static void PodSpec(JsonObject spec)
    {
        Default(spec, "restartPolicy", "Always");
        Default(spec, "terminationGracePeriodSeconds", 30);
        Default(spec, "dnsPolicy", "ClusterFirst");
        Default(spec, "schedulerName", "default-scheduler");
        Default(spec, "securityContext", new JsonObject());
        foreach (var container in new[] { "initContainers", "containers", EphemeralContainers.Field }.SelectMany(list => Items(spec[list])))
        {
            var image = container["image"]?.ToString() ?? "";
            Default(container, "imagePullPolicy", image.EndsWith(":latest", StringComparison.Ordinal) || !image[(image.LastIndexOf('/') + 1)..].Contains(':', StringComparison.Ordinal) ? "Always" : "IfNotPresent");
            Default(container, "terminationMessagePath", "/dev/termination-log");
            Default(container, "terminationMessagePolicy", "File");
            Default(container, "resources", new JsonObject());
            foreach (var port in Items(container["ports"])) Default(port, "protocol", "TCP");
            if (container["readinessProbe"] is JsonObject probe)
            {
                Default(probe, "timeoutSeconds", 1);
                Default(probe, "periodSeconds", 10);
                Default(probe, "successThreshold", 1);
                Default(probe, "failureThreshold", 3);
                if (probe["httpGet"] is JsonObject get) { Default(get, "path", "/"); Default(get, "scheme", "HTTP"); }
            }
        }
    }
}
