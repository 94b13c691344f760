namespace Eyrie.ControlPlane.Scheduler;

/// <summary>What a pod asks for or a node has: CPU in thousandths of a core, memory and ephemeral storage in bytes, pods.</summary>
public readonly record struct Amounts(long CpuMilli, long MemoryBytes, int Pods, long EphemeralBytes = 0)
{
    public static Amounts operator +(Amounts a, Amounts b) => new(a.CpuMilli + b.CpuMilli, a.MemoryBytes + b.MemoryBytes, a.Pods + b.Pods, a.EphemeralBytes + b.EphemeralBytes);

    public static Amounts operator -(Amounts a, Amounts b) => new(a.CpuMilli - b.CpuMilli, a.MemoryBytes - b.MemoryBytes, a.Pods - b.Pods, a.EphemeralBytes - b.EphemeralBytes);

    /// <summary>The larger of both, each for itself.</summary>
    public static Amounts Max(Amounts a, Amounts b) => new(Math.Max(a.CpuMilli, b.CpuMilli), Math.Max(a.MemoryBytes, b.MemoryBytes), Math.Max(a.Pods, b.Pods), Math.Max(a.EphemeralBytes, b.EphemeralBytes));
}
