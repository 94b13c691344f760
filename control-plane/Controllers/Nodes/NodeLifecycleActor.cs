using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Event;
using Eyrie.ControlPlane.Controllers.Disruptions;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers.Nodes;

/// <summary>
/// Taints nodes as their conditions say (<see cref="NodeTaintPlan"/>, at the pace of <see cref="EvictionPace"/>), marks the pods of lost nodes (<see cref="LostPods"/>) and deletes those that do not tolerate a
/// taint, when their time has come (<see cref="Taints.Leaves"/>). Looks at what changed and at the nodes in trouble, a tenth of a second after the first change.
/// </summary>
public sealed class NodeLifecycleActor : ReceiveActor, IWithTimers
{
    private sealed record Look : ILocalMessage;
    private sealed record Acted(Exception? Failure) : ILocalMessage;

    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(100), Retry = TimeSpan.FromSeconds(1);

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ObjectCache _cache;
    private readonly IObjects _objects;
    private readonly EventWriter _events;
    private readonly TimeProvider _clock;
    private readonly Dictionary<string, NodeHealth> _nodes = [];
    private readonly HashSet<string> _dirty = [], _troubled = [];
    private EvictionPace _pace = EvictionPace.Start;
    private bool _loaded, _acting;

    public ITimerScheduler Timers { get; set; } = null!;

    public NodeLifecycleActor(ObjectCache cache, IObjects objects, EventWriter events, TimeProvider clock)
    {
        (_cache, _objects, _events, _clock) = (cache, objects, events, clock);
        Receive<FeedBatch>(batch =>
        {
            if (!_loaded) _dirty.UnionWith(cache.All(Kinds.Node).Select(node => node.Name()));
            _loaded = true;
            if (batch.Kind == Kinds.Node) _dirty.UnionWith(batch.Changes.Select(change => change.Name.Name));
            if (batch.Kind == Kinds.Pod) _dirty.UnionWith(batch.Changes.Where(change => change.Type != ChangeType.Deleted).Select(change => change.Document).Where(pod => pod.NodeName().Length > 0 && (_troubled.Contains(pod.NodeName()) || LostPods.IsLost(pod))).Select(pod => pod.NodeName()));
            if (_dirty.Count > 0) Soon(Gather);
        });
        Receive<Look>(_ => Step());
        Receive<Acted>(acted =>
        {
            _acting = false;
            if (acted.Failure is { } failure)
            {
                _log.Failed("lost nodes", failure);
                _dirty.UnionWith(_troubled);
                Soon(Retry);
            }
            else if (_dirty.Count > 0) Soon(Gather);
        });
    }

    protected override void PreStart() => FeedBatch.Follow(Context, _cache);

    private void Soon(TimeSpan wait)
    {
        if (!_acting && !Timers.IsTimerActive("soon")) Timers.StartSingleTimer("soon", new Look(), wait);
    }

    private void Step()
    {
        if (!_loaded || _acting) return;
        var now = _clock.GetUtcNow();
        foreach (var name in _dirty)
            if (Node(name) is { } node) _nodes[name] = NodeHealth.Read(node);
            else { _nodes.Remove(name); _troubled.Remove(name); }
        var before = _pace.Granted;
        (_pace, var again) = _pace.At(_nodes.Values, now);
        var writes = new List<Func<Task>>();
        foreach (var name in _dirty.Concat(_troubled).Concat(before.SymmetricExcept(_pace.Granted)).Distinct().ToList())
            if (Node(name) is { } node && LookAt(node, now, writes) is { } next && next < (again ?? DateTimeOffset.MaxValue)) again = next;
        _dirty.Clear();
        if (again is { } at) Timers.StartSingleTimer("again", new Look(), at > now ? at - now + TimeSpan.FromMilliseconds(20) : Gather);
        if (writes.Count == 0) return;
        _acting = true;
        ActAsync(writes).PipeTo(Self);
    }

    /// <returns>When the next of its pods has to leave.</returns>
    private DateTimeOffset? LookAt(JsonObject node, DateTimeOffset now, List<Func<Task>> writes)
    {
        if (NodeTaintPlan.Decide(node, _pace.Granted.Contains(node.Name()), now) is { } tainted) writes.Add(() => _objects.UpdateAsync(Kinds.Node, tainted, CancellationToken.None));
        var (name, ready, taints) = (node.Name(), node.IsReady(), Taints.Of(node));
        if (!ready || taints.Any(taint => taint.Effect == Taints.NoExecute)) _troubled.Add(name);
        else _troubled.Remove(name);
        DateTimeOffset? next = null;
        foreach (var pod in _cache.OnNode(name))
        {
            if (Taints.Leaves(pod, taints, now) is { } leaves && !pod.IsDeleted() && !pod.IsOver())
            {
                if (leaves <= now) { writes.Add(() => EvictAsync(pod, now)); continue; }
                if (leaves < (next ?? DateTimeOffset.MaxValue)) next = leaves;
            }
            if (LostPods.Decide(pod, name, ready, now) is { } marked) writes.Add(() => _objects.UpdateStatusAsync(Kinds.Pod, marked, CancellationToken.None));
        }
        return next;
    }

    private JsonObject? Node(string name) => _cache.Get(Kinds.Node, new ObjectName("", name));

    private async Task EvictAsync(JsonObject pod, DateTimeOffset now)
    {
        _events.Write(pod, "Normal", "TaintManagerEviction", $"Marking for deletion Pod {pod.Namespace()}/{pod.Name()}", 1);
        await PodRemoval.RemoveAsync(_objects, pod, DisruptionTarget.ByTaint, "Taint manager: deleting due to NoExecute taint", new DeleteOptions(), now);
    }

    private static async Task<Acted> ActAsync(IReadOnlyList<Func<Task>> writes)
    {
        Exception? failure = null;
        foreach (var write in writes)
        {
            try
            {
                await write();
            }
            catch (Exception exception) when (exception is ObjectConflictException or ObjectNotFoundException)
            {
                // Written meanwhile: what came of it arrives through the feed and is looked at then.
            }
            catch (StoreUnavailableException exception)
            {
                failure = exception;
            }
        }
        return new Acted(failure);
    }
}
