using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;
using static Eyrie.ControlPlane.Api.FieldChecks;

namespace Eyrie.ControlPlane.Api;

/// <summary>What of a Job or CronJob does not fit together, by the rules of kube-apiserver (pkg/apis/batch/validation). Pure.</summary>
public static class JobValidation
{
    private const int MostIndexes = 100_000;

    /// <param name="spec">Of the Job; defaulted.</param>
    /// <param name="path">Where it stands, with a dot at the end.</param>
    public static IEnumerable<FieldError> Job(JsonObject spec, string path)
    {
        var errors = new List<FieldError>();
        NotNegative(spec, path, errors, "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes");
        OneOf(spec, path, "completionMode", errors, "NonIndexed", "Indexed");
        OneOf(spec, path, "podReplacementPolicy", errors, spec["podFailurePolicy"] is null ? ["TerminatingOrFailed", "Failed"] : ["Failed"]);
        Indexes(spec, path, errors);
        Restarts(spec, path, errors);
        foreach (var (index, rule) in Items(spec["podFailurePolicy"]?["rules"]).Index()) FailureRule(rule, spec, $"{path}podFailurePolicy.rules[{index}]", errors);
        if (spec["successPolicy"] is { } success && Items(success["rules"]).Count == 0) errors.Add(Required(path + "successPolicy.rules", ": at least one rule must be specified when the successPolicy is specified"));
        return errors;
    }

    /// <summary>What of a Job may not change.</summary>
    public static IEnumerable<FieldError> Change(JsonObject spec, JsonObject before, string path)
    {
        // An indexed Job may be made wider or narrower as a whole.
        bool resized = spec.Text("completionMode") == "Indexed" && JsonNode.DeepEquals(spec["completions"], spec["parallelism"]);
        foreach (var name in new[] { "completionMode", "completions", "podFailurePolicy", "backoffLimitPerIndex", "successPolicy" })
            if (!(name == "completions" && resized) && !JsonNode.DeepEquals(before[name], spec[name])) yield return Invalid(path + name, spec[name], "field is immutable");
        if (before["selector"] is { } selector && spec["selector"] is { } wanted && !JsonNode.DeepEquals(selector, wanted)) yield return Invalid(path + "selector", wanted, "field is immutable"); // who names none leaves it
        if (before["suspend"]?.GetValue<bool>() != true && !JsonNode.DeepEquals(before["template"]?["spec"], spec["template"]?["spec"])) yield return new FieldError(path + "template", "Invalid value: field is immutable");
    }

    /// <param name="spec">Of the CronJob; defaulted.</param>
    public static IEnumerable<FieldError> CronJob(JsonObject spec)
    {
        var errors = new List<FieldError>();
        NotNegative(spec, "spec.", errors, "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit");
        OneOf(spec, "spec.", "concurrencyPolicy", errors, "Allow", "Forbid", "Replace");
        if (spec.Text("schedule") is not { Length: > 0 } schedule) errors.Add(Required("spec.schedule"));
        else if (schedule.Contains("TZ=", StringComparison.Ordinal)) errors.Add(Invalid("spec.schedule", spec["schedule"], "a time zone stands in timeZone"));
        else if (Mistake(() => CronSchedule.Parse(schedule, null)) is { } mistake) errors.Add(Invalid("spec.schedule", spec["schedule"], mistake));
        if (spec["timeZone"] is { } zone && Mistake(() => CronSchedule.Parse("@daily", zone.ToString())) is { } unknown) errors.Add(Invalid("spec.timeZone", zone, unknown));
        return errors;
    }

    private static void Indexes(JsonObject spec, string path, List<FieldError> errors)
    {
        if (spec.Text("completionMode") == "Indexed")
        {
            if (spec["completions"] is null) errors.Add(Required(path + "completions", ": when completion mode is Indexed"));
            if (spec["parallelism"].Int() > MostIndexes) errors.Add(Invalid(path + "parallelism", spec["parallelism"], $"must be less than or equal to {MostIndexes} when completion mode is Indexed"));
            if (spec["maxFailedIndexes"] is { } most && spec["completions"] is { } all && most.Int() > all.Int()) errors.Add(Invalid(path + "maxFailedIndexes", most, "must be less than or equal to completions"));
        }
        else
            foreach (var name in new[] { "backoffLimitPerIndex", "maxFailedIndexes", "successPolicy" })
                if (spec[name] is { } value) errors.Add(Invalid(path + name, value, "requires indexed completion mode"));
        if (spec["maxFailedIndexes"] is not null && spec["backoffLimitPerIndex"] is null) errors.Add(Required(path + "backoffLimitPerIndex", ": when maxFailedIndexes is specified"));
    }

    private static void Restarts(JsonObject spec, string path, List<FieldError> errors)
    {
        var at = path + "template.spec.restartPolicy";
        var policy = spec["template"]?["spec"]?["restartPolicy"];
        if (policy?.ToString() is not ("OnFailure" or "Never")) errors.Add(Required(at, ": valid values: \"OnFailure\", \"Never\""));
        else if (policy.ToString() != "Never")
            foreach (var name in new[] { "podFailurePolicy", "backoffLimitPerIndex" })
                if (spec[name] is not null) errors.Add(Invalid(at, policy, $"only \"Never\" is supported when {name} is specified"));
    }

    private static void FailureRule(JsonObject rule, JsonObject spec, string at, List<FieldError> errors)
    {
        if (rule["action"] is null) errors.Add(Required(at + ".action", ": valid values: \"Count\", \"FailIndex\", \"FailJob\", \"Ignore\""));
        OneOf(rule, at + ".", "action", errors, "Count", "FailIndex", "FailJob", "Ignore");
        if (rule.Text("action") == "FailIndex" && spec["backoffLimitPerIndex"] is null) errors.Add(Invalid(at + ".action", rule["action"], "requires the backoffLimitPerIndex to be set"));
        bool byConditions = Items(rule["onPodConditions"]).Count > 0;
        if (rule["onExitCodes"] is not JsonObject codes)
        {
            if (!byConditions) errors.Add(new FieldError(at, "Invalid value: specifying one of OnExitCodes and OnPodConditions is required"));
            return;
        }
        if (byConditions) errors.Add(new FieldError(at, "Invalid value: specifying both OnExitCodes and OnPodConditions is not supported"));
        OneOf(codes, at + ".onExitCodes.", "operator", errors, "In", "NotIn");
        var values = codes["values"] as JsonArray ?? [];
        if (values.Count == 0) errors.Add(Invalid(at + ".onExitCodes.values", values, "at least one value is required"));
        foreach (var (index, value) in values.Index())
            if (value.Int(-1) == 0 && codes.Text("operator") == "In") errors.Add(Invalid($"{at}.onExitCodes.values[{index}]", value, "must not be 0 for the In operator"));
        if (codes["containerName"] is { } name && !new[] { "containers", "initContainers" }.SelectMany(list => Items(spec["template"]?["spec"]?[list])).Any(container => container.Text("name") == name.ToString()))
            errors.Add(Invalid(at + ".onExitCodes.containerName", name, "must be one of the container or initContainer names in the pod template"));
    }

    private static string? Mistake(Action parse)
    {
        try
        {
            parse();
            return null;
        }
        catch (FormatException exception)
        {
            return exception.Message;
        }
    }
}
