using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using static Eyrie.ControlPlane.Api.FieldChecks;

namespace Eyrie.ControlPlane.Api;

/// <summary>How the pods of a Deployment, DaemonSet or StatefulSet are replaced, and what a PodDisruptionBudget leaves, by the rules of kube-apiserver (pkg/apis/apps/validation, pkg/apis/policy/validation). Pure.</summary>
public static class RolloutValidation
{
    /// <param name="kind">Deployment, DaemonSet or StatefulSet.</param>
    /// <param name="spec">Of one; defaulted.</param>
    public static IEnumerable<FieldError> Workload(ResourceKind kind, JsonObject spec)
    {
        var errors = new List<FieldError>();
        NotNegative(spec, "spec.", errors, "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds");
        if (kind == Kinds.Deployment)
        {
            if (spec["progressDeadlineSeconds"] is { } deadline && deadline.Int() <= spec["minReadySeconds"].Int()) errors.Add(Invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"));
            Strategy(spec["strategy"] as JsonObject ?? [], "spec.strategy.", false, errors, "Recreate", "RollingUpdate");
        }
        else Strategy(spec["updateStrategy"] as JsonObject ?? [], "spec.updateStrategy.", true, errors, "RollingUpdate", "OnDelete");
        if (kind == Kinds.StatefulSet)
        {
            OneOf(spec, "spec.", "podManagementPolicy", errors, "OrderedReady", "Parallel");
            if (spec["ordinals"] is JsonObject ordinals) NotNegative(ordinals, "spec.ordinals.", errors, "start");
            if (spec["persistentVolumeClaimRetentionPolicy"] is JsonObject retention)
                foreach (var when in new[] { "whenDeleted", "whenScaled" }) OneOf(retention, "spec.persistentVolumeClaimRetentionPolicy.", when, errors, "Retain", "Delete");
        }
        return errors;
    }

    /// <param name="spec">Of a PodDisruptionBudget.</param>
    public static IEnumerable<FieldError> Budget(JsonObject spec)
    {
        var errors = new List<FieldError>();
        if (spec["minAvailable"] is not null && spec["maxUnavailable"] is not null) errors.Add(new FieldError("spec", "Invalid value: minAvailable and maxUnavailable cannot be both set"));
        foreach (var name in new[] { "minAvailable", "maxUnavailable" }) IsNone(spec, "spec.", name, errors, whole: true);
        OneOf(spec, "spec.", "unhealthyPodEvictionPolicy", errors, "IfHealthyBudget", "AlwaysAllow");
        return errors;
    }

    /// <param name="full">Without a maxSurge there is none beyond the wanted ones.</param>
    private static void Strategy(JsonObject strategy, string path, bool full, List<FieldError> errors, params string[] types)
    {
        OneOf(strategy, path, "type", errors, types);
        if (strategy["rollingUpdate"] is not JsonObject rolling) return;
        path += "rollingUpdate.";
        NotNegative(rolling, path, errors, "partition");
        bool stays = IsNone(rolling, path, "maxUnavailable", errors, whole: true), none = IsNone(rolling, path, "maxSurge", errors) || (full && rolling["maxSurge"] is null);
        if (stays && none) errors.Add(Invalid(path + "maxUnavailable", rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0"));
    }
}
