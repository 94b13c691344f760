using System.Globalization;
using Akka.Actor;
using Akka.Event;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What to do for one object, from the cache; pure but for reading it. The object may be gone.</summary>
public delegate IReadOnlyList<WorkloadAction> Decide(ObjectName name, ObjectCache cache, DateTimeOffset now);

/// <summary>
/// The mailbox of one object: decides, acts, and decides again only when the cache has seen what it wrote, so that it never acts twice on one
/// observation. A conflict means that the cache was behind; the change that caused it will arrive.
/// </summary>
public sealed class WorkloadActor : ReceiveActor, IWithTimers
{
    public sealed record Reconcile;
    private sealed record Look;

    /// <summary>What an actor that crashed must not forget: that it is acting, and what it wrote. Otherwise it would act twice on one observation.</summary>
    public sealed class Ledger
    {
        public bool Acting { get; set; }
        public IReadOnlyDictionary<ResourceKind, Revision> Awaited { get; set; } = new Dictionary<ResourceKind, Revision>();
    }

    private sealed record Acted(IReadOnlyDictionary<ResourceKind, Revision> Written, Exception? Failure);

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1), LongestRetry = TimeSpan.FromSeconds(30), LongestTimer = TimeSpan.FromHours(1), Pause = TimeSpan.FromMilliseconds(20);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ResourceKind _kind;
    private readonly ObjectName _name;
    private readonly EventWriter _events;
    private readonly Decide _decide;
    private readonly ObjectCache _cache;
    private readonly IObjects _objects;
    private readonly TimeProvider _clock;
    private readonly Ledger _ledger;
    private bool _wanted, _looking;
    private int _refusals; // in a row
    private long _decided; // when it decided last

    public ITimerScheduler Timers { get; set; } = null!;

    public WorkloadActor(ResourceKind kind, ObjectName name, Decide decide, ObjectCache cache, IObjects objects, EventWriter events, TimeProvider clock, Ledger ledger)
    {
        (_kind, _name, _decide, _cache, _objects, _events, _clock, _ledger) = (kind, name, decide, cache, objects, events, clock, ledger);
        Receive<Reconcile>(_ => { _wanted = true; LookSoon(); });
        Receive<Look>(_ => { _looking = false; Step(); });
        Receive<Acted>(acted =>
        {
            (_ledger.Acting, _ledger.Awaited) = (false, acted.Written);
            if (acted.Failure is { } failure)
            {
                _log.Warning("{0}: {1}", _name, failure.Message);
                _refusals = failure is ObjectForbiddenException ? _refusals + 1 : 0;
                var wait = TimeSpan.FromTicks(Retry.Ticks << Math.Clamp(_refusals - 1, 0, 5));
                Timers.StartSingleTimer("retry", new Reconcile(), wait < LongestRetry ? wait : LongestRetry);
            }
            else _refusals = 0;
            if (_wanted) LookSoon();
        });
    }

    /// <summary>A crash is followed by a decision, a second later: what crashed it may be there still.</summary>
    protected override void PostRestart(Exception reason)
    {
        base.PostRestart(reason);
        Timers.StartSingleTimer("retry", new Reconcile(), Retry);
    }

    /// <summary>One decision for everything that has come until then: it waits its turn behind the messages that are there, and for the cache to know what was written.</summary>
    private void LookSoon()
    {
        if (_looking || _ledger.Acting) return;
        _looking = true;
        var behind = _ledger.Awaited.Where(pair => _cache.At(pair.Key).CompareTo(pair.Value) < 0).Select(pair => _cache.ReachedAsync(pair.Key, pair.Value)).ToList();
        var pause = _decided == 0 ? TimeSpan.Zero : Pause - _clock.GetElapsedTime(_decided); // many changes, one decision
        if (behind.Count == 0 && pause <= TimeSpan.Zero) Self.Tell(new Look());
        else if (behind.Count == 0) Timers.StartSingleTimer("look", new Look(), pause);
        else Task.WhenAll(behind).PipeTo(Self, success: () => new Look());
    }

    private void Step()
    {
        if (!_wanted || _ledger.Acting) return;
        _wanted = false;
        _decided = _clock.GetTimestamp();
        var now = _clock.GetUtcNow();
        var decided = _decide(_name, _cache, now);
        if (decided.OfType<LookAgain>().MinBy(again => again.At) is { } next) Timers.StartSingleTimer("again", new Reconcile(), Wait(next.At - now));
        var actions = decided.Where(action => action is not LookAgain).ToList();
        if (actions.Count == 0) return;
        _ledger.Acting = true;
        ActAsync(actions).PipeTo(Self);
    }

    /// <summary>Times in objects are whole seconds: a little later rather than a little early.</summary>
    private static TimeSpan Wait(TimeSpan left) => left > LongestTimer ? LongestTimer : (left > TimeSpan.Zero ? left : TimeSpan.Zero) + TimeSpan.FromMilliseconds(20);

    private async Task<Acted> ActAsync(IReadOnlyList<WorkloadAction> actions)
    {
        var written = new Dictionary<ResourceKind, Revision>();
        Exception? failure = null;
        for (int i = 0, together = 1; i < actions.Count;)
        {
            // What is made or deleted is so together, twice as much at a time as before, so that what is refused is refused once.
            int count = actions[i] is CreateObject or DeleteObject ? actions.Skip(i).Take(together).TakeWhile(action => action.GetType() == actions[i].GetType()).Count() : 1;
            together = count == together ? together * 2 : 1;
            if (actions[i] is not CreateObject || failure is not ObjectForbiddenException)
                foreach (var (kind, revision, wrong) in await Task.WhenAll(actions.Skip(i).Take(count).Select(TryAsync)))
                {
                    if (kind is not null && revision.CompareTo(written.GetValueOrDefault(kind)) > 0) written[kind] = revision;
                    if (wrong is not null && (failure is null || wrong is ObjectForbiddenException)) failure = wrong;
                }
            i += count;
        }
        if (failure is ObjectForbiddenException && _cache.Get(_kind, _name) is { } about) _events.Write(about, "Warning", "FailedCreate", "Error creating: " + failure.Message, 1);
        return new Acted(written, failure);
    }

    private async Task<(ResourceKind? Kind, Revision At, Exception? Failure)> TryAsync(WorkloadAction action)
    {
        if (action is Report report)
        {
            if (_cache.Get(_kind, _name) is { } about) _events.Write(about, report.Type, report.Reason, report.Message, 1);
            return (null, Revision.Zero, null);
        }
        try
        {
            var (kind, document) = await ApplyAsync(action);
            return (kind, new Revision(long.TryParse(document.Metadata().Text("resourceVersion"), CultureInfo.InvariantCulture, out long revision) ? revision : 0), null);
        }
        catch (Exception exception) when (exception is ObjectConflictException or ObjectNotFoundException or ObjectExistsException)
        {
            return (null, Revision.Zero, action is CreateObject ? exception : null); // what changed meanwhile arrives through the feed
        }
        catch (Exception exception) when (exception is ObjectForbiddenException or StoreUnavailableException)
        {
            return (null, Revision.Zero, exception);
        }
    }

    private async Task<(ResourceKind Kind, System.Text.Json.Nodes.JsonObject Document)> ApplyAsync(WorkloadAction action) => action switch
    {
        CreateObject create => (create.Kind, await _objects.CreateAsync(create.Kind, create.Document, CancellationToken.None)),
        UpdateObject update => (update.Kind, await _objects.UpdateAsync(update.Kind, update.Document, CancellationToken.None)),
        UpdateObjectStatus status => (status.Kind, await _objects.UpdateStatusAsync(status.Kind, status.Document, CancellationToken.None)),
        DeleteObject delete => (delete.Kind, await _objects.DeleteAsync(delete.Kind, delete.Name, new DeleteOptions(Uid: delete.Uid), CancellationToken.None)),
        _ => throw new InvalidOperationException($"no way to apply {action}"),
    };
}

/// <summary>Routes changes to one child actor an object: an object's own changes, and those of what it owns. After a crash every object is looked at.</summary>
public sealed class WorkloadController : ReceiveActor
{
    private sealed record LookAtAll;

    private readonly Dictionary<ObjectName, WorkloadActor.Ledger> _ledgers;

    /// <param name="concerns">Which further objects a change concerns, e.g. the Services that select a pod.</param>
    public WorkloadController(ResourceKind kind, ResourceKind? owned, Decide decide, ObjectCache cache, IObjects objects, EventWriter events, TimeProvider clock, Func<ObjectChange, ObjectCache, IEnumerable<ObjectName>>? concerns = null, Dictionary<ObjectName, WorkloadActor.Ledger>? ledgers = null)
    {
        _ledgers = ledgers ?? [];
        Receive<LookAtAll>(_ => { foreach (var item in cache.All(kind)) Child(ObjectStamp.NameOf(item)).Tell(new WorkloadActor.Reconcile()); });
        Receive<FeedBatch>(batch =>
        {
            foreach (var change in batch.Changes)
            {
                if (batch.Kind == kind)
                {
                    if (change.Type == ChangeType.Deleted)
                    {
                        Context.Stop(Context.Child(ActorName(change.Name)));
                        _ledgers.Remove(change.Name);
                    }
                    else Child(change.Name).Tell(new WorkloadActor.Reconcile());
                }
                else if (batch.Kind == owned && OwnerName(change) is { } owner && cache.Get(kind, owner) is not null) Child(owner).Tell(new WorkloadActor.Reconcile());
                foreach (var name in concerns?.Invoke(change, cache) ?? []) Child(name).Tell(new WorkloadActor.Reconcile());
            }
        });

        IActorRef Child(ObjectName name) => Context.Child(ActorName(name)) is { } child && !child.Equals(ActorRefs.Nobody) ? child
            : Context.ActorOf(Props.Create(() => new WorkloadActor(kind, name, decide, cache, objects, events, clock, LedgerOf(name))), ActorName(name));
    }

    private WorkloadActor.Ledger LedgerOf(ObjectName name) => _ledgers.TryGetValue(name, out var ledger) ? ledger : _ledgers[name] = new WorkloadActor.Ledger();

    /// <summary>The children stay: they have done nothing wrong.</summary>
    protected override void PreRestart(Exception reason, object message) => PostStop();

    protected override void PostRestart(Exception reason)
    {
        base.PostRestart(reason);
        Self.Tell(new LookAtAll());
    }

    private static ObjectName? OwnerName(ObjectChange change) =>
        (change.Document.Metadata()["ownerReferences"] as System.Text.Json.Nodes.JsonArray)?.FirstOrDefault(reference => reference?["controller"]?.GetValue<bool>() == true)?["name"]?.ToString() is { } name
            ? new ObjectName(change.Name.Namespace, name) : null;

    private static string ActorName(ObjectName name) => Uri.EscapeDataString($"{name.Namespace}_{name.Name}");
}
