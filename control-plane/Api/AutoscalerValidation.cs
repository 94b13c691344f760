using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Admission;
using Eyrie.ControlPlane.Resources;
using static Eyrie.ControlPlane.Api.FieldChecks;

namespace Eyrie.ControlPlane.Api;

/// <summary>What of a HorizontalPodAutoscaler does not fit together, by the rules of kube-apiserver (pkg/apis/autoscaling/validation). Pure.</summary>
public static class AutoscalerValidation
{
    private const int LongestWindow = 3600, LongestPeriod = 1800;

    /// <summary>Where each type of metric stands.</summary>
    private static readonly IReadOnlyDictionary<string, string> Sources = new Dictionary<string, string> { ["Object"] = "object", ["Pods"] = "pods", ["Resource"] = "resource", ["External"] = "external", ["ContainerResource"] = "containerResource" };

    /// <param name="spec">Of the autoscaler.</param>
    public static IEnumerable<FieldError> Check(JsonObject spec)
    {
        var errors = new List<FieldError>();
        int least = spec["minReplicas"].Int(1);
        Between(spec, "spec.", "minReplicas", 1, int.MaxValue, errors);
        if (spec["maxReplicas"] is not { } most || most.Int() < 1) errors.Add(Invalid("spec.maxReplicas", spec["maxReplicas"] ?? 0, "must be greater than 0"));
        else if (most.Int() < least) errors.Add(Invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"));
        Reference(spec["scaleTargetRef"], "spec.scaleTargetRef", errors);
        foreach (var (index, metric) in Items(spec["metrics"]).Index()) Metric(metric, $"spec.metrics[{index}].", errors);
        foreach (var way in new[] { "scaleUp", "scaleDown" })
            if (spec["behavior"]?[way] is JsonObject rules) Rules(rules, $"spec.behavior.{way}.", errors);
        return errors;
    }

    private static void Reference(JsonNode? reference, string path, List<FieldError> errors)
    {
        foreach (var name in new[] { "kind", "name" })
            if (string.IsNullOrEmpty((reference as JsonObject)?.Text(name))) errors.Add(Required($"{path}.{name}"));
    }

    private static void Metric(JsonObject metric, string path, List<FieldError> errors)
    {
        if (metric.Text("type") is not { Length: > 0 } type) { errors.Add(Required(path + "type", ": must specify a metric source type")); return; }
        if (!Sources.TryGetValue(type, out var own)) { OneOf(metric, path, "type", errors, [.. Sources.Keys]); return; }
        foreach (var other in Sources.Values.Where(name => name != own && metric[name] is not null)) errors.Add(Forbidden(path + other, "must populate the given metric source only"));
        if (metric[own] is not JsonObject source) { errors.Add(Required(path + own, ": must populate information for the given metric source")); return; }
        var at = $"{path}{own}.";
        if (own is "resource" or "containerResource")
        {
            Named(source, at, "name", "a resource name", errors);
            if (own == "containerResource") Named(source, at, "container", "a container", errors);
        }
        else Named(source["metric"] as JsonObject ?? [], at + "metric.", "name", "a metric name", errors);
        if (own == "object") Reference(source["describedObject"], at + "describedObject", errors);
        Target(source["target"] as JsonObject ?? [], own, at + "target.", errors);
    }

    private static void Named(JsonObject source, string path, string name, string what, List<FieldError> errors)
    {
        if (string.IsNullOrEmpty(source.Text(name))) errors.Add(Required(path + name, ": must specify " + what));
    }

    private static void Target(JsonObject target, string source, string path, List<FieldError> errors)
    {
        if (target["type"] is not { } type || type.ToString().Length == 0) errors.Add(Required(path + "type", ": must specify a metric target type"));
        else if (type.ToString() is not ("Utilization" or "Value" or "AverageValue")) errors.Add(Invalid(path + "type", type, "must be either Utilization, Value, or AverageValue"));
        Positive(target, path, "value", errors);
        Positive(target, path, "averageValue", errors);
        Between(target, path, "averageUtilization", 1, int.MaxValue, errors);
        var (value, average, share) = (target["value"], target["averageValue"], target["averageUtilization"]);
        switch (source)
        {
            case "pods":
                if (average is null) errors.Add(Required(path + "averageValue", ": must specify a positive target averageValue"));
                break;
            case "resource" or "containerResource":
                if (share is null && average is null) errors.Add(Required(path + "averageUtilization", ": must set either a target raw value or a target utilization"));
                if (share is not null && average is not null) errors.Add(Forbidden(path + "averageValue", "may not set both a target raw value and a target utilization"));
                break;
            default:
                if (value is null && average is null) errors.Add(Required(path + "averageValue", ": must set either a target value for metric or a per-pod target"));
                if (value is not null && average is not null) errors.Add(Forbidden(path + "value", "may not set both a target value for metric and a per-pod target"));
                break;
        }
    }

    private static void Rules(JsonObject rules, string path, List<FieldError> errors)
    {
        Between(rules, path, "stabilizationWindowSeconds", 0, LongestWindow, errors);
        OneOf(rules, path, "selectPolicy", errors, "Max", "Min", "Disabled");
        if (rules["tolerance"] is { } tolerance && Quantities.Parse(tolerance) is not >= 0) errors.Add(Invalid(path + "tolerance", tolerance, "must be greater than or equal to 0"));
        if (rules["policies"] is { } policies && Items(policies).Count == 0) errors.Add(Required(path + "policies", ": must specify at least one Policy"));
        foreach (var (index, policy) in Items(rules["policies"]).Index())
        {
            var at = $"{path}policies[{index}].";
            if (policy["type"] is null) errors.Add(Required(at + "type"));
            OneOf(policy, at, "type", errors, "Pods", "Percent");
            foreach (var (name, most) in new[] { ("value", int.MaxValue), ("periodSeconds", LongestPeriod) })
            {
                if (policy[name] is null) errors.Add(Required(at + name));
                Between(policy, at, name, 1, most, errors);
            }
        }
    }
}
