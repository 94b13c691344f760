using System.Text.Json.Nodes;
using Akka.Actor;
using Akka.Event;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Controllers.Collection;

/// <summary>Empties namespaces that are being deleted, round by round, as <see cref="NamespacePlan"/> decides, and then removes them.</summary>
public sealed class NamespaceActor : ReceiveActor, IWithTimers
{
    private sealed record Round : ILocalMessage;
    private sealed record Over(bool Remaining, IReadOnlyDictionary<string, IReadOnlyList<string>> Failures) : ILocalMessage;

    private const int AtOnce = 64;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ObjectCache _cache;
    private readonly IObjects _objects;
    private readonly StoredKinds _kinds;
    private readonly TimeProvider _clock;
    private IReadOnlyDictionary<string, IReadOnlyList<string>> _failures = new Dictionary<string, IReadOnlyList<string>>();
    private bool _running, _wanted;

    public ITimerScheduler Timers { get; set; } = null!;

    public NamespaceActor(ObjectCache cache, IObjects objects, StoredKinds kinds, TimeProvider clock)
    {
        (_cache, _objects, _kinds, _clock) = (cache, objects, kinds, clock);
        Receive<FeedBatch>(batch =>
        {
            _wanted |= batch.Changes.Any(change => change.Type == ChangeType.Deleted || (change.Kind == Kinds.Namespace && change.Document.IsDeleted()));
            Step();
        });
        Receive<Round>(_ => { _wanted = true; Step(); });
        Receive<Over>(over =>
        {
            (_running, _failures) = (false, over.Failures);
            if (over.Remaining) Timers.StartSingleTimer("round", new Round(), Pause);
            Step();
        });
        Receive<Status.Failure>(failure =>
        {
            _running = false;
            _log.Failed("a namespace is not emptied yet", failure.Cause);
            Timers.StartSingleTimer("round", new Round(), Pause);
        });
    }

    protected override void PreStart()
    {
        FeedBatch.Follow(Context, _cache);
        Self.Tell(new Round());
    }

    private void Step()
    {
        if (!_wanted || _running) return;
        _wanted = false;
        var going = _cache.All(Kinds.Namespace).Where(home => home.IsDeleted()).ToList();
        if (going.Count == 0) return;
        _running = true;
        RoundAsync(going, _failures).PipeTo(Self);
    }

    private async Task<Over> RoundAsync(IReadOnlyList<JsonObject> going, IReadOnlyDictionary<string, IReadOnlyList<string>> before)
    {
        var failures = new Dictionary<string, IReadOnlyList<string>>();
        bool remaining = false;
        foreach (var home in going)
        {
            var contents = await ContentsAsync(home.Name());
            var step = NamespacePlan.Decide(home, contents, before.GetValueOrDefault(home.Name()) ?? [], _clock.GetUtcNow());
            if (!await WrittenAsync(home, step.Status)) continue;
            if (step.Empty) { await RemoveAsync(home); continue; }
            remaining = true;
            var failed = new List<string>();
            foreach (var part in step.Delete.Chunk(AtOnce)) failed.AddRange((await Task.WhenAll(part.Select(entry => DeleteAsync(entry.Kind, entry.Item)))).OfType<string>());
            if (failed.Count > 0) failures[home.Name()] = failed;
        }
        return new Over(remaining, failures);
    }

    private async Task<IReadOnlyList<NamespaceContent>> ContentsAsync(string home)
    {
        var contents = new List<NamespaceContent>();
        foreach (var kind in _kinds().Where(kind => kind.Namespaced)) contents.Add(new NamespaceContent(kind, (await _objects.ListAsync(kind, home, CancellationToken.None)).Items));
        return contents;
    }

    /// <returns>False: the namespace is gone, or another has its name.</returns>
    private async Task<bool> WrittenAsync(JsonObject home, JsonObject status)
    {
        try
        {
            await _objects.UpdateStatusAsync(Kinds.Namespace, new JsonObject { ["metadata"] = new JsonObject { ["name"] = home.Name(), ["uid"] = home.Uid() }, ["status"] = status }, CancellationToken.None);
            return true;
        }
        catch (Exception exception) when (exception is ObjectConflictException or ObjectNotFoundException)
        {
            return false;
        }
    }

    /// <summary>The finalizer that held it is taken off; other finalizers keep it.</summary>
    private async Task RemoveAsync(JsonObject home)
    {
        try
        {
            if (await _objects.GetAsync(Kinds.Namespace, ObjectStamp.NameOf(home), CancellationToken.None) is not { } stored || stored.Uid() != home.Uid()) return;
            if (stored["spec"]?["finalizers"] is JsonArray finalizers) stored["spec"]!["finalizers"] = new JsonArray([.. finalizers.Where(finalizer => finalizer?.ToString() != "kubernetes").Select(finalizer => finalizer?.DeepClone())]);
            var written = await _objects.UpdateAsync(Kinds.Namespace, stored, CancellationToken.None);
            if (written["spec"]?["finalizers"] is not JsonArray { Count: > 0 } && !ObjectStamp.HasFinalizers(written)) await _objects.DeleteAsync(Kinds.Namespace, ObjectStamp.NameOf(home), new DeleteOptions(Uid: home.Uid()), CancellationToken.None);
        }
        catch (Exception exception) when (exception is ObjectConflictException or ObjectNotFoundException)
        {
            // Written meanwhile, which the feed tells; or gone.
        }
    }

    private async Task<string?> DeleteAsync(ResourceKind kind, JsonObject item)
    {
        try
        {
            await _objects.DeleteAsync(kind, ObjectStamp.NameOf(item), new DeleteOptions(Uid: item.Uid(), Propagation: "Background"), CancellationToken.None);
            return null;
        }
        catch (Exception exception) when (exception is ObjectNotFoundException or ObjectConflictException)
        {
            return null; // gone already, or made anew under the same name: the next round sees
        }
        catch (StoreUnavailableException exception)
        {
            return $"{kind} {item.Name()}: {exception.Message}";
        }
    }
}
