namespace Eyrie.ControlPlane.Scheduler.Scores;

/// <summary>CPU and memory used to the same share: so that neither is left over alone.</summary>
public sealed class BalancedAllocation(PodInfo pod) : Score
{
    private readonly Amounts _wanted = pod.Requests;

    public override double Of(NodeState node)
    {
        var (capacity, used) = (node.Info.Capacity, node.Requested);
        if (capacity.CpuMilli == 0 || capacity.MemoryBytes == 0) return 0;
        double cpu = Math.Min(1, (double)(used.CpuMilli + _wanted.CpuMilli) / capacity.CpuMilli), memory = Math.Min(1, (double)(used.MemoryBytes + _wanted.MemoryBytes) / capacity.MemoryBytes);
        return Most * (1 - (Math.Abs(cpu - memory) / 2)); // half the distance is the standard deviation of two
    }
}
