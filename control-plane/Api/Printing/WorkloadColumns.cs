using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using static Eyrie.ControlPlane.Api.Printing.Cells;

namespace Eyrie.ControlPlane.Api.Printing;

/// <summary>Columns of what makes pods, and of what bounds and scales them.</summary>
public static class WorkloadColumns
{
    public static readonly Dictionary<ResourceKind, Column[]> All = new()
    {
        [Kinds.Deployment] =
        [
            Name, new("Ready", item => $"{Number(item, "status.readyReplicas")}/{Number(item, "spec.replicas")}"), Count("Up-to-date", "status.updatedReplicas"), Count("Available", "status.availableReplicas"), Age, .. Template(), Selector,
        ],
        [Kinds.ReplicaSet] = [Name, Count("Desired", "spec.replicas"), Count("Current", "status.replicas"), Count("Ready", "status.readyReplicas"), Age, .. Template(), Selector],
        [Kinds.StatefulSet] = [Name, new("Ready", item => $"{Number(item, "status.readyReplicas")}/{Number(item, "spec.replicas")}"), Age, .. Template()],
        [Kinds.DaemonSet] =
        [
            Name, Count("Desired", "status.desiredNumberScheduled"), Count("Current", "status.currentNumberScheduled"), Count("Ready", "status.numberReady"), Count("Up-to-date", "status.updatedNumberScheduled"),
            Count("Available", "status.numberAvailable"), new("Node Selector", item => Pairs(Fields.At(item, "spec.template.spec.nodeSelector"))), Age, .. Template(), Selector,
        ],
        [Kinds.ControllerRevision] = [Name, new("Controller", Controller), Count("Revision", "revision"), Age],
        [Kinds.Job] = [Name, new("Status", JobStatus), new("Completions", Completions), new("Duration", Duration), Age, .. Template(), Selector],
        [Kinds.CronJob] =
        [
            Name, Text("Schedule", "spec.schedule"), Text("Timezone", "spec.timeZone"), new("Suspend", item => Or(Fields.At(item, "spec.suspend"), "False") is "true" ? "True" : "False"),
            new("Active", "integer", item => Items(item, "status.active").Count()), new("Last Schedule", item => Fields.At(item, "status.lastScheduleTime") is { } time ? Words.Age(time.ToString()) : None), Age,
            .. Template("spec.jobTemplate.spec.template.spec.containers"), new Column("Selector", item => LabelSelector(Fields.At(item, "spec.jobTemplate.spec.selector"))).Wide,
        ],
        [Kinds.HorizontalPodAutoscaler] =
        [
            Name, new("Reference", item => $"{Fields.At(item, "spec.scaleTargetRef.kind")}/{Fields.At(item, "spec.scaleTargetRef.name")}"), new("Targets", item => Or(string.Join(", ", Items(item, "spec.metrics").Select(metric => Target(item, metric))))),
            Text("MinPods", "spec.minReplicas", "1"), Count("MaxPods", "spec.maxReplicas"), Count("Replicas", "status.currentReplicas"), Age,
        ],
        [Kinds.PodDisruptionBudget] = [Name, Text("Min Available", "spec.minAvailable", "N/A"), Text("Max Unavailable", "spec.maxUnavailable", "N/A"), Count("Allowed Disruptions", "status.disruptionsAllowed"), Age],
        [Kinds.PriorityClass] = [Name, Count("Value", "value"), new("Global-Default", "boolean", item => item["globalDefault"]?.GetValue<bool>() ?? false), Age, Text("PreemptionPolicy", "preemptionPolicy", "PreemptLowerPriority").Wide],
    };

    private static JsonNode Controller(JsonObject revision) =>
        Items(revision, "metadata.ownerReferences").FirstOrDefault(owner => owner["controller"]?.GetValue<bool>() == true) is { } owner
            ? $"{owner["kind"]?.ToString().ToLowerInvariant()}.{owner["apiVersion"]?.ToString().Split('/')[0]}/{owner["name"]}" : None;

    private static bool Holds(JsonObject job, string type) => Items(job, "status.conditions").Any(condition => condition.Text("type") == type && condition.Text("status") == "True");

    private static JsonNode JobStatus(JsonObject job) => Holds(job, "Complete") ? "Complete" : Holds(job, "Failed") ? "Failed" : job.Metadata()["deletionTimestamp"] is not null ? "Terminating"
        : Holds(job, "Suspended") ? "Suspended" : Holds(job, "FailureTarget") ? "FailureTarget" : Holds(job, "SuccessCriteriaMet") ? "SuccessCriteriaMet" : "Running";

    private static JsonNode Completions(JsonObject job)
    {
        long done = Number(job, "status.succeeded"), parallel = Number(job, "spec.parallelism");
        return Fields.At(job, "spec.completions") is { } wanted ? $"{done}/{wanted}" : parallel > 1 ? $"{done}/1 of {parallel}" : $"{done}/1";
    }

    private static JsonNode Duration(JsonObject job)
    {
        static DateTimeOffset? Time(JsonNode? text) => DateTimeOffset.TryParse(text?.ToString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
        return Time(Fields.At(job, "status.startTime")) is { } start ? Words.Length((Time(Fields.At(job, "status.completionTime")) ?? DateTimeOffset.UtcNow) - start) : "";
    }

    /// <summary>One metric of an autoscaler: <c>cpu: 12%/80%</c>.</summary>
    private static string Target(JsonObject autoscaler, JsonObject metric)
    {
        var type = metric.Text("type") ?? "";
        var field = type.Length == 0 ? "" : char.ToLowerInvariant(type[0]) + type[1..];
        var name = metric[field]?["name"]?.ToString() ?? metric[field]?["metric"]?["name"]?.ToString() ?? "";
        var current = Items(autoscaler, "status.currentMetrics").FirstOrDefault(item => item.Text("type") == type && (item[field]?["name"]?.ToString() ?? item[field]?["metric"]?["name"]?.ToString()) == name)?[field]?["current"];
        var (wanted, percent) = metric[field]?["target"]?["averageUtilization"] is { } share ? (share, "%") : (metric[field]?["target"]?["averageValue"] ?? metric[field]?["target"]?["value"], "");
        var now = percent.Length > 0 ? current?["averageUtilization"] : current?["averageValue"] ?? current?["value"];
        return $"{(type == "Resource" ? name + ": " : "")}{(now is null ? Unknown : now + percent)}/{wanted}{percent}";
    }
}
