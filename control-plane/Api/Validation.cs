using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Eyrie.ControlPlane.Api.Certificates;
using Eyrie.ControlPlane.Api.CustomResources;
using Eyrie.ControlPlane.Controllers.Guards;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;
using static Eyrie.ControlPlane.Api.FieldChecks;

namespace Eyrie.ControlPlane.Api;

/// <summary>Checks a defaulted document and finds every mistake at once. Pure.</summary>
public static partial class Validation
{
    /// <param name="kind">Its kind.</param>
    /// <param name="document">What is to be stored.</param>
    /// <param name="stored">What it replaces; null: it is new.</param>
    /// <param name="subresource">What it was written by; null: the object itself.</param>
    public static IReadOnlyList<FieldError> Check(ResourceKind kind, JsonObject document, JsonObject? stored, string? subresource = null)
    {
        var errors = new List<FieldError>();
        Name(kind, document, errors);
        var spec = document["spec"] as JsonObject;
        if (kind == Kinds.Pod) Pod(document, stored, "", errors);
        if (kind == Kinds.Deployment || kind == Kinds.ReplicaSet || kind == Kinds.StatefulSet || kind == Kinds.DaemonSet) Workload(document, spec, stored, errors);
        if (kind == Kinds.Job) Job(document, spec, subresource is null && stored is not null ? Defaulted(kind, stored)["spec"] as JsonObject : null, "spec.", errors);
        if (kind == Kinds.CronJob) CronJob(document, spec, errors);
        if (kind == Kinds.Deployment && spec?["guard"] is { } guard) Guard(guard, errors);
        if (spec is not null && (kind == Kinds.Deployment || kind == Kinds.StatefulSet || kind == Kinds.DaemonSet)) errors.AddRange(RolloutValidation.Workload(kind, spec));
        if (kind == Kinds.PodDisruptionBudget) errors.AddRange(RolloutValidation.Budget(spec ?? []));
        if (kind == Kinds.HorizontalPodAutoscaler) errors.AddRange(AutoscalerValidation.Check(spec ?? []));
        if (kind == Kinds.Service) Service(spec, errors);
        if (kind == Kinds.CertificateSigningRequest) errors.AddRange(SigningRequest.Check(document, stored));
        if (kind == Kinds.CustomResourceDefinition) errors.AddRange(DefinitionCheck.Check(document, stored));
        if ((kind == Kinds.RoleBinding || kind == Kinds.ClusterRoleBinding) && stored is not null && !JsonNode.DeepEquals(document["roleRef"], stored["roleRef"])) errors.Add(new FieldError("roleRef", "Invalid value: cannot change roleRef"));
        if (kind == Kinds.PermissionSet) errors.AddRange(PermissionAdmission.Set(document));
        if (kind == Kinds.PermissionRecord) errors.AddRange(PermissionRecord.Check(document).Select(error => new FieldError(error.Source.FieldPath, "Invalid value: " + error.Message)));
        if (kind == Kinds.Namespace && document["metadata"].At("labels").At(Levels.Label) is { } level && level.Word() is not ("enforce" or "audit" or "off"))
            errors.Add(new FieldError($"metadata.labels[{Levels.Label}]", $"Invalid value: {level.ToJsonString()}: must be enforce, audit or off"));
        if (kind == Kinds.Pod && stored is not null && !JsonNode.DeepEquals(Immutable(document, subresource), Immutable(stored, subresource)))
            errors.Add(new FieldError("spec", "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, `spec.containers[*].permissions`, `spec.tolerations` (only additions)", "FieldValueForbidden"));
        return errors;
    }

    public static bool IsLabelKey(string key) => LabelKey().IsMatch(key);

    public static bool IsLabelValue(string value) => LabelValue().IsMatch(value);

    private static JsonObject Immutable(JsonObject pod, string? subresource)
    {
        var spec = (JsonObject)(pod["spec"]?.DeepClone() ?? new JsonObject());
        spec.Remove("tolerations");
        if (subresource == "ephemeralcontainers") spec.Remove(EphemeralContainers.Field);
        foreach (var container in Items(spec["containers"]).Concat(Items(spec["initContainers"]))) { container.Remove("image"); container.Remove("permissions"); }
        return spec;
    }

    private static void Guard(JsonNode guard, List<FieldError> errors)
    {
        var mistakes = new List<(string Field, string Message)>();
        GuardSpec.Read(guard, mistakes);
        errors.AddRange(mistakes.Select(mistake => new FieldError(mistake.Field.Length > 0 ? "spec.guard." + mistake.Field : "spec.guard", mistake.Message)));
    }

    private static void Name(ResourceKind kind, JsonObject document, List<FieldError> errors)
    {
        var metadata = document.Metadata();
        var name = metadata.Text("name") ?? "";
        if (name.Length == 0 && string.IsNullOrEmpty(metadata.Text("generateName"))) errors.Add(new FieldError("metadata.name", "Required value: name or generateName is required", "FieldValueRequired"));
        bool label = kind == Kinds.Service || kind == Kinds.Namespace;
        if (name.Length > 0 && (name.Length > (label ? 63 : 253) || !(label ? DnsLabel() : DnsSubdomain()).IsMatch(name)))
            errors.Add(new FieldError("metadata.name", $"Invalid value: \"{name}\": a lowercase RFC 1123 {(label ? "label" : "subdomain")} must consist of lower case alphanumeric characters{(label ? "" : ", '.'")} or '-', and must start and end with an alphanumeric character"));
        Labels(metadata["labels"], "metadata.labels", errors);
    }

    private static void Labels(JsonNode? labels, string path, List<FieldError> errors)
    {
        foreach (var (key, value) in labels as JsonObject ?? [])
            if (!LabelKey().IsMatch(key) || value is not JsonValue text || !text.TryGetValue(out string? content) || !LabelValue().IsMatch(content))
                errors.Add(new FieldError($"{path}.{key}", $"Invalid value: \"{value}\": must be a string of at most 63 alphanumerics, '-', '_' or '.', under a qualified name"));
    }

    private static void Workload(JsonObject document, JsonObject? spec, JsonObject? stored, List<FieldError> errors)
    {
        if (spec?["template"] is not JsonObject template) { errors.Add(new FieldError("spec.template", "Required value", "FieldValueRequired")); return; }
        if (spec["selector"]?["matchLabels"] is not JsonObject { Count: > 0 } selector) errors.Add(new FieldError("spec.selector", "Required value", "FieldValueRequired"));
        else if (selector.Any(pair => template["metadata"]?["labels"]?[pair.Key]?.ToString() != pair.Value?.ToString()))
            errors.Add(new FieldError("spec.template.metadata.labels", "Invalid value: `selector` does not match template `labels`"));
        if (stored is not null && !JsonNode.DeepEquals(stored["spec"]?["selector"], spec["selector"])) errors.Add(new FieldError("spec.selector", "Invalid value: field is immutable"));
        if (spec["replicas"] is JsonValue replicas && (!replicas.TryGetValue(out int count) || count < 0)) errors.Add(new FieldError("spec.replicas", "Invalid value: must be greater than or equal to 0"));
        var claims = Items(spec["volumeClaimTemplates"]).Select(claim => claim["metadata"]?["name"]?.ToString() ?? "");
        Template(document, template, "spec.template.", errors, claims);
    }

    /// <param name="claims">Volumes that every pod gets beside those of the template.</param>
    private static void Template(JsonObject document, JsonObject template, string path, List<FieldError> errors, IEnumerable<string> claims)
    {
        var spec = template["spec"]?.DeepClone();
        foreach (var claim in claims)
            if (spec is JsonObject of)
            {
                if (of["volumes"] is not JsonArray) of["volumes"] = new JsonArray();
                of["volumes"]!.AsArray().Add(new JsonObject { ["name"] = claim, ["persistentVolumeClaim"] = new JsonObject { ["claimName"] = claim } });
            }
        Pod(new JsonObject { ["metadata"] = new JsonObject { ["namespace"] = document.Metadata().Text("namespace") }, ["spec"] = spec }, null, path, errors);
    }

    /// <summary>As a client would have had it stored: what a controller made has no defaults.</summary>
    private static JsonObject Defaulted(ResourceKind kind, JsonObject stored)
    {
        var made = (JsonObject)stored.DeepClone();
        Defaults.Apply(kind, made);
        return made;
    }

    private static void Job(JsonObject document, JsonObject? spec, JsonObject? before, string path, List<FieldError> errors)
    {
        if (spec?["template"] is not JsonObject template) { errors.Add(new FieldError(path + "template", "Required value", "FieldValueRequired")); return; }
        errors.AddRange(JobValidation.Job(spec, path));
        if (before is not null) errors.AddRange(JobValidation.Change(spec, before, path));
        Template(document, template, path + "template.", errors, []);
    }

    private static void CronJob(JsonObject document, JsonObject? spec, List<FieldError> errors)
    {
        errors.AddRange(JobValidation.CronJob(spec ?? []));
        Job(document, spec?["jobTemplate"]?["spec"] as JsonObject, null, "spec.jobTemplate.spec.", errors);
    }

    private static void Pod(JsonObject pod, JsonObject? stored, string path, List<FieldError> errors)
    {
        if (pod["spec"] is not JsonObject spec || spec["containers"] is not JsonArray { Count: > 0 })
        {
            errors.Add(new FieldError(path + "spec.containers", "Required value", "FieldValueRequired"));
            return;
        }
        errors.AddRange(HostAuthority.Refused(spec, path));
        errors.AddRange(EphemeralContainers.Check(spec, stored, path));
        var volumes = Items(spec["volumes"]).Select(volume => volume.Text("name")).ToHashSet();
        var names = new HashSet<string>();
        foreach (var list in new[] { "initContainers", "containers", EphemeralContainers.Field })
        {
            int index = 0;
            foreach (var container in Items(spec[list]))
            {
                var at = $"{path}spec.{list}[{index++}]";
                var name = container.Text("name") ?? "";
                if (!DnsLabel().IsMatch(name) || name.Length > 63) errors.Add(new FieldError(at + ".name", name.Length == 0 ? "Required value" : $"Invalid value: \"{name}\": must be a lowercase RFC 1123 label", name.Length == 0 ? "FieldValueRequired" : "FieldValueInvalid"));
                else if (!names.Add(name)) errors.Add(new FieldError(at + ".name", $"Duplicate value: \"{name}\"", "FieldValueDuplicate"));
                if (string.IsNullOrWhiteSpace(container.Text("image"))) errors.Add(new FieldError(at + ".image", "Required value", "FieldValueRequired"));
                foreach (var (mount, item) in Items(container["volumeMounts"]).Index())
                    if (!volumes.Contains(item.Text("name"))) errors.Add(new FieldError($"{at}.volumeMounts[{mount}].name", $"Not found: \"{item.Text("name")}\"", "FieldValueNotFound"));
            }
        }
        try
        {
            errors.AddRange(PermissionCompiler.Compile(pod).Errors.Select(error => new FieldError(path + error.Source.FieldPath, "Invalid value: " + error.Message)));
        }
        catch (InvalidOperationException exception)
        {
            errors.Add(new FieldError(path + "spec", "Invalid value: a field has the wrong type: " + exception.Message));
        }
    }

    private static void Service(JsonObject? spec, List<FieldError> errors)
    {
        if (spec is not null) errors.AddRange(NodePorts.Check(spec).Concat(Affinity(spec)));
        if (spec?["type"]?.ToString() is { } type and not ("ClusterIP" or "ExternalName" or "LoadBalancer" or "NodePort"))
            errors.Add(new FieldError("spec.type", $"Unsupported value: \"{type}\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"", "FieldValueNotSupported"));
        bool external = spec?["type"]?.ToString() == "ExternalName";
        var name = spec?["externalName"]?.ToString() ?? "";
        if (external && (name.Length is 0 or > 253 || !DnsSubdomain().IsMatch(name)))
            errors.Add(name.Length == 0 ? new FieldError("spec.externalName", "Required value", "FieldValueRequired") : new FieldError("spec.externalName", $"Invalid value: \"{name}\": must be a name of DNS in lower case"));
        // What is only a name, or only the names of pods, needs no ports.
        if (spec?["ports"] is null or JsonArray { Count: 0 } && (external || spec?["clusterIP"]?.ToString() == "None")) return;
        if (spec?["ports"] is not JsonArray { Count: > 0 } ports) { errors.Add(new FieldError("spec.ports", "Required value", "FieldValueRequired")); return; }
        for (int i = 0; i < ports.Count; i++)
            if (ports[i]?["port"] is not JsonValue value || !value.TryGetValue(out int port) || port is < 1 or > 65535)
                errors.Add(new FieldError($"spec.ports[{i}].port", string.Create(CultureInfo.InvariantCulture, $"Invalid value: {ports[i]?["port"]}: must be between 1 and 65535, inclusive")));
    }

    private static IEnumerable<FieldError> Affinity(JsonObject spec)
    {
        const int Day = 86400;
        var config = spec["sessionAffinityConfig"];
        var affinity = spec["sessionAffinity"]?.ToString();
        if (affinity is not ("ClientIP" or "None")) yield return new FieldError("spec.sessionAffinity", $"Unsupported value: \"{affinity}\": supported values: \"ClientIP\", \"None\"", "FieldValueNotSupported");
        if (affinity == "None" && config is not null) yield return new FieldError("spec.sessionAffinityConfig", "Forbidden: must not be set when session affinity is None", "FieldValueForbidden");
        if (affinity == "ClientIP" && (config?["clientIP"]?["timeoutSeconds"] is not JsonValue value || !value.TryGetValue(out int seconds) || seconds is < 1 or > Day))
            yield return new FieldError("spec.sessionAffinityConfig.clientIP.timeoutSeconds", $"Invalid value: {config?["clientIP"]?["timeoutSeconds"]?.ToJsonString() ?? "null"}: must be greater than 0 and less than {Day}");
    }

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?\\z")]
    private static partial Regex DnsLabel();

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\z")]
    private static partial Regex DnsSubdomain();

    [GeneratedRegex("^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\\z")]
    private static partial Regex LabelKey();

    [GeneratedRegex("^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\\z")]
    private static partial Regex LabelValue();
}
