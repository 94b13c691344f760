using Akka.Actor;
using Eyrie.ControlPlane.Controllers.Collection;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Changes of one kind that the cache holds already; an empty list: there was none of that kind when everything had been listed.</summary>
public sealed record FeedBatch(ResourceKind Kind, IReadOnlyList<ObjectChange> Changes, Revision At) : ILocalMessage
{
    /// <summary>Nothing has changed; what there is, is in the cache.</summary>
    public static readonly FeedBatch Nothing = new(Kinds.Namespace, [], Revision.Zero);

    /// <summary>Every batch from now on; if everything has been listed already, <see cref="Nothing"/> at once. To be called when an actor starts.</summary>
    public static void Follow(IActorContext context, ObjectCache cache)
    {
        context.System.EventStream.Subscribe(context.Self, typeof(FeedBatch));
        if (cache.IsListed) context.Self.Tell(Nothing);
    }
}

/// <summary>
/// Lists and watches every kind the controllers need, keeps the cache, and tells the controllers of its process (<see cref="FeedBatch.Follow"/>). When a watch fails the actor crashes and its
/// supervisor starts it anew: it lists again and passes on the difference.
/// </summary>
public sealed class FeedActor : ReceiveActor
{
    /// <summary>The kinds of the cache: every built-in one but Events and Leases, which nobody decides by. Of the others those that a ResourceQuota counts are in it as well (<see cref="ObjectCache.Further"/>).</summary>
    public static readonly IReadOnlyList<ResourceKind> Watched = [.. Kinds.Served.Where(kind => kind != Kinds.Event && kind != Kinds.Lease)];

    // What the watches of an instance tell is for that instance alone: one that was started anew has lists of its own.
    private sealed record Told(FeedActor To, FeedBatch Batch) : ILocalMessage;
    private sealed record Broken(FeedActor Of, Exception Cause) : ILocalMessage;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly IObjects _objects;
    private readonly ObjectCache _cache;
    private readonly CancellationTokenSource _stopped = new();
    private readonly StoredKinds _stored;
    private readonly HashSet<ResourceKind> _further = [];

    public FeedActor(IObjects objects, ObjectCache cache, StoredKinds stored)
    {
        (_objects, _cache, _stored) = (objects, cache, stored);
        // Nobody decides on half of the picture: a ReplicaSet whose pods have not been listed yet would look as if it had none.
        var first = new List<FeedBatch>();
        var listed = new HashSet<ResourceKind>();
        var events = Context.System.EventStream;
        Receive<Told>(told => told.To == this, told =>
        {
            var batch = told.Batch;
            batch = batch with { Changes = [.. batch.Changes.Select(change => change.Type == ChangeType.Modified && cache.Get(batch.Kind, change.Name) is { } before ? change.After(before) : change)] };
            cache.Apply(batch.Kind, batch.Changes, batch.At);
            if (batch.Kind == Kinds.ResourceQuota || batch.Kind == Kinds.CustomResourceDefinition) FollowFurther();
            if (_further.Contains(batch.Kind)) cache.Follows(batch.Kind);
            bool again = _further.Contains(batch.Kind) ? batch.Changes.Count == 0 : !listed.Add(batch.Kind);
            if (again && batch.Changes.Count == 0) return; // progress: the cache has it, and nobody decides by it
            first.Add(batch);
            if (listed.Count < Watched.Count) return;
            cache.Listed();
            foreach (var known in first) events.Publish(known);
            first.Clear();
        });
        Receive<Broken>(broken => broken.Of == this, broken => throw new InvalidOperationException("a watch of the store ended", broken.Cause));
        ReceiveAny(_ => { }); // of an instance before
    }

    protected override void PreStart() => Follow(TimeSpan.Zero);

    /// <summary>A store that is away is not asked without a pause.</summary>
    protected override void PostRestart(Exception reason) => Follow(Pause);

    private void Follow(TimeSpan wait)
    {
        foreach (var kind in Watched) FollowAsync(kind, wait, Self, _stopped.Token).PipeTo(Self, success: batch => new Told(this, batch), failure: exception => new Broken(this, exception));
    }

    /// <summary>Kinds of CustomResourceDefinitions that a quota counts.</summary>
    private void FollowFurther()
    {
        var quotas = _cache.All(Kinds.ResourceQuota);
        foreach (var kind in quotas.Count == 0 ? [] : _stored().Where(kind => kind.Namespaced && !Watched.Contains(kind) && quotas.Any(quota => Admission.Quotas.Concerns(quota, kind))))
            if (_further.Add(kind)) FollowAsync(kind, TimeSpan.Zero, Self, _stopped.Token).PipeTo(Self, success: batch => new Told(this, batch), failure: exception => new Broken(this, exception));
    }

    protected override void PostStop() => _stopped.Cancel();

    private async Task<FeedBatch> FollowAsync(ResourceKind kind, TimeSpan wait, IActorRef self, CancellationToken cancellationToken)
    {
        await Task.Delay(wait, cancellationToken);
        var list = await _objects.ListAsync(kind, null, cancellationToken);
        var names = list.Items.Select(ObjectStamp.NameOf).ToHashSet();
        var changes = list.Items.Select(item => new ObjectChange(ChangeType.Added, kind, ObjectStamp.NameOf(item), item, _cache.Get(kind, ObjectStamp.NameOf(item))))
            .Concat(_cache.All(kind).Where(item => !names.Contains(ObjectStamp.NameOf(item))).Select(item => new ObjectChange(ChangeType.Deleted, kind, ObjectStamp.NameOf(item), item, item)));
        self.Tell(new Told(this, new FeedBatch(kind, [.. changes], list.At)));
        await foreach (var batch in _objects.WatchAsync(kind, list.At, cancellationToken)) self.Tell(new Told(this, new FeedBatch(kind, batch.Changes, batch.At)));
        throw new InvalidOperationException($"the watch of {kind} ended");
    }
}
