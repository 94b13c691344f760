using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.Controllers.Tests.Simulation;

/// <summary>The store of a simulated cluster: compare-and-swap by resourceVersion, a log of changes that views follow, names and uids from the seed.</summary>
public sealed class SimulatedStore(Random chance, Func<DateTimeOffset> now)
{
    private readonly Dictionary<ResourceKind, Dictionary<ObjectName, JsonObject>> _objects = [];
    private readonly Dictionary<ResourceKind, List<(int At, ObjectChange Change)>> _logs = [];
    private long _revision;

    public List<ObjectChange> Log { get; } = [];

    /// <summary>The changes of one kind, each with how long the log was with it.</summary>
    public IReadOnlyList<(int At, ObjectChange Change)> LogOf(ResourceKind kind) => _logs.TryGetValue(kind, out var log) ? log : [];

    public IEnumerable<JsonObject> All(ResourceKind kind) => _objects.TryGetValue(kind, out var found) ? found.Values : [];

    public JsonObject? Get(ResourceKind kind, ObjectName name) => _objects.TryGetValue(kind, out var found) ? found.GetValueOrDefault(name) : null;

    /// <summary>False: the store refused it, as it would a real controller that was behind.</summary>
    public bool Apply(WorkloadAction action)
    {
        switch (action)
        {
            case CreateObject create:
                var made = ObjectStamp.New(create.Kind, create.Document, Guid(), now(), Suffix());
                while (Get(create.Kind, ObjectStamp.NameOf(made)) is not null)
                {
                    if (create.Document.Metadata().Text("name") is { Length: > 0 }) return false;
                    made = ObjectStamp.New(create.Kind, create.Document, Guid(), now(), Suffix()); // as a real store: a name that it completes is another's
                }
                Put(create.Kind, made);
                return true;
            case UpdateObject update when Current(update.Kind, update.Document) is { } stored:
                var changed = ObjectStamp.Replace(update.Kind, stored, update.Document);
                Put(update.Kind, changed);
                if (ObjectStamp.IsFree(update.Kind, changed)) Remove(update.Kind, ObjectStamp.NameOf(changed)); // its last finalizer is off
                return true;
            case UpdateObjectStatus status when Current(status.Kind, status.Document) is { } stored: Put(status.Kind, ObjectStamp.ReplaceStatus(stored, status.Document)); return true;
            case DeleteObject delete when Get(delete.Kind, delete.Name) is { } stored && stored.Uid() == delete.Uid:
                Delete(delete.Kind, stored);
                return true;
            default: return false;
        }
    }

    /// <summary>As a client's deletion: a pod on a node has its grace, and what a finalizer holds stays.</summary>
    public void Delete(ResourceKind kind, JsonObject stored)
    {
        bool runs = kind == Kinds.Pod && stored.NodeName().Length > 0 && !stored.IsOver();
        if (!runs && !ObjectStamp.HasFinalizers(stored)) Remove(kind, ObjectStamp.NameOf(stored));
        else if (!stored.IsDeleted()) Put(kind, ObjectStamp.MarkDeleted(stored, now(), runs ? 30 : 0));
    }

    /// <summary>A pod that is being deleted has ended: its node says so, and it is gone unless a finalizer holds it.</summary>
    public void End(JsonObject pod)
    {
        if (!ObjectStamp.HasFinalizers(pod)) { Remove(Kinds.Pod, ObjectStamp.NameOf(pod)); return; }
        if (pod.IsOver() && pod.Metadata()["deletionGracePeriodSeconds"].Int() == 0) return;
        var ended = (JsonObject)pod.DeepClone();
        if (!pod.IsOver()) ended["status"]!["phase"] = "Failed";
        ended.Metadata()["deletionGracePeriodSeconds"] = 0;
        Put(Kinds.Pod, ended);
    }

    public void Remove(ResourceKind kind, ObjectName name)
    {
        if (_objects.TryGetValue(kind, out var found) && found.Remove(name, out var last)) Tell(new ObjectChange(ChangeType.Deleted, kind, name, last, last));
    }

    public void Put(ResourceKind kind, JsonObject document)
    {
        var name = ObjectStamp.NameOf(document);
        var before = Get(kind, name);
        document = Documents.Json(document.ToJsonString()); // as a real store: what is read was parsed
        document.Metadata()["resourceVersion"] = (_revision + 1).ToString(CultureInfo.InvariantCulture);
        if (!_objects.TryGetValue(kind, out var found)) _objects[kind] = found = [];
        found[name] = document;
        Tell(new ObjectChange(before is null ? ChangeType.Added : ChangeType.Modified, kind, name, document, before));
    }

    private void Tell(ObjectChange change)
    {
        _revision++;
        Log.Add(change);
        if (!_logs.TryGetValue(change.Kind, out var log)) _logs[change.Kind] = log = [];
        log.Add((Log.Count, change));
    }

    private JsonObject? Current(ResourceKind kind, JsonObject document) =>
        Get(kind, ObjectStamp.NameOf(document)) is { } stored && stored.Metadata().Text("resourceVersion") == document.Metadata().Text("resourceVersion") ? stored : null;

    private Guid Guid()
    {
        var bytes = new byte[16];
        chance.NextBytes(bytes);
        return new Guid(bytes);
    }

    private string Suffix() => string.Concat(Enumerable.Range(0, 5).Select(_ => (char)('a' + chance.Next(26))));
}

/// <summary>What one actor knows: every kind as of some moment of the log, each by itself.</summary>
public sealed class SimulatedView(SimulatedStore store)
{
    private readonly Dictionary<ResourceKind, int> _seen = []; // of the changes of a kind

    public ObjectCache Cache { get; private set; } = new();

    /// <summary>Takes in up to so many changes of a kind; false: there was none.</summary>
    public bool Follow(ResourceKind kind, int most)
    {
        var all = store.LogOf(kind);
        int from = _seen.GetValueOrDefault(kind), to = most < all.Count - from ? from + most : all.Count;
        if (to == from) return false;
        _seen[kind] = to;
        Cache.Apply(kind, [.. all.Skip(from).Take(to - from).Select(entry => entry.Change)], new Revision(all[to - 1].At));
        return true;
    }

    /// <summary>Is told the last so many of them once more.</summary>
    public void Repeat(ResourceKind kind, int count)
    {
        int seen = _seen.GetValueOrDefault(kind);
        var again = store.LogOf(kind).Take(seen).TakeLast(count).ToList();
        if (again.Count > 0) Cache.Apply(kind, [.. again.Select(entry => entry.Change)], new Revision(again[^1].At));
    }

    /// <summary>Whether it has seen all changes of a kind up to a position of the log.</summary>
    public bool Knows(ResourceKind kind, int position) => _seen.GetValueOrDefault(kind) is var seen && (seen == store.LogOf(kind).Count || store.LogOf(kind)[seen].At > position);

    /// <summary>Everything is listed anew, as after a crash.</summary>
    public void Relist(IEnumerable<ResourceKind> kinds)
    {
        Cache = new ObjectCache();
        foreach (var kind in kinds)
        {
            Cache.Apply(kind, [.. store.All(kind).Select(item => new ObjectChange(ChangeType.Added, kind, ObjectStamp.NameOf(item), item, null))], new Revision(store.Log.Count));
            _seen[kind] = store.LogOf(kind).Count;
        }
    }
}
