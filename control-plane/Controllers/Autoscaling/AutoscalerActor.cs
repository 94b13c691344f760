using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Event;
using Eyrie.ControlPlane.Controllers.Collection;
using Eyrie.ControlPlane.Controllers.Scheduling;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers.Autoscaling;

/// <summary>Every 15 s, and when an autoscaler is new or changed: reads the metrics of each, lets <see cref="HorizontalPlan"/> decide, and writes the target's replicas and the status.</summary>
public sealed class AutoscalerActor : ReceiveActor, IWithTimers
{
    private sealed record Round : ILocalMessage;
    private sealed record Again(ObjectName Name) : ILocalMessage;
    private sealed record Over(ObjectName Name, ScalingMemory? Memory, Exception? Failure) : ILocalMessage;

    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ObjectCache _cache;
    private readonly IObjects _objects;
    private readonly EventWriter _events;
    private readonly TimeProvider _clock;
    private readonly MetricSources _sources;
    private readonly StoredKinds _kinds;
    private readonly Dictionary<ObjectName, ScalingMemory> _memories = [];
    private readonly HashSet<ObjectName> _busy = [];

    public ITimerScheduler Timers { get; set; } = null!;

    public AutoscalerActor(ObjectCache cache, IObjects objects, EventWriter events, TimeProvider clock, MetricSources sources, StoredKinds kinds)
    {
        (_cache, _objects, _events, _clock, _sources, _kinds) = (cache, objects, events, clock, sources, kinds);
        Receive<FeedBatch>(batch =>
        {
            if (batch.Kind != Kinds.HorizontalPodAutoscaler) return;
            foreach (var change in batch.Changes)
            {
                if (change.Type == ChangeType.Deleted) _memories.Remove(change.Name);
                else if (!change.OnlyStatus) Look(change.Document);
            }
        });
        Receive<Round>(_ => { foreach (var autoscaler in cache.All(Kinds.HorizontalPodAutoscaler)) Look(autoscaler); });
        Receive<Over>(over =>
        {
            _busy.Remove(over.Name);
            if (over.Memory is { } memory) _memories[over.Name] = memory;
            if (over.Failure is not { } failure) return;
            _log.Failed($"autoscaler {over.Name}", failure);
            Timers.StartSingleTimer(over.Name, new Again(over.Name), Retry);
        });
        Receive<Again>(again => { if (cache.Get(Kinds.HorizontalPodAutoscaler, again.Name) is { } autoscaler) Look(autoscaler); });
    }

    protected override void PreStart()
    {
        FeedBatch.Follow(Context, _cache);
        Timers.StartPeriodicTimer("round", new Round(), Interval);
        Self.Tell(new Round());
    }

    private void Look(JsonObject autoscaler)
    {
        var name = ObjectStamp.NameOf(autoscaler);
        if (autoscaler.IsDeleted() || !_busy.Add(name)) return;
        LookAsync(autoscaler, _memories.GetValueOrDefault(name, ScalingMemory.Empty)).PipeTo(Self, success: memory => new Over(name, memory, null), failure: exception => new Over(name, null, exception));
    }

    private async Task<ScalingMemory> LookAsync(JsonObject autoscaler, ScalingMemory memory)
    {
        var spec = autoscaler["spec"]!.AsObject();
        var reference = spec["scaleTargetRef"]!.AsObject();
        var group = reference.Text("apiVersion") is { } version && version.Contains('/', StringComparison.Ordinal) ? version[..version.IndexOf('/', StringComparison.Ordinal)] : "";
        var kind = _kinds().FirstOrDefault(kind => kind.Kind == reference.Text("kind") && kind.Group == group && kind.Scale is not null);
        var target = kind is null ? null : await _objects.GetAsync(kind, new ObjectName(autoscaler.Namespace(), reference.Text("name") ?? ""), CancellationToken.None);
        if (target is null)
        {
            var problem = kind is null ? $"the HPA controller was unable to get the target's current scale: no kind {reference.Text("kind")} of {reference.Text("apiVersion")} has a scale" : $"the HPA controller was unable to get the target's current scale: {kind} \"{reference.Text("name")}\" not found";
            _events.Write(autoscaler, "Warning", "FailedGetScale", problem, 1);
            await WriteStatusAsync(autoscaler, HorizontalPlan.NoTarget(autoscaler, problem, _clock.GetUtcNow()));
            return memory;
        }
        var paths = kind!.Scale!;
        int current = At(target, paths.Replicas).Int(1);
        var selector = PodReader.Select(At(target, paths.Selector) is JsonObject found ? found.ContainsKey("matchLabels") || found.ContainsKey("matchExpressions") ? found : new JsonObject { ["matchLabels"] = found.DeepClone() } : null);
        var pods = _cache.All(Kinds.Pod).Where(pod => pod.Namespace() == autoscaler.Namespace() && selector.Matches(PodReader.Labels(pod.Metadata()["labels"]))).ToList();
        var readings = new List<MetricReading>();
        foreach (var metric in Metrics(spec)) readings.Add(await _sources.ReadAsync(metric, autoscaler, current, pods, ScalingBehavior.Tolerance(spec, true)));
        var decision = HorizontalPlan.Decide(autoscaler, current, At(target, paths.StatusReplicas).Int(), readings, memory, _clock.GetUtcNow());
        if (decision.Replicas is { } replicas)
        {
            Set(target, paths.Replicas, replicas);
            await _objects.UpdateAsync(kind, target, CancellationToken.None); // somebody wrote between: a conflict, and it is decided anew on what is there then
        }
        foreach (var report in decision.Reports) _events.Write(autoscaler, report.Type, report.Reason, report.Message, 1);
        await WriteStatusAsync(autoscaler, decision.Status);
        return decision.Memory;
    }

    /// <summary>Without metrics: CPU at 80 % of what is requested, as the API defaults it.</summary>
    private static IEnumerable<JsonObject> Metrics(JsonObject spec) => spec["metrics"] is JsonArray { Count: > 0 } metrics ? metrics.OfType<JsonObject>()
        : [JsonNode.Parse("""{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":80}}}""")!.AsObject()];

    private async Task WriteStatusAsync(JsonObject autoscaler, JsonObject status)
    {
        if (JsonNode.DeepEquals(autoscaler["status"], status)) return;
        await _objects.UpdateStatusAsync(Kinds.HorizontalPodAutoscaler, new JsonObject { ["metadata"] = new JsonObject { ["name"] = autoscaler.Name(), ["namespace"] = autoscaler.Namespace(), ["uid"] = autoscaler.Uid() }, ["status"] = status }, CancellationToken.None);
    }

    private static JsonNode? At(JsonNode? document, string path) => path.Length == 0 ? null : path.Split('.').Aggregate(document, (node, name) => (node as JsonObject)?[name]);

    private static void Set(JsonObject document, string path, int value)
    {
        var at = path.LastIndexOf('.');
        At(document, path[..at])![path[(at + 1)..]] = value;
    }
}
