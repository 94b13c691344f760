using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Event;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers.Collection;

/// <summary>The kinds of object that are stored now: the built-in ones and those that were added while the control plane runs.</summary>
public delegate IReadOnlyList<ResourceKind> StoredKinds();

/// <summary>
/// Keeps the <see cref="OwnerGraph"/> of every kind and does what <see cref="GarbagePlan"/> decides. Kinds that the feed does not follow it follows itself. Decides only when everything
/// has been listed once, and asks the store before it believes that an owner is gone.
/// </summary>
public sealed class GarbageActor : ReceiveActor, IWithTimers
{
    private sealed record Begin : ILocalMessage;
    private sealed record LookForKinds : ILocalMessage;
    // What the watches of an instance tell is for that instance alone.
    private sealed record Listed(GarbageActor To, FeedBatch Batch) : ILocalMessage;
    private sealed record Changed(GarbageActor To, FeedBatch Batch) : ILocalMessage;
    private sealed record Broken(GarbageActor Of, Exception Cause) : ILocalMessage;
    private sealed record Done(string Uid, Exception? Failure) : ILocalMessage;
    private sealed record TryAgain(string Uid) : ILocalMessage;

    private const int MostInFlight = 64;
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1), NewKinds = TimeSpan.FromSeconds(5);

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ObjectCache _cache;
    private readonly IObjects _objects;
    private readonly StoredKinds _kinds;
    private readonly OwnerGraph _graph = new();
    private readonly CancellationTokenSource _stopped = new();
    private readonly HashSet<ResourceKind> _followed = [.. FeedActor.Watched], _unlisted = [];
    private readonly HashSet<string> _dirty = [], _busy = [];
    private bool _loaded;

    public ITimerScheduler Timers { get; set; } = null!;

    public GarbageActor(ObjectCache cache, IObjects objects, StoredKinds kinds)
    {
        (_cache, _objects, _kinds) = (cache, objects, kinds);
        Receive<FeedBatch>(batch => { Load(); Take(batch); Step(); });
        Receive<Listed>(listed => listed.To == this, listed => { _unlisted.Remove(listed.Batch.Kind); Take(listed.Batch); Step(); });
        Receive<Changed>(changed => changed.To == this, changed => { Load(); Take(changed.Batch); Step(); });
        Receive<Begin>(_ => { Load(); Step(); });
        Receive<LookForKinds>(_ => Follow());
        Receive<Done>(done =>
        {
            _busy.Remove(done.Uid);
            if (done.Failure is { } failure)
            {
                _log.Failed($"garbage {done.Uid}", failure);
                Timers.StartSingleTimer(done.Uid, new TryAgain(done.Uid), Retry);
            }
            Step();
        });
        Receive<TryAgain>(again => { _dirty.Add(again.Uid); Step(); });
        Receive<Broken>(broken => broken.Of == this, broken => throw new InvalidOperationException("a watch of the store ended", broken.Cause));
        ReceiveAny(_ => { }); // of an instance before
    }

    protected override void PreStart()
    {
        FeedBatch.Follow(Context, _cache);
        Follow();
        Timers.StartPeriodicTimer("kinds", new LookForKinds(), NewKinds);
    }

    protected override void PostStop() => _stopped.Cancel();

    /// <summary>Events own nothing and nobody owns them.</summary>
    private void Follow()
    {
        foreach (var kind in _kinds().Where(kind => kind != Kinds.Event && _followed.Add(kind)))
        {
            _unlisted.Add(kind);
            FollowAsync(kind, Self, _stopped.Token).PipeTo(Self, success: batch => new Changed(this, batch), failure: exception => new Broken(this, exception));
        }
    }

    private async Task<FeedBatch> FollowAsync(ResourceKind kind, IActorRef self, CancellationToken cancellationToken)
    {
        var list = await _objects.ListAsync(kind, null, cancellationToken);
        self.Tell(new Listed(this, new FeedBatch(kind, [.. list.Items.Select(item => new ObjectChange(ChangeType.Added, kind, ObjectStamp.NameOf(item), item, (JsonObject?)null))], list.At)));
        await foreach (var batch in _objects.WatchAsync(kind, list.At, cancellationToken))
            if (batch.Changes.Count > 0) self.Tell(new Changed(this, new FeedBatch(kind, batch.Changes, batch.At)));
        throw new InvalidOperationException($"the watch of {kind} ended");
    }

    private void Load()
    {
        if (_loaded) return;
        _loaded = true;
        foreach (var kind in FeedActor.Watched)
            foreach (var item in _cache.All(kind)) Set(OwnedObject.Read(kind, item));
    }

    private void Take(FeedBatch batch)
    {
        foreach (var change in batch.Changes)
        {
            if (change.OnlyStatus) continue; // most changes: what is kept here is of the metadata
            var item = OwnedObject.Read(change.Kind, change.Document);
            if (change.Type != ChangeType.Deleted) { Set(item); continue; }
            var last = _graph.Find(item.Uid) ?? item;
            _graph.Remove(item.Uid);
            _dirty.UnionWith(GarbagePlan.Concerned(last, _graph));
            if (change.Kind == Kinds.CustomResourceDefinition) Follow();
        }
    }

    private void Set(OwnedObject item)
    {
        var before = _graph.Find(item.Uid);
        if (!_graph.Set(item)) return;
        if (item.Owners.Count == 0 && !item.Going && before is null) return; // most objects
        _dirty.UnionWith(GarbagePlan.Concerned(item, _graph));
        foreach (var owner in before?.Owners ?? []) _dirty.Add(owner.Uid);
    }

    private void Step()
    {
        if (!_loaded || _unlisted.Count > 0) return;
        foreach (var uid in _dirty.Where(uid => !_busy.Contains(uid)).Take(MostInFlight - _busy.Count).ToList())
        {
            _dirty.Remove(uid);
            if (_graph.Find(uid) is not { } item || GarbagePlan.Decide(item, _graph, KindOf) is not { Count: > 0 } actions) continue;
            _busy.Add(uid);
            ActAsync(uid, actions).PipeTo(Self);
        }
        if (_dirty.Count > 0 && _busy.Count == 0) Self.Tell(new Begin());
    }

    private ResourceKind? KindOf(OwnerReference owner) => _kinds().FirstOrDefault(kind => kind.Kind == owner.Kind && kind.Group == owner.Group);

    private async Task<Done> ActAsync(string uid, IReadOnlyList<GarbageAction> actions)
    {
        try
        {
            foreach (var action in actions) await ActAsync(action);
            return new Done(uid, null);
        }
        catch (ObjectNotFoundException)
        {
            return new Done(uid, null); // gone already
        }
        catch (Exception exception) when (exception is ObjectConflictException or StoreUnavailableException)
        {
            return new Done(uid, exception); // somebody wrote between: decided anew on what is there then
        }
    }

    private async Task ActAsync(GarbageAction action)
    {
        var item = action.Item;
        if (await _objects.GetAsync(item.Kind, item.Name, CancellationToken.None) is not { } document || document.Uid() != item.Uid) return;
        switch (action)
        {
            case Collect collect when item.Owners.SequenceEqual(OwnedObject.References(document)) && await AreAbsentAsync(item, collect.Absent):
                await _objects.DeleteAsync(item.Kind, item.Name, new DeleteOptions(Uid: item.Uid, ResourceVersion: document.Metadata().Text("resourceVersion"), Propagation: collect.Propagation), CancellationToken.None);
                break;
            case Disown disown when await AreAbsentAsync(item, disown.Absent):
                var left = (document.Metadata()["ownerReferences"] as JsonArray ?? []).OfType<JsonObject>().Where(reference => !disown.Owners.Contains(reference.Text("uid"))).Select(reference => reference.DeepClone()).ToArray();
                if (left.Length == 0) document.Metadata().Remove("ownerReferences");
                else document.Metadata()["ownerReferences"] = new JsonArray(left);
                await _objects.UpdateAsync(item.Kind, document, CancellationToken.None);
                break;
            case Release release when await AreAbsentAsync(item, release.Absent):
                await _objects.UpdateAsync(item.Kind, Finalizers.Without(document, release.Finalizer), CancellationToken.None);
                break;
        }
    }

    /// <summary>The graph may be behind for an owner made just now; the store decides.</summary>
    private async Task<bool> AreAbsentAsync(OwnedObject item, IReadOnlyList<OwnerReference> owners)
    {
        foreach (var owner in owners)
        {
            var kind = KindOf(owner)!;
            if (await _objects.GetAsync(kind, new ObjectName(kind.Namespaced ? item.Name.Namespace : "", owner.Name), CancellationToken.None) is { } found && found.Uid() == owner.Uid) return false;
        }
        return true;
    }
}
