namespace Eyrie.ControlPlane.Scheduler;

/// <summary>A node as its object says. Never changed after it was made.</summary>
public sealed class NodeInfo
{
    public required string Name { get; init; }
    public Dictionary<string, string> Labels { get; init; } = [];
    public IReadOnlyList<Taint> Taints { get; init; } = [];
    public bool Unschedulable { get; init; }
    public Amounts Capacity { get; init; }
    public IReadOnlyDictionary<string, long> Extended { get; init; } = new Dictionary<string, long>();
    /// <summary>Images that are there already, by every name, and their sizes.</summary>
    public IReadOnlyDictionary<string, long> Images { get; init; } = new Dictionary<string, long>();
}
