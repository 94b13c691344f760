using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Event;
using Eyrie.ControlPlane.Controllers.Autoscaling;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers.Guards;

/// <summary>Watches the rollouts of Deployments that have a guard: when something of them changes, and every second while one is under way. <see cref="GuardPlan"/> decides.</summary>
public sealed class GuardActor : ReceiveActor, IWithTimers
{
    private sealed record Round : ILocalMessage;
    private sealed record Looked(ObjectName Name, DateTimeOffset? Again, Exception? Failure) : ILocalMessage;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ObjectCache _cache;
    private readonly IObjects _objects;
    private readonly EventWriter _events;
    private readonly PrometheusQueries _prometheus;
    private readonly TimeProvider _clock;
    private readonly HashSet<ObjectName> _guarded = [], _wanted = [], _busy = [];
    private bool _loaded;

    public ITimerScheduler Timers { get; set; } = null!;

    public GuardActor(ObjectCache cache, IObjects objects, EventWriter events, PrometheusQueries prometheus, TimeProvider clock)
    {
        (_cache, _objects, _events, _prometheus, _clock) = (cache, objects, events, prometheus, clock);
        Receive<FeedBatch>(batch =>
        {
            if (!_loaded) foreach (var deployment in cache.All(Kinds.Deployment)) Take(ObjectStamp.NameOf(deployment));
            _loaded = true;
            if (batch.Kind == Kinds.Deployment) foreach (var change in batch.Changes) Take(change.Name);
            else if (batch.Kind == Kinds.ReplicaSet && _guarded.Count > 0) foreach (var change in batch.Changes) if (Owner(change) is { } owner && _guarded.Contains(owner)) Look(owner);
        });
        Receive<Round>(_ => { foreach (var name in _guarded.Where(name => cache.Get(Kinds.Deployment, name) is { } deployment && GuardPlan.IsWatching(deployment)).ToList()) Look(name); });
        Receive<Looked>(looked =>
        {
            _busy.Remove(looked.Name);
            if (looked.Failure is { } failure) _log.Failed($"guard of {looked.Name}", failure);
            if (_wanted.Remove(looked.Name)) Look(looked.Name);
        });
    }

    protected override void PreStart()
    {
        FeedBatch.Follow(Context, _cache);
        Timers.StartPeriodicTimer("round", new Round(), Interval);
    }

    private void Take(ObjectName name)
    {
        if (_cache.Get(Kinds.Deployment, name) is { } deployment && deployment["spec"]?["guard"] is not null) _guarded.Add(name);
        else { _guarded.Remove(name); return; }
        Look(name);
    }

    private static ObjectName? Owner(ObjectChange change) => (change.Document.Metadata()["ownerReferences"] as JsonArray)?.OfType<JsonObject>().FirstOrDefault()?.Text("name") is { } name ? new ObjectName(change.Name.Namespace, name) : null;

    private void Look(ObjectName name)
    {
        if (!_busy.Add(name)) { _wanted.Add(name); return; }
        LookAsync(name).PipeTo(Self, success: again => new Looked(name, again, null), failure: exception => new Looked(name, null, exception));
    }

    private async Task<DateTimeOffset?> LookAsync(ObjectName name)
    {
        if (_cache.Get(Kinds.Deployment, name) is not { } deployment) return null;
        var sets = _cache.OwnedBy(Kinds.ReplicaSet, deployment.Uid()).ToList();
        var current = DeploymentPlan.CurrentOf(deployment, sets);
        var pods = current is null ? [] : _cache.OwnedBy(Kinds.Pod, current.Uid()).ToList();
        var facts = current is not null && GuardPlan.IsWatching(deployment) && GuardSpec.Of(deployment) is { } guard ? await FactsAsync(deployment, guard, current) : GuardFacts.None;
        var decision = GuardPlan.Decide(deployment, sets, pods, facts, _clock.GetUtcNow());
        if (decision.Write is { } write)
        {
            try
            {
                if (decision.IsUndo) await _objects.UpdateAsync(Kinds.Deployment, write, CancellationToken.None);
                else await _objects.UpdateStatusAsync(Kinds.Deployment, write, CancellationToken.None);
            }
            catch (Exception exception) when (exception is ObjectConflictException or ObjectNotFoundException)
            {
                return null; // written meanwhile: the feed brings it, and it is decided anew
            }
        }
        if (decision.Report is { } report) _events.Write(deployment, report.Type, report.Reason, report.Message, 1);
        return decision.Again;
    }

    private async Task<GuardFacts> FactsAsync(JsonObject deployment, GuardSpec guard, JsonObject current)
    {
        var started = Views.Time(deployment["status"]!["guard"]!["started"]?.ToString()) ?? DateTimeOffset.MinValue;
        var denials = (await _objects.ListAsync(Kinds.Event, deployment.Namespace(), CancellationToken.None)).Items.Where(happened => happened.Text("reason") == "PermissionDenied"
            && happened["involvedObject"]?["name"]?.ToString().StartsWith(current.Name() + "-", StringComparison.Ordinal) == true && Views.Time(happened.Text("lastTimestamp")) >= started).ToList();
        var queries = new Dictionary<string, (decimal?, string)>();
        foreach (var query in guard.Queries)
        {
            try
            {
                queries[query.Name] = (await _prometheus.OneAsync(query.Query), "");
            }
            catch (QueryFailedException exception)
            {
                queries[query.Name] = (null, exception.Message);
            }
        }
        var first = denials.FirstOrDefault();
        return new GuardFacts(denials.Sum(happened => happened["count"].Int(1)), first is null ? "" : $"pod {first["involvedObject"]!["name"]}: {first.Text("message")?.Split('\n')[0].Split(". To allow it")[0]}", queries);
    }
}
