using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers.Recording;

/// <summary>A PermissionRecord begins when it is there, and ends at its time or when every pod of its workload is over (a Job that is done). Pure.</summary>
public static class RecordPlan
{
    public static IReadOnlyList<WorkloadAction> Decide(JsonObject record, IEnumerable<JsonObject> pods, DateTimeOffset now)
    {
        if (record.IsDeleted() || !PermissionRecord.Runs(record)) return [];
        var actions = new List<WorkloadAction>();
        var status = (JsonObject)(record["status"]?.DeepClone() ?? new JsonObject());
        var workload = PermissionRecord.Of(record);
        status["phase"] = PermissionRecord.Recording;
        status["startTime"] ??= ObjectStamp.Time(now);
        var own = pods.Where(workload.Has).ToList();
        bool over = workload.Kind is "Pod" or "Job" && own.Count > 0 && own.All(pod => pod.IsOver());
        if (PermissionRecord.Until(record) is { } until && until > now && !over) actions.Add(new LookAgain(until));
        else
        {
            status["phase"] = PermissionRecord.Ended;
            status["endTime"] = ObjectStamp.Time(now);
        }
        PodTemplates.WriteStatus(Kinds.PermissionRecord, record, status, actions);
        return actions;
    }

    /// <summary>Records that a pod's change may end.</summary>
    public static IEnumerable<ObjectName> Concerned(ObjectChange change, ObjectCache cache) => change.Kind != Kinds.Pod ? []
        : cache.All(Kinds.PermissionRecord).Where(record => PermissionRecord.Runs(record) && PermissionRecord.Of(record).Has(change.Document)).Select(ObjectStamp.NameOf);
}
