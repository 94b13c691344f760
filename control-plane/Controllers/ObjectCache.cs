using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>
/// Every object the controllers look at, as of a revision for each kind. Written by the feed alone; documents in it are never changed. What is asked for often is indexed, so
/// that a decision about one object costs what that object has and not what the cluster has.
/// </summary>
public sealed class ObjectCache
{
    private readonly ConcurrentDictionary<ResourceKind, CachedKind> _kinds = new();
    private readonly ChangeSignal _changed = new();
    private volatile ResourceKind[] _further = []; // written by the feed alone
    private readonly TaskCompletionSource _listed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Whether every kind has been listed. Before that nobody decides: a ReplicaSet whose pods are not known yet would look as if it had none.</summary>
    public bool IsListed => _listed.Task.IsCompleted;

    /// <summary>Completes when every kind has been listed.</summary>
    public Task ListedAsync => _listed.Task;

    /// <summary>Kinds that are known beyond those of <see cref="FeedActor.Watched"/>.</summary>
    public IReadOnlyCollection<ResourceKind> Further => _further;

    /// <summary>A further kind has been listed.</summary>
    public void Follows(ResourceKind kind)
    {
        if (!_further.Contains(kind)) _further = [.. _further, kind];
    }

    /// <summary>Completes with the next change. Take it first, look second, wait third.</summary>
    public Task NextChange => _changed.Next;

    /// <summary>Every object of a kind. The same list until the kind changes.</summary>
    public IReadOnlyCollection<JsonObject> All(ResourceKind kind) => Of(kind).All();

    /// <summary>Those that the object with this uid controls.</summary>
    public IReadOnlyCollection<JsonObject> OwnedBy(ResourceKind kind, string uid) => Of(kind).OwnedBy(uid);

    /// <summary>The pods that the object with this uid controls, each read once.</summary>
    public IReadOnlyCollection<PodView> PodsOwnedBy(string uid) => Of(Kinds.Pod).PodsOwnedBy(uid);

    /// <summary>Pods bound to a node.</summary>
    public IReadOnlyCollection<JsonObject> OnNode(string node) => Of(Kinds.Pod).OnNode(node);

    public JsonObject? Get(ResourceKind kind, ObjectName name) => Of(kind).Get(name);

    public Revision At(ResourceKind kind) => Of(kind).At;

    /// <summary>Completes when the cache knows a kind as of a revision.</summary>
    public Task ReachedAsync(ResourceKind kind, Revision at) => Of(kind).ReachedAsync(at);

    public void Apply(ResourceKind kind, IReadOnlyCollection<ObjectChange> changes, Revision at)
    {
        Of(kind).Apply(changes, at);
        if (changes.Count > 0) _changed.Raise();
    }

    /// <summary>The feed has listed every kind.</summary>
    public void Listed() => _listed.TrySetResult();

    private CachedKind Of(ResourceKind kind) => _kinds.GetOrAdd(kind, _ => new CachedKind());
}
