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
    private readonly Dictionary<string, Listing> _owned = [], _bound = [];
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

    public IReadOnlyCollection<PodView> PodsOwnedBy(string uid)
    {
        lock (_lock) return _owned.TryGetValue(uid, out var listed) ? listed.Pods : [];
    }

    private IReadOnlyCollection<JsonObject> Listed(Dictionary<string, Listing> index, string key)
    {
        lock (_lock) return index.TryGetValue(key, out var listed) ? listed.Documents : None;
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

    private static void Set(Dictionary<string, Listing> index, string key, ObjectName name, JsonObject? document)
    {
        if (!index.TryGetValue(key, out var listed))
        {
            if (document is null) return;
            index[key] = listed = new Listing();
        }
        listed.Set(name, document);
        if (listed.IsEmpty) index.Remove(key);
    }

    /// <summary>The objects under one key, as lists that stay the same until one of them changes. A pod is read once, not at every decision about its owner.</summary>
    private sealed class Listing
    {
        private readonly Dictionary<ObjectName, PodView> _views = [];
        private PodView[]? _pods;
        private JsonObject[]? _documents;

        public bool IsEmpty => _views.Count == 0;
        public IReadOnlyCollection<PodView> Pods => _pods ??= [.. _views.Values];
        public IReadOnlyCollection<JsonObject> Documents => _documents ??= [.. _views.Values.Select(view => view.Document)];

        public void Set(ObjectName name, JsonObject? document)
        {
            if (document is null) _views.Remove(name);
            else _views[name] = new PodView(document);
            (_pods, _documents) = (null, null);
        }
    }
}
