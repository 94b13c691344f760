namespace Eyrie.ControlPlane.Scheduler.Filters;

/// <summary>What the pod asks for is free: of pods, CPU, memory, ephemeral storage and every other resource. Pods for which room is being made count as if they were there, unless they matter less.</summary>
public sealed class Resources(PodInfo pod) : Filter
{
    private readonly Amounts _wanted = pod.Requests;

    public override bool Fits(NodeState node)
    {
        var used = Used(node);
        var capacity = node.Info.Capacity;
        // A pod that asks for none of a resource fits even where that is overcommitted.
        return used.Pods + 1 <= capacity.Pods
            && (_wanted.CpuMilli == 0 || used.CpuMilli + _wanted.CpuMilli <= capacity.CpuMilli)
            && (_wanted.MemoryBytes == 0 || used.MemoryBytes + _wanted.MemoryBytes <= capacity.MemoryBytes)
            && (_wanted.EphemeralBytes == 0 || used.EphemeralBytes + _wanted.EphemeralBytes <= capacity.EphemeralBytes)
            && (pod.Extended.Count == 0 || FitsExtended(node));
    }

    /// <summary>Apart from what is asked of every node: its lambda would be made there each time.</summary>
    private bool FitsExtended(NodeState node) => pod.Extended.All(pair => pair.Value == 0 || Used(node, pair.Key) + pair.Value <= node.Info.Extended.GetValueOrDefault(pair.Key));

    public override IEnumerable<string> Reasons(NodeState node)
    {
        var used = Used(node);
        var capacity = node.Info.Capacity;
        if (used.Pods + 1 > capacity.Pods) yield return "Too many pods";
        if (_wanted.CpuMilli > 0 && used.CpuMilli + _wanted.CpuMilli > capacity.CpuMilli) yield return "Insufficient cpu";
        if (_wanted.MemoryBytes > 0 && used.MemoryBytes + _wanted.MemoryBytes > capacity.MemoryBytes) yield return "Insufficient memory";
        if (_wanted.EphemeralBytes > 0 && used.EphemeralBytes + _wanted.EphemeralBytes > capacity.EphemeralBytes) yield return "Insufficient ephemeral-storage";
        foreach (var (name, amount) in pod.Extended)
            if (amount > 0 && Used(node, name) + amount > node.Info.Extended.GetValueOrDefault(name)) yield return "Insufficient " + name;
    }

    /// <summary>Not where the empty node would be too small.</summary>
    public override bool PreemptionHelps(NodeState node)
    {
        var capacity = node.Info.Capacity;
        return capacity.Pods >= 1 && _wanted.CpuMilli <= capacity.CpuMilli && _wanted.MemoryBytes <= capacity.MemoryBytes && _wanted.EphemeralBytes <= capacity.EphemeralBytes
            && pod.Extended.All(pair => pair.Value <= node.Info.Extended.GetValueOrDefault(pair.Key));
    }

    public override WakeUp Helped => WakeUp.NodeAdded | WakeUp.NodeCapacity | WakeUp.PodGone | WakeUp.PodChanged;

    private Amounts Used(NodeState node)
    {
        if (node.Nominated.Count == 0) return node.Requested;
        var used = node.Requested;
        foreach (var other in node.Nominated)
            if (other.Uid != pod.Uid && other.Priority >= pod.Priority) used += other.Requests;
        return used;
    }

    private long Used(NodeState node, string name)
    {
        long used = node.ExtendedUse(name);
        foreach (var other in node.Nominated)
            if (other.Uid != pod.Uid && other.Priority >= pod.Priority) used += other.Extended.GetValueOrDefault(name);
        return used;
    }
}
