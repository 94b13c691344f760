using Eyrie.ControlPlane.Resources;

namespace Eyrie.Controllers.Tests.Simulation;

/// <summary>What the actors of one kind know, and what each, by its object, has written and not seen yet.</summary>
public sealed class SimulatedActor(SimulatedStore store)
{
    public SimulatedView View { get; } = new(store);
    private readonly Dictionary<ObjectName, Dictionary<ResourceKind, int>> _awaited = [];
    private readonly Dictionary<ObjectName, DateTimeOffset> _again = [];

    /// <summary>An object's actor acts only when it has seen what it wrote.</summary>
    public bool IsReady(ObjectName name) => !_awaited.TryGetValue(name, out var awaited) || awaited.All(pair => View.Knows(pair.Key, pair.Value));

    public void Wrote(ObjectName name, ResourceKind kind)
    {
        if (!_awaited.TryGetValue(name, out var awaited)) _awaited[name] = awaited = [];
        awaited[kind] = store.Log.Count;
    }

    /// <summary>When time alone makes an object's actor decide; null: never.</summary>
    public void LookAgain(ObjectName name, DateTimeOffset? at)
    {
        if (at is { } due) _again[name] = due;
        else _again.Remove(name);
    }

    public bool IsDue(DateTimeOffset now) => _again.Values.Any(at => at <= now);

    public void Crash()
    {
        View.Relist(SimulatedCluster.Watched);
        _awaited.Clear();
    }
}
