using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Collection;

/// <summary>What the garbage collector wants done to one object. Values, so that a test compares them.</summary>
public abstract record GarbageAction(OwnedObject Item);

/// <param name="Propagation">How its own dependents go.</param>
/// <param name="Absent">Owners that must not be in the store either: what the graph knows may be old.</param>
public sealed record Collect(OwnedObject Item, string Propagation, IReadOnlyList<OwnerReference> Absent) : GarbageAction(Item);

/// <summary>Takes references to these owners out of it.</summary>
/// <param name="Owners">Uids.</param>
/// <param name="Absent">Those among them that must not be in the store either.</param>
public sealed record Disown(OwnedObject Item, IReadOnlyList<string> Owners, IReadOnlyList<OwnerReference> Absent) : GarbageAction(Item);

/// <summary>What it waited for is done, or nobody is there who would do it: the finalizer is taken off.</summary>
/// <param name="Absent">Owners that must not be in the store either.</param>
public sealed record Release(OwnedObject Item, string Finalizer, IReadOnlyList<OwnerReference> Absent) : GarbageAction(Item);

/// <summary>
/// The rules of Kubernetes' garbage collector: an object all of whose owners are gone goes; one that has an owner left only loses the references to the others; deletion in the
/// foreground waits for those dependents that block; orphaning makes dependents nobody's first. Pure.
/// </summary>
public static class GarbagePlan
{
    private enum Standing { There, Absent, Waits }

    /// <param name="item">The object.</param>
    /// <param name="graph">All objects.</param>
    /// <param name="kindOf">The kind a reference names; null: no such kind is known, and its objects are taken to be there.</param>
    public static IReadOnlyList<GarbageAction> Decide(OwnedObject item, OwnerGraph graph, Func<OwnerReference, ResourceKind?> kindOf)
    {
        if (item.Going && !item.Tracked) return item.Orphan ? Orphan(item, graph) : item.Foreground ? Foreground(item, graph) : [];
        if (item.Owners.Count == 0) return [];
        var standings = item.Owners.ToLookup(owner => Of(item, owner, graph, kindOf));
        if (item.Tracked && !standings[Standing.There].Any() && !standings[Standing.Waits].Any()) return [new Release(item, Finalizers.JobTracking, item.Owners)]; // decided about anew without it
        if (item.Going) return [];
        List<OwnerReference> absent = [.. standings[Standing.Absent]], waiting = [.. standings[Standing.Waits]];
        if (absent.Count + waiting.Count == 0) return [];
        if (standings[Standing.There].Any()) return [new Disown(item, [.. absent.Concat(waiting).Select(owner => owner.Uid)], absent)];
        return [new Collect(item, waiting.Count > 0 && graph.Dependents(item.Uid).Any() ? "Foreground" : item.Orphan ? "Orphan" : item.Foreground ? "Foreground" : "Background", absent)];
    }

    /// <summary>Whose decisions a change of an object may change: its own, its owners' and its dependents'.</summary>
    public static IEnumerable<string> Concerned(OwnedObject item, OwnerGraph graph) => [item.Uid, .. item.Owners.Select(owner => owner.Uid), .. graph.Dependents(item.Uid).Select(dependent => dependent.Uid)];

    private static Standing Of(OwnedObject item, OwnerReference owner, OwnerGraph graph, Func<OwnerReference, ResourceKind?> kindOf)
    {
        if (kindOf(owner) is not { } kind) return Standing.There;
        if (kind.Namespaced && !item.Kind.Namespaced) return Standing.There; // a reference that cannot be followed decides nothing
        if (graph.Find(owner.Uid) is not { } found || found.Kind != kind || found.Name.Name != owner.Name || (kind.Namespaced && found.Name.Namespace != item.Name.Namespace)) return Standing.Absent;
        return found.Waits ? Standing.Waits : Standing.There;
    }

    private static IReadOnlyList<GarbageAction> Orphan(OwnedObject item, OwnerGraph graph)
    {
        var owned = graph.Dependents(item.Uid).ToList();
        return owned.Count == 0 ? [new Release(item, Finalizers.Orphan, [])] : [.. owned.Select(dependent => new Disown(dependent, [item.Uid], []))];
    }

    /// <summary>The dependents see by themselves that their owner waits; it goes when the last that blocks has gone.</summary>
    private static IReadOnlyList<GarbageAction> Foreground(OwnedObject item, OwnerGraph graph) =>
        graph.Dependents(item.Uid).Any(dependent => dependent.Owners.Any(owner => owner.Uid == item.Uid && owner.Blocks)) ? [] : [new Release(item, Finalizers.Foreground, [])];
}
