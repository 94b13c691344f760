namespace Eyrie.ControlPlane.Scheduler.Scores;

/// <summary>The free share of CPU and memory, in the mean.</summary>
public sealed class LeastAllocated(PodInfo pod) : Score
{
    private readonly Amounts _wanted = pod.ScoredRequests;

    public override double Of(NodeState node)
    {
        var capacity = node.Info.Capacity;
        return (Free(node.ScoredRequests.CpuMilli + _wanted.CpuMilli, capacity.CpuMilli) + Free(node.ScoredRequests.MemoryBytes + _wanted.MemoryBytes, capacity.MemoryBytes)) / 2;
    }

    private static double Free(long used, long capacity) => used >= capacity ? 0 : Most * (capacity - used) / capacity;
}
