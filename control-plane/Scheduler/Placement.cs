namespace Eyrie.ControlPlane.Scheduler;

/// <summary>What a pod asks for or a node has: CPU in thousandths of a core, memory in bytes, pods.</summary>
public readonly record struct Amounts(long CpuMilli, long MemoryBytes, int Pods)
{
    public static Amounts operator +(Amounts a, Amounts b) => new(a.CpuMilli + b.CpuMilli, a.MemoryBytes + b.MemoryBytes, a.Pods + b.Pods);
}

/// <summary>A node as the scheduler sees it: what it has, what is requested of it by pods already there.</summary>
public sealed record NodeView(string Name, bool Ready, bool Unschedulable, IReadOnlyDictionary<string, string> Labels, Amounts Capacity, Amounts Requested, int PodsOfSameOwner);

/// <summary>A pod to place.</summary>
public sealed record PodView(string Name, Amounts Requests, IReadOnlyDictionary<string, string> NodeSelector);

/// <summary>Where a pod goes, or why nowhere.</summary>
public abstract record Decision;

public sealed record Bind(string Node) : Decision;

/// <param name="Message">Worded as kube-scheduler does: <c>0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.</c></param>
public sealed record Unschedulable(string Message) : Decision;

/// <summary>Filters, then scores: a pure function of the snapshot. The same snapshot gives the same node.</summary>
public static class Placement
{
    private static readonly (string Reason, Func<PodView, NodeView, bool> Fits)[] Filters =
    [
        ("node(s) were not ready", (_, node) => node.Ready),
        ("node(s) were unschedulable", (_, node) => !node.Unschedulable),
        ("node(s) didn't match Pod's node affinity/selector", (pod, node) => pod.NodeSelector.All(pair => node.Labels.GetValueOrDefault(pair.Key) == pair.Value)),
        ("Too many pods", (_, node) => node.Requested.Pods + 1 <= node.Capacity.Pods),
        ("Insufficient cpu", (pod, node) => node.Requested.CpuMilli + pod.Requests.CpuMilli <= node.Capacity.CpuMilli),
        ("Insufficient memory", (pod, node) => node.Requested.MemoryBytes + pod.Requests.MemoryBytes <= node.Capacity.MemoryBytes),
    ];

    public static Decision Decide(PodView pod, IReadOnlyCollection<NodeView> nodes)
    {
        if (nodes.Count == 0) return new Unschedulable("no nodes available to schedule pods");
        var refused = new SortedDictionary<string, int>(StringComparer.Ordinal);
        NodeView? best = null;
        foreach (var node in nodes.OrderBy(node => node.Name, StringComparer.Ordinal))
        {
            var failed = Filters.FirstOrDefault(filter => !filter.Fits(pod, node)).Reason;
            if (failed is not null) refused[failed] = refused.GetValueOrDefault(failed) + 1;
            else if (best is null || Score(pod, node) > Score(pod, best)) best = node;
        }
        if (best is not null) return new Bind(best.Name);
        return new Unschedulable($"0/{nodes.Count} nodes are available: {string.Join(", ", refused.Select(pair => $"{pair.Value} {pair.Key}"))}.");
    }

    /// <summary>Least allocated (0 to 100, mean of CPU and memory), less 100 for each pod of the same owner already there: replicas spread first.</summary>
    private static double Score(PodView pod, NodeView node)
    {
        static double Free(long requested, long capacity) => capacity == 0 ? 0 : 100.0 * (capacity - requested) / capacity;
        double least = (Free(node.Requested.CpuMilli + pod.Requests.CpuMilli, node.Capacity.CpuMilli) + Free(node.Requested.MemoryBytes + pod.Requests.MemoryBytes, node.Capacity.MemoryBytes)) / 2;
        return least - 100.0 * node.PodsOfSameOwner;
    }
}
