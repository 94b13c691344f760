using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers.Admission;

/// <summary>The status of a ResourceQuota, counted from what is there: what was deleted, or has ended, uses nothing any more.</summary>
public static class QuotaPlan
{
    /// <param name="quota">The quota.</param>
    /// <param name="cache">Everything there is. While it is behind the quota's own revision nothing is decided: what was charged might not be in it yet.</param>
    /// <param name="now">The time.</param>
    public static IReadOnlyList<WorkloadAction> Decide(JsonObject quota, ObjectCache cache, DateTimeOffset now)
    {
        var kinds = FeedActor.Watched.Concat(cache.Further).Where(kind => kind.Namespaced && Quotas.Concerns(quota, kind)).ToList();
        var at = new Revision(long.Parse(quota.Metadata().Text("resourceVersion")!, CultureInfo.InvariantCulture));
        if (kinds.Any(kind => cache.At(kind).CompareTo(at) < 0)) return [new LookAgain(now)];
        var used = Quotas.Sum(quota, kinds.SelectMany(kind => cache.All(kind).Where(item => item.Namespace() == quota.Namespace()).Select(item => (kind, item))));
        // Of kinds that the cache does not have (yet) what was charged stays.
        foreach (var (name, charged) in Quantities.Of(quota["status"]?["used"]))
            if (used.ContainsKey(name) && name.StartsWith("count/", StringComparison.Ordinal) && !kinds.Any(kind => name == "count/" + kind)) used[name] = charged;
        var actions = new List<WorkloadAction>();
        Workloads.PodTemplates.WriteStatus(Kinds.ResourceQuota, quota, Quotas.Status(quota, used), actions);
        return actions;
    }

    /// <summary>The quotas that a change may make room in: something went, a pod has ended, or a Service or claim uses less; and those that count a kind whose objects are just being listed.</summary>
    public static IEnumerable<ObjectName> Concerned(ObjectChange change, ObjectCache cache) =>
        change.Kind.Namespaced && (change.Type == ChangeType.Deleted || (change.Type == ChangeType.Added && cache.Further.Contains(change.Kind)) || (change.Kind == Kinds.Pod && change.Document.IsOver()) || (change.Type == ChangeType.Modified && Quotas.MayChange(change.Kind) && !change.OnlyStatus)) && cache.All(Kinds.ResourceQuota) is { Count: > 0 } quotas
            ? quotas.Where(quota => quota.Namespace() == change.Name.Namespace && Quotas.Concerns(quota, change.Kind)).Select(ObjectStamp.NameOf) : [];
}
