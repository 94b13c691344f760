using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Event;
using Eyrie.ControlPlane.Controllers.Disruptions;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers.Scheduling;

/// <summary>
/// Keeps the <see cref="Cluster"/> up to date, takes pods from the queue, and writes what <see cref="Placement"/> and <see cref="Preemption"/> decide. A binding counts
/// from the decision on; if the store refuses it, the pod is looked at anew.
/// </summary>
public sealed class SchedulerActor : ReceiveActor, IWithTimers
{
    private sealed record Bound(PodInfo Pod, string Node, bool Written) : ILocalMessage;
    private sealed record Written : ILocalMessage;
    private sealed record NotWritten(string Uid, Exception Cause) : ILocalMessage;
    private sealed record Continue : ILocalMessage;

    /// <summary>Bindings on their way to the store at once: more would only wait there.</summary>
    private const int MostInFlight = 1024;
    /// <summary>Placements in a row before changes are taken in again.</summary>
    private const int Batch = 64;

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ObjectCache _cache;
    private readonly IObjects _objects;
    private readonly EventWriter _events;
    private readonly TimeProvider _clock;
    private readonly PlacementOptions _options;
    private readonly Cluster _cluster = new();
    private readonly SchedulingQueue _queue = new();
    private readonly Dictionary<string, string> _told = []; // refusals that were reported, by pod
    private readonly AssumedClaims _claims = new();
    private readonly Dictionary<string, PodInfo> _assumed; // placed here, not yet seen in the cache; a scheduler that crashed must not forget them
    private int _inFlight, _start;
    private bool _continuing, _loaded;

    public ITimerScheduler Timers { get; set; } = null!;

    public SchedulerActor(ObjectCache cache, IObjects objects, EventWriter events, TimeProvider clock, PlacementOptions options, Dictionary<string, PodInfo>? assumed = null)
    {
        _assumed = assumed ?? [];
        (_cache, _objects, _events, _clock, _options) = (cache, objects, events, clock, options);
        Receive<FeedBatch>(batch =>
        {
            var happened = _loaded ? WakeUp.None : Load();
            foreach (var change in batch.Changes) happened |= Take(change);
            _queue.Wake(happened);
            Place();
        });
        Receive<Bound>(bound =>
        {
            _inFlight = Math.Max(0, _inFlight - 1);
            if (!bound.Written) Return(bound.Pod);
            Place();
        });
        Receive<Written>(_ => { });
        Receive<NotWritten>(failed =>
        {
            _log.Failed("a refusal was not written", failed.Cause);
            _told.Remove(failed.Uid);
            _queue.Wake(WakeUp.All);
            Place();
        });
        Receive<Continue>(_ => { _continuing = false; Place(); });
    }

    protected override void PreStart() => FeedBatch.Follow(Context, _cache);

    /// <summary>Everything there is: at the first change, and after a crash.</summary>
    private WakeUp Load()
    {
        _loaded = true;
        foreach (var home in _cache.All(Kinds.Namespace)) TakeNamespace(home.Name(), home);
        foreach (var node in _cache.All(Kinds.Node)) TakeNode(node.Name(), node);
        foreach (var pod in _cache.All(Kinds.Pod)) TakePod(pod, true);
        foreach (var pod in _assumed.Values) _cluster.SetPod(pod);
        return WakeUp.All;
    }

    /// <summary>Takes a change in, as the cache has it by now; what it may help.</summary>
    private WakeUp Take(ObjectChange change)
    {
        var now = _cache.Get(change.Kind, change.Name);
        if (change.Kind == Kinds.Node) return TakeNode(change.Name.Name, now);
        if (change.Kind == Kinds.Namespace) return TakeNamespace(change.Name.Name, now);
        if (change.Kind == Kinds.PersistentVolume || change.Kind == Kinds.PersistentVolumeClaim || change.Kind == Kinds.StorageClass) return WakeUp.Volume;
        if (change.Kind != Kinds.Pod) return WakeUp.None;
        var happened = now is null || now.Uid() != change.Document.Uid() ? Forget(change.Document.Uid()) : WakeUp.None;
        return now is null ? happened : happened | TakePod(now, !change.OnlyStatus);
    }

    private WakeUp TakeNamespace(string name, JsonObject? home)
    {
        _cluster.SetNamespace(name, home is null ? null : PodReader.Labels(home.Metadata()["labels"]));
        return WakeUp.Namespace;
    }

    private WakeUp TakeNode(string name, JsonObject? document)
    {
        if (document is null)
        {
            _cluster.RemoveNode(name);
            return WakeUp.None;
        }
        var node = NodeReader.Read(document);
        var before = _cluster.Node(node.Name)?.Info;
        _cluster.SetNode(node);
        return SchedulerWakeUps.Of(before, node);
    }

    /// <summary>The pod is gone or has ended: what it had is free.</summary>
    private WakeUp Forget(string uid)
    {
        if (_queue.Find(uid) is { Nominated.Length: > 0 } waiting) _cluster.Nominate(waiting, "");
        _queue.Remove(uid);
        _told.Remove(uid);
        _assumed.Remove(uid);
        _claims.Forget(uid);
        return _cluster.RemovePod(uid) ? WakeUp.PodGone : WakeUp.None;
    }

    private WakeUp TakePod(JsonObject pod, bool changed)
    {
        var uid = pod.Uid();
        if (pod.IsOver()) return Forget(uid);
        if (pod.NodeName().Length > 0) return TakePlaced(pod, uid);
        if (pod.IsDeleted() || pod["spec"]?["schedulerName"]?.ToString() is { Length: > 0 } and not "default-scheduler") return Forget(uid);
        if (!_assumed.ContainsKey(uid)) _queue.Set(Read(pod), changed);
        return WakeUp.None;
    }

    private WakeUp TakePlaced(JsonObject pod, string uid)
    {
        _assumed.Remove(uid);
        _claims.Forget(uid);
        _queue.Remove(uid);
        _told.Remove(uid);
        var known = _cluster.Pod(uid);
        if (known is not null && known.Node == pod.NodeName() && known.Terminating == pod.IsDeleted() && Same(known.Labels, pod.Metadata()["labels"] as JsonObject ?? [])) return WakeUp.None; // most changes are of status
        _cluster.SetPod(Read(pod));
        return WakeUp.PodPlaced;
    }

    private static bool Same(Dictionary<string, string> labels, JsonObject now) => labels.Count == now.Count && now.All(pair => labels.GetValueOrDefault(pair.Key) == pair.Value?.ToString());

    private PodInfo Read(JsonObject pod) => PodReader.Read(pod, Priorities.Of(pod, pod["spec"]?["priority"] is null ? _cache.All(Kinds.PriorityClass) : []));

    /// <summary>A binding that was not written: the pod as it is now is placed anew, if it still is to be.</summary>
    private void Return(PodInfo pod)
    {
        if (!_assumed.Remove(pod.Uid)) return;
        _cluster.RemovePod(pod.Uid);
        _claims.Forget(pod.Uid);
        if (_cache.Get(Kinds.Pod, new ObjectName(pod.Namespace, pod.Name)) is { } now && now.Uid() == pod.Uid && now.NodeName().Length == 0 && !now.IsDeleted()) _queue.Set(Read(now));
    }

    private void Place()
    {
        if (!_loaded) return;
        var now = _clock.GetUtcNow();
        bool placed = false;
        for (int i = 0; _inFlight < MostInFlight; i++)
        {
            if (i == Batch)
            {
                if (!_continuing) Self.Tell(new Continue());
                _continuing = true;
                break;
            }
            if (_queue.Take(now) is not { } pod) break;
            if (_cache.Get(Kinds.Pod, new ObjectName(pod.Namespace, pod.Name)) is not { } document || document.Uid() != pod.Uid || document.NodeName().Length > 0) _queue.Remove(pod.Uid); // its change is on the way
            else if (Decide(ref pod, document) is var decision && decision is Bind bind) { Assume(pod, document, bind); placed = true; }
            else Refuse(pod, document, (Unschedulable)decision, now);
        }
        if (placed) _queue.Wake(WakeUp.PodPlaced);
        if (_queue.NextDue is { } due) Timers.StartSingleTimer("due", new Continue(), due > now ? due - now : TimeSpan.FromMilliseconds(1));
    }

    /// <summary>Claims are looked at only now: the pod before this one may have settled where their volumes will be.</summary>
    private Decision Decide(ref PodInfo pod, JsonObject document)
    {
        var volumes = VolumeTerms.Of(document, _cache, _claims);
        if (volumes.Problem is { } problem) return new Unschedulable($"0/{_cluster.Nodes.Count} nodes are available: {problem}.", WakeUp.Volume | WakeUp.NodeAdded, []);
        if (volumes.Nodes.Count > 0) pod = pod.With(volumes.Nodes);
        return Placement.Decide(pod, _cluster, _options, _start);
    }

    private void Assume(PodInfo pod, JsonObject document, Bind bind)
    {
        _start = bind.Next;
        if (pod.Nominated.Length > 0) _cluster.Nominate(pod, "");
        _queue.Remove(pod.Uid);
        _claims.Assume(document, bind.Node);
        _cluster.SetPod(_assumed[pod.Uid] = pod.At(bind.Node));
        _inFlight++;
        BindAsync(pod, document, bind.Node).PipeTo(Self);
    }

    private void Refuse(PodInfo pod, JsonObject document, Unschedulable refused, DateTimeOffset now)
    {
        _queue.Refuse(pod.Uid, refused.Helped, now);
        var decision = Preemption.Decide(pod, _cluster, refused, [.. _cache.All(Kinds.PodDisruptionBudget).Select(Budgets.Read)], _start);
        var message = decision is NoPreemption no ? $"{refused.Reason} preemption: {no.Message}" : refused.Reason;
        if (_told.GetValueOrDefault(pod.Uid) != message) _events.Write(document, "Warning", "FailedScheduling", message, 1);
        else if (decision is NoPreemption) return;
        _told[pod.Uid] = message;
        if (decision is not Preempt preempt)
        {
            RefusedAsync(document, message, []).PipeTo(Self, failure: exception => new NotWritten(pod.Uid, exception));
            return;
        }
        _cluster.Nominate(pod, preempt.Node);
        _queue.Set(pod.NominatedTo(preempt.Node), false);
        foreach (var victim in preempt.Victims)
            if (_cache.Get(Kinds.Pod, new ObjectName(victim.Namespace, victim.Name)) is { } there) _events.Write(there, "Normal", "Preempted", $"Preempted by pod {pod.Uid} on node {preempt.Node}", 1);
        RefusedAsync(SchedulerConditions.Nominated(document, preempt.Node), message, preempt.Victims).PipeTo(Self, failure: exception => new NotWritten(pod.Uid, exception));
    }

    /// <summary>Writes the condition that says why, removes the victims.</summary>
    private async Task<Written> RefusedAsync(JsonObject document, string message, IReadOnlyList<PodInfo> victims)
    {
        var refused = SchedulerConditions.Refused(document, message, _clock.GetUtcNow());
        try
        {
            refused.Metadata().Remove("resourceVersion");
            await _objects.UpdateStatusAsync(Kinds.Pod, refused, CancellationToken.None);
        }
        catch (Exception exception) when (exception is ObjectConflictException or ObjectNotFoundException)
        {
            // The pod is gone, or another has its name.
        }
        foreach (var victim in victims)
            if (await _objects.GetAsync(Kinds.Pod, new ObjectName(victim.Namespace, victim.Name), CancellationToken.None) is { } pod && pod.Uid() == victim.Uid)
                await PodRemoval.RemoveAsync(_objects, pod, DisruptionTarget.ByScheduler, $"{document["spec"]?["schedulerName"] ?? "default-scheduler"}: preempting to accommodate a higher priority pod", new DeleteOptions(), _clock.GetUtcNow());
        return new Written();
    }

    /// <summary>Gives the pod its node, unless it was deleted or has one by now.</summary>
    private async Task<Bound> BindAsync(PodInfo pod, JsonObject document, string node)
    {
        try
        {
            if (!await _objects.ChangeAsync(Kinds.Pod, new ObjectName(pod.Namespace, pod.Name), stored => PodBinding.Write(stored, pod.Uid, node), CancellationToken.None)) return new Bound(pod, node, false);
            _events.Write(document, "Normal", "Scheduled", $"Successfully assigned {pod.Namespace}/{pod.Name} to {node}", 1);
            return new Bound(pod, node, true);
        }
        catch (StoreUnavailableException)
        {
            return new Bound(pod, node, false);
        }
    }
}
