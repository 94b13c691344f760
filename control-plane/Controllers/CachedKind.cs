using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>The objects of one kind, by name, by the uid of their controller and by the node they are bound to. Every read is of one moment.</summary>
internal sealed class CachedKind
{
    private static readonly IReadOnlyCollection<JsonObject> None = [];
    private readonly Lock _lock = new();
    private readonly Dictionary<ObjectName, JsonObject> _objects = [];
    private readonly Dictionary<string, Dictionary<ObjectName, JsonObject>> _owned = [], _bound = [];
    private readonly PriorityQueue<TaskCompletionSource, Revision> _waiting = new();
    private JsonObject[]? _all;

    public Revision At { get; private set; } = Revision.Zero;

    public Task ReachedAsync(Revision at)
    {
        lock (_lock)
        {
            if (At.CompareTo(at) >= 0) return Task.CompletedTask;
            var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue(reached, at);
            return reached.Task;
        }
    }

    public JsonObject? Get(ObjectName name)
    {
        lock (_lock) return _objects.GetValueOrDefault(name);
    }

    public IReadOnlyCollection<JsonObject> All()
    {
        lock (_lock) return _all ??= [.. _objects.Values];
    }

    public IReadOnlyCollection<JsonObject> OwnedBy(string uid) => Listed(_owned, uid);

    public IReadOnlyCollection<JsonObject> OnNode(string node) => Listed(_bound, node);

    private IReadOnlyCollection<JsonObject> Listed(Dictionary<string, Dictionary<ObjectName, JsonObject>> index, string key)
    {
        lock (_lock) return index.TryGetValue(key, out var listed) ? [.. listed.Values] : None;
    }

    public void Apply(IReadOnlyCollection<ObjectChange> changes, Revision at)
    {
        lock (_lock)
        {
            foreach (var change in changes)
            {
                if (_objects.Remove(change.Name, out var before)) Index(before, change.Name, false);
                if (change.Type == ChangeType.Deleted) continue;
                _objects[change.Name] = change.Document;
                Index(change.Document, change.Name, true);
            }
            if (changes.Count > 0) _all = null;
            At = at;
            while (_waiting.TryPeek(out var reached, out var wanted) && at.CompareTo(wanted) >= 0)
            {
                _waiting.Dequeue();
                reached.TrySetResult();
            }
        }
    }

    private void Index(JsonObject document, ObjectName name, bool there)
    {
        if (document.OwnerUid() is { } owner) Set(_owned, owner, name, there ? document : null);
        if (document.NodeName() is { Length: > 0 } node) Set(_bound, node, name, there ? document : null);
    }

    private static void Set(Dictionary<string, Dictionary<ObjectName, JsonObject>> index, string key, ObjectName name, JsonObject? document)
    {
        if (!index.TryGetValue(key, out var listed))
        {
            if (document is null) return;
            index[key] = listed = [];
        }
        if (document is not null) listed[name] = document;
        else if (listed.Remove(name) && listed.Count == 0) index.Remove(key);
    }
}
