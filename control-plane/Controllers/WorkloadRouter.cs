using System.Text.Json.Nodes;
using Akka.Actor;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Tells the actors of one kind's objects what concerns them: changes of the object itself, of what it owns, and whatever <see cref="WorkloadKind.Concerns"/> says. When it starts anew, every object is looked at.</summary>
public sealed class WorkloadRouter : ReceiveActor, IWithTimers
{
    private sealed record Again : ILocalMessage;

    /// <summary>What crashed an actor may be there still.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    private readonly ObjectCache _cache;
    private readonly HashSet<ObjectKey> _owed = [];

    public ITimerScheduler Timers { get; set; } = null!;

    /// <param name="kind">The kind.</param>
    /// <param name="cache">What is known.</param>
    /// <param name="objects">The shard region of the objects' actors.</param>
    public WorkloadRouter(WorkloadKind kind, ObjectCache cache, IActorRef objects)
    {
        _cache = cache;
        bool looked = false;
        Receive<FeedBatch>(batch =>
        {
            if (looked && batch.Changes.Count == 0) return;
            var concerned = new HashSet<ObjectName>(); // many changes of a batch may concern one object
            if (!looked) concerned.UnionWith(cache.All(kind.Kind).Select(ObjectStamp.NameOf));
            looked = true;
            foreach (var change in batch.Changes)
            {
                if (batch.Kind == kind.Kind) concerned.Add(change.Name);
                else if (batch.Kind == kind.Owned && OwnerName(change) is { } owner && cache.Get(kind.Kind, owner) is not null) concerned.Add(owner);
                concerned.UnionWith(kind.Concerns?.Invoke(change, cache) ?? []);
            }
            foreach (var name in concerned) objects.Tell(new Reconcile(new ObjectKey(kind.Kind.ToString(), name)));
        });
        Receive<EndedEarly>(ended =>
        {
            if (ended.Key.Kind != kind.Kind.ToString()) return;
            _owed.Add(ended.Key);
            if (!Timers.IsTimerActive("owed")) Timers.StartSingleTimer("owed", new Again(), Pause);
        });
        Receive<Again>(_ =>
        {
            foreach (var key in _owed) objects.Tell(new Reconcile(key));
            _owed.Clear();
        });
    }

    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(EndedEarly));
        FeedBatch.Follow(Context, _cache);
    }

    private static ObjectName? OwnerName(ObjectChange change) =>
        (change.Document.Metadata()["ownerReferences"] as JsonArray)?.FirstOrDefault(reference => reference?["controller"]?.GetValue<bool>() == true)?["name"]?.ToString() is { } name
            ? new ObjectName(change.Name.Namespace, name) : null;
}
