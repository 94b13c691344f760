using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Every object the controllers look at, as of a revision for each kind. Written by the feed alone; documents in it are never changed.</summary>
public sealed class ObjectCache
{
    private sealed record KindState(ImmutableDictionary<ObjectName, JsonObject> Objects, Revision At);

    private readonly ConcurrentDictionary<ResourceKind, KindState> _kinds = new();
    private readonly ChangeSignal _changed = new();

    /// <summary>Completes with the next change. Take it first, look second, wait third.</summary>
    public Task NextChange => _changed.Next;

    public IReadOnlyCollection<JsonObject> All(ResourceKind kind) => [.. State(kind).Objects.Values];

    public JsonObject? Get(ResourceKind kind, ObjectName name) => State(kind).Objects.GetValueOrDefault(name);

    public Revision At(ResourceKind kind) => State(kind).At;

    public void Apply(ResourceKind kind, IReadOnlyCollection<ObjectChange> changes, Revision at)
    {
        if (changes.Count == 0)
        {
            _kinds[kind] = State(kind) with { At = at };
            return;
        }
        var objects = State(kind).Objects.ToBuilder();
        foreach (var change in changes)
        {
            if (change.Type == ChangeType.Deleted) objects.Remove(change.Name);
            else objects[change.Name] = change.Document;
        }
        _kinds[kind] = new KindState(objects.ToImmutable(), at);
        _changed.Raise();
    }

    private KindState State(ResourceKind kind) => _kinds.GetOrAdd(kind, _ => new KindState(ImmutableDictionary<ObjectName, JsonObject>.Empty, Revision.Zero));
}
