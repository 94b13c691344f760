namespace Eyrie.ControlPlane.Scheduler.Scores;

/// <summary>The share of CPU and memory in use with the pod, in the mean: nodes are filled one after the other, so that others stay empty and can be taken away.</summary>
public sealed class MostAllocated(PodInfo pod) : Score
{
    private readonly Amounts _wanted = pod.ScoredRequests;

    public override double Of(NodeState node)
    {
        var capacity = node.Info.Capacity;
        return (Used(node.ScoredRequests.CpuMilli + _wanted.CpuMilli, capacity.CpuMilli) + Used(node.ScoredRequests.MemoryBytes + _wanted.MemoryBytes, capacity.MemoryBytes)) / 2;
    }

    /// <summary>Pods that ask for nothing may come to more than there is: such a node is full.</summary>
    private static double Used(long used, long capacity) => capacity == 0 ? 0 : used >= capacity ? Most : Most * used / capacity;
}
