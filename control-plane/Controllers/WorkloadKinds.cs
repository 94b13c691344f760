using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Admission;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Controllers.Disruptions;
using Eyrie.ControlPlane.Controllers.Recording;
using Eyrie.ControlPlane.Controllers.Volumes;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What to do for one object that is there, from what is known; pure but for reading the cache.</summary>
public delegate IReadOnlyList<WorkloadAction> Decide(JsonObject document, ObjectCache cache, DateTimeOffset now);

/// <summary>A kind whose every object has an actor.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Owned">The kind that its objects own: a change of one concerns its owner. null: none.</param>
/// <param name="Decide">The plan.</param>
/// <param name="Concerns">Which further objects of the kind a change concerns, e.g. the Services that select a pod.</param>
public sealed record WorkloadKind(ResourceKind Kind, ResourceKind? Owned, Decide Decide, Func<ObjectChange, ObjectCache, IEnumerable<ObjectName>>? Concerns = null);

/// <summary>Every such kind, and the plan that decides for it.</summary>
public static class WorkloadKinds
{
    public static readonly IReadOnlyList<WorkloadKind> All =
    [
        new(Kinds.Deployment, Kinds.ReplicaSet, (item, known, now) => DeploymentPlan.Decide(item, [.. known.OwnedBy(Kinds.ReplicaSet, item.Uid()), .. Namesake(item, known)], now)),
        new(Kinds.ReplicaSet, Kinds.Pod, (item, known, now) => ReplicaSetPlan.Decide(item, known.PodsOwnedBy(item.Uid()), now)),
        new(Kinds.ReplicationController, Kinds.Pod, (item, known, now) => ReplicaSetPlan.Decide(item, known.PodsOwnedBy(item.Uid()), now, Kinds.ReplicationController)),
        new(Kinds.StatefulSet, Kinds.Pod, (item, known, now) => StatefulSetPlan.Decide(item, known.OwnedBy(Kinds.Pod, item.Uid()), known.OwnedBy(Kinds.ControllerRevision, item.Uid()), name => known.Get(Kinds.PersistentVolumeClaim, name), now)),
        new(Kinds.DaemonSet, Kinds.Pod, (item, known, now) => DaemonSetPlan.Decide(item, known.OwnedBy(Kinds.Pod, item.Uid()), known.All(Kinds.Node), known.OwnedBy(Kinds.ControllerRevision, item.Uid()), now),
            (change, known) => change.Kind == Kinds.Node ? known.All(Kinds.DaemonSet).Select(ObjectStamp.NameOf) : []),
        new(Kinds.Job, Kinds.Pod, (item, known, now) => JobPlan.Decide(item, known.OwnedBy(Kinds.Pod, item.Uid()), now)),
        new(Kinds.CronJob, Kinds.Job, (item, known, now) => CronJobPlan.Decide(item, known.OwnedBy(Kinds.Job, item.Uid()), now)),
        new(Kinds.Service, Kinds.EndpointSlice, (item, known, _) => EndpointObjectsPlan.Decide(item, known.All(Kinds.Pod), known.OwnedBy(Kinds.EndpointSlice, item.Uid()), known.Get(Kinds.Endpoints, ObjectStamp.NameOf(item))), SelectedBy),
        new(Kinds.PersistentVolumeClaim, null, (item, known, _) => ClaimPlan.Decide(item, ClaimPlan.Around(item, known)), ClaimPlan.Concerned),
        new(Kinds.PersistentVolume, null, (item, known, _) => VolumePlan.Decide(item, known), VolumePlan.Concerned),
        new(Kinds.PodDisruptionBudget, null, (item, known, now) => DisruptionBudgetPlan.Decide(item, known.All(Kinds.Pod), known.Get, now), DisruptionBudgetPlan.Concerned),
        new(Kinds.ResourceQuota, null, QuotaPlan.Decide, QuotaPlan.Concerned),
        new(Kinds.Namespace, null, (item, known, _) => ServiceAccountPlan.Decide(item, known.Get(Kinds.ServiceAccount, new ObjectName(item.Name(), "default"))), (change, _) => ServiceAccountPlan.Concerned(change)),
        new(Kinds.PermissionRecord, null, (item, known, now) => RecordPlan.Decide(item, known.All(Kinds.Pod), now), RecordPlan.Concerned),
    ];

    /// <summary>A ReplicaSet of another owner that has the name the next one of a Deployment would have.</summary>
    private static IEnumerable<JsonObject> Namesake(JsonObject deployment, ObjectCache cache) =>
        cache.Get(Kinds.ReplicaSet, DeploymentPlan.NextSet(deployment)) is { } there && there.OwnerUid() != deployment.Uid() ? [there] : [];

    /// <summary>The Services whose selectors a pod matches, or matched.</summary>
    private static IEnumerable<ObjectName> SelectedBy(ObjectChange change, ObjectCache cache) => change.Kind != Kinds.Pod ? [] : cache.All(Kinds.Service)
        .Where(service => service.Namespace() == change.Name.Namespace && service["spec"]?["selector"] is JsonObject selector
            && (Views.Selects(selector, change.Document) || (change.Previous is { } before && Views.Selects(selector, before)))).Select(ObjectStamp.NameOf);
}
