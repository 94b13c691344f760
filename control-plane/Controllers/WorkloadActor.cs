using Akka.Actor;
using Akka.Cluster.Sharding;
using Akka.Event;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What the actors of a process share.</summary>
/// <param name="IdleAfter">How long one stays when nothing of its object has changed.</param>
public sealed record WorkloadContext(ObjectCache Cache, IObjects Objects, EventWriter Events, TimeProvider Clock, WorkloadLedgers Ledgers, TimeSpan IdleAfter);

/// <summary>
/// The mailbox of one object, in its shard: decides, acts, and decides again only when the cache has seen what it wrote, so that it never acts twice on one observation. It waits until the cache
/// has listed everything, ends when its object is gone or idle, and when it is ended while it owes a decision it says so (<see cref="EndedEarly"/>).
/// </summary>
public sealed class WorkloadActor : ReceiveActor, IWithTimers, IWithStash
{
    private sealed record Listed : ILocalMessage;
    private sealed record Look : ILocalMessage;
    private sealed record Due : ILocalMessage;
    private sealed record Idle : ILocalMessage;
    private sealed record Acted(Task<WriteOutcome> Of) : ILocalMessage;

    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1), LongestRetry = TimeSpan.FromSeconds(30), LongestTimer = TimeSpan.FromHours(1), Pause = TimeSpan.FromMilliseconds(20);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ObjectKey _key;
    private readonly WorkloadKind _kind;
    private readonly WorkloadContext _context;
    private readonly WorkloadLedger _ledger;
    private readonly WorkloadWrites _writes;
    private bool _wanted, _looking, _ending;
    private int _refusals; // in a row
    private long _decided, _asked; // when it decided, and was asked to, last
    private DateTimeOffset? _again; // when time alone makes it decide

    public ITimerScheduler Timers { get; set; } = null!;
    public IStash Stash { get; set; } = null!;

    public WorkloadActor(ObjectKey key, WorkloadKind kind, WorkloadContext context)
    {
        (_key, _kind, _context, _ledger) = (key, kind, context, context.Ledgers.Of(key));
        _writes = new WorkloadWrites(kind.Kind, key.Name, context);
        if (context.Cache.IsListed) Deciding();
        else Waiting();
    }

    /// <exception cref="ArgumentException">Nobody decides for that kind.</exception>
    public static Props Of(ObjectKey key, IReadOnlyDictionary<string, WorkloadKind> kinds, WorkloadContext context) =>
        kinds.TryGetValue(key.Kind, out var kind) ? Props.Create(() => new WorkloadActor(key, kind, context)) : throw new ArgumentException($"{key}: no controller decides for {key.Kind}", nameof(key));

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer("idle", new Idle(), _context.IdleAfter);
        if (!_context.Cache.IsListed) _context.Cache.ListedAsync.PipeTo(Self, success: () => new Listed());
        if (_ledger.Acting is { } acting) Await(acting); // of one that crashed
    }

    /// <summary>A crash is followed by a decision, a second later: what crashed it may be there still.</summary>
    protected override void PreRestart(Exception reason, object message) => Stash.UnstashAll();

    protected override void PostRestart(Exception reason)
    {
        base.PostRestart(reason);
        LookAgain(_context.Clock.GetUtcNow() + Retry);
    }

    protected override void PostStop()
    {
        if (_wanted || _looking || _again is not null || _ledger.Acting is not null) Context.System.EventStream.Publish(new EndedEarly(_key));
        else if (_ledger.IsSeen(_context.Cache)) _context.Ledgers.Forget(_key);
    }

    private void Waiting()
    {
        Receive<Listed>(_ => { Become(Deciding); Stash.UnstashAll(); });
        ReceiveAny(_ => Stash.Stash());
    }

    private void Deciding()
    {
        Receive<Reconcile>(_ => Want());
        Receive<Look>(_ => { _looking = false; Step(); });
        Receive<Due>(_ => { _again = null; Want(); });
        Receive<Acted>(OnActed);
        Receive<Idle>(_ => { if (!_wanted && !_looking && _again is null && _ledger.IsSeen(_context.Cache) && _context.Clock.GetElapsedTime(_asked) >= _context.IdleAfter) Passivate(); });
        Receive<Finish>(_ => { _ending = true; if (_ledger.Acting is null) Context.Stop(Self); });
        Receive<Listed>(_ => { });
    }

    private void Want()
    {
        (_wanted, _asked) = (true, _context.Clock.GetTimestamp());
        LookSoon();
    }

    /// <summary>One decision for everything that has come until then: it waits its turn behind the messages that are there, and for the cache to know what was written.</summary>
    private void LookSoon()
    {
        if (_looking || _ledger.Acting is not null) return;
        _looking = true;
        var cache = _context.Cache;
        var behind = _ledger.Awaited.Where(pair => cache.At(pair.Key).CompareTo(pair.Value) < 0).Select(pair => cache.ReachedAsync(pair.Key, pair.Value)).ToList();
        var pause = _decided == 0 ? TimeSpan.Zero : Pause - _context.Clock.GetElapsedTime(_decided); // many changes, one decision
        if (behind.Count == 0 && pause <= TimeSpan.Zero) Self.Tell(new Look());
        else if (behind.Count == 0) Task.Delay(pause).PipeTo(Self, success: () => new Look()); // shorter than the timers' tick
        else Task.WhenAll(behind).PipeTo(Self, success: () => new Look());
    }

    private void Step()
    {
        if (!_wanted || _ledger.Acting is not null) return;
        _wanted = false;
        _decided = _context.Clock.GetTimestamp();
        LookAgain(null);
        if (_context.Cache.Get(_kind.Kind, _key.Name) is not { } document)
        {
            Passivate();
            return;
        }
        var decided = _kind.Decide(document, _context.Cache, _context.Clock.GetUtcNow());
        LookAgain(decided.OfType<LookAgain>().Min(again => (DateTimeOffset?)again.At));
        var actions = decided.Where(action => action is not Controllers.LookAgain).ToList();
        if (actions.Count > 0) Await(_ledger.Acting = _writes.ActAsync(actions));
    }

    private void Await(Task<WriteOutcome> acting) => acting.ContinueWith(done => new Acted(done), TaskScheduler.Default).PipeTo(Self);

    private void OnActed(Acted acted)
    {
        if (acted.Of != _ledger.Acting) return; // told twice, after a crash
        _ledger.Acting = null;
        if (_ending) Context.Stop(Self);
        var (written, failure) = acted.Of.GetAwaiter().GetResult(); // a failure that nobody expects crashes the actor
        _ledger.Awaited = written;
        _refusals = failure is ObjectForbiddenException ? _refusals + 1 : 0;
        if (failure is not null)
        {
            _log.Failed(_key.ToString(), failure);
            var wait = TimeSpan.FromTicks(Retry.Ticks << Math.Clamp(_refusals - 1, 0, 5));
            LookAgain(_context.Clock.GetUtcNow() + (wait < LongestRetry ? wait : LongestRetry), true);
        }
        if (_wanted) LookSoon();
    }

    /// <param name="at">null: never.</param>
    /// <param name="atTheLatest">An earlier time stays.</param>
    private void LookAgain(DateTimeOffset? at, bool atTheLatest = false)
    {
        if (atTheLatest && _again <= at) return;
        _again = at;
        if (at is null) Timers.Cancel("again");
        else Timers.StartSingleTimer("again", new Due(), Wait(at.Value - _context.Clock.GetUtcNow()));
    }

    /// <summary>Times in objects are whole seconds: a little later rather than a little early.</summary>
    private static TimeSpan Wait(TimeSpan left) => left > LongestTimer ? LongestTimer : (left > TimeSpan.Zero ? left : TimeSpan.Zero) + TimeSpan.FromMilliseconds(20);

    /// <summary>The shard keeps what comes meanwhile, for the next actor of the object.</summary>
    private void Passivate() => Context.Parent.Tell(new Passivate(Finish.Instance));
}
