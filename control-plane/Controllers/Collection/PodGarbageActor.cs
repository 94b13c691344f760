using Akka.Actor;
using Akka.Event;
using Eyrie.ControlPlane.Controllers.Disruptions;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers.Collection;

/// <summary>Every 20 s removes the pods that <see cref="PodGarbagePlan"/> finds.</summary>
public sealed class PodGarbageActor : ReceiveActor, IWithTimers
{
    private sealed record Round : ILocalMessage;
    private sealed record Over : ILocalMessage;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(20);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ObjectCache _cache;
    private Dictionary<string, DateTimeOffset> _missing = [];
    private bool _running;

    public ITimerScheduler Timers { get; set; } = null!;

    public PodGarbageActor(ObjectCache cache, IObjects objects, TimeProvider clock)
    {
        _cache = cache;
        Receive<FeedBatch>(_ => { if (!Timers.IsTimerActive("round")) Timers.StartPeriodicTimer("round", new Round(), Interval); }); // everything has been listed
        Receive<Round>(_ =>
        {
            var now = clock.GetUtcNow();
            System.Text.Json.Nodes.JsonObject? Node(string name) => cache.Get(Kinds.Node, new ObjectName("", name));
            var pods = cache.All(Kinds.Pod);
            _missing = PodGarbagePlan.Missing(pods, Node, _missing, now);
            var found = PodGarbagePlan.Decide(pods, Node, _missing, now);
            if (_running || found.Count == 0) return;
            _running = true;
            RemoveAsync(objects, found, now).PipeTo(Self);
        });
        Receive<Over>(_ => _running = false);
        Receive<Status.Failure>(failure =>
        {
            _running = false;
            _log.Failed("ended pods are not removed yet", failure.Cause);
        });
    }

    protected override void PreStart() => FeedBatch.Follow(Context, _cache);

    private static async Task<Over> RemoveAsync(IObjects objects, IReadOnlyList<GarbagePod> found, DateTimeOffset now)
    {
        foreach (var (pod, message) in found)
        {
            if (pod.NodeName().Length > 0 && message == "PodGC: node no longer exists" && await objects.GetAsync(Kinds.Node, new ObjectName("", pod.NodeName()), CancellationToken.None) is not null) continue; // it came between
            if (message.Length > 0) await PodRemoval.FailAsync(objects, pod, DisruptionTarget.ByCollector, message, now);
            await PodRemoval.DeleteAsync(objects, pod, new DeleteOptions(0));
        }
        return new Over();
    }
}
