using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>A container's group in the hierarchies of the first version: memory, cpu, cpuacct and pids (kernel.org/doc Documentation/admin-guide/cgroup-v1).</summary>
public static class ControlGroupV1
{
    private const int Hierarchies = 4;

    private static ReadOnlySpan<byte> Memory => "/sys/fs/cgroup/memory"u8;
    private static ReadOnlySpan<byte> Cpu => "/sys/fs/cgroup/cpu"u8;
    private static ReadOnlySpan<byte> Accounting => "/sys/fs/cgroup/cpuacct"u8;
    private static ReadOnlySpan<byte> Processes => "/sys/fs/cgroup/pids"u8;

    private static ReadOnlySpan<byte> Hierarchy(int index)
    {
        if (index == 0) return Memory;
        if (index == 1) return Cpu;
        return index == 2 ? Accounting : Processes;
    }

    /// <summary>Makes the node's group; which limits hold in it. All of them or none: a host has the first version whole or has it not.</summary>
    public static LimitKinds Open(ReadOnlySpan<byte> prefix)
    {
        nint made = MakeEach(prefix);
        if (made >= 0 || made == -Sys.Eexist) return LimitKinds.All;
        RemoveEach(prefix);
        return LimitKinds.None;
    }

    public static nint Make(ReadOnlySpan<byte> name, in Limits limits)
    {
        if (SpareGroups.Take(name, limits)) return 0;
        nint result = MakeEach(name);
        if (result >= 0 || result == -Sys.Eexist) result = Change(name, default, limits);
        if (result < 0) RemoveEach(name); // not to be kept as one that has these limits
        return result;
    }

    /// <summary>Writes those limits of a group that are others than before; all are unlimited in one that is new.</summary>
    public static nint Change(ReadOnlySpan<byte> name, in Limits before, in Limits limits)
    {
        const long Unlimited = -1, UsualShares = 1024, QuotaOfMilli = 100; // of the usual period, 100 ms
        nint result = 0;
        if (limits.MemoryBytes != before.MemoryBytes) result = ControlGroupFiles.Put(Memory, name, "memory.limit_in_bytes"u8, limits.MemoryBytes > 0 ? limits.MemoryBytes : Unlimited);
        if (result >= 0 && limits.Processes != before.Processes)
            result = limits.Processes > 0 ? ControlGroupFiles.Put(Processes, name, "pids.max"u8, limits.Processes) : ControlGroupFiles.Put(Processes, name, "pids.max"u8, "max"u8);
        if (result >= 0 && limits.Shares != before.Shares) result = ControlGroupFiles.Put(Cpu, name, "cpu.shares"u8, limits.Shares > 1 ? limits.Shares : UsualShares);
        if (result >= 0 && limits.CpuMilli != before.CpuMilli) result = ControlGroupFiles.Put(Cpu, name, "cpu.cfs_quota_us"u8, limits.CpuMilli > 0 ? limits.CpuMilli * QuotaOfMilli : Unlimited);
        return result < 0 ? result : 0;
    }

    /// <summary>Puts the calling process into the group, in every hierarchy.</summary>
    public static nint Enter(ReadOnlySpan<byte> name)
    {
        nint result = 0;
        for (int i = 0; i < Hierarchies && result >= 0; i++) result = ControlGroupFiles.Put(Hierarchy(i), name, "cgroup.procs"u8, 0);
        return result < 0 ? result : 0;
    }

    /// <summary>Removes a container's group, or keeps it for another container.</summary>
    public static void Remove(ReadOnlySpan<byte> name, in Limits limits)
    {
        PausedGroup.Remove(name); // where one that took long to end had kept it
        if (!SpareGroups.Keep(name, limits)) RemoveEach(name);
    }

    /// <summary>Removes the node's group.</summary>
    public static void Close(ReadOnlySpan<byte> prefix)
    {
        SpareGroups.Remove(prefix);
        RemoveEach(prefix);
    }

    public static void RemoveEach(ReadOnlySpan<byte> name)
    {
        for (int i = 0; i < Hierarchies; i++) ControlGroupFiles.RemoveDirectory(Hierarchy(i), name);
    }

    /// <summary>False: some hierarchy has it under its old name still.</summary>
    public static bool Rename(ReadOnlySpan<byte> from, ReadOnlySpan<byte> to)
    {
        for (int i = 0; i < Hierarchies; i++)
            if (ControlGroupFiles.Rename(Hierarchy(i), from, to) < 0)
            {
                for (i--; i >= 0; i--) ControlGroupFiles.Rename(Hierarchy(i), to, from);
                return false;
            }
        return true;
    }

    /// <summary>Makes an empty group as good as new. False: it has processes, or a count that cannot be set back.</summary>
    public static bool Reset(ReadOnlySpan<byte> name) => ControlGroupFiles.Number(Processes, name, "pids.current"u8) == 0 && !OutOfMemory(name) && ControlGroupFiles.Put(Accounting, name, "cpuacct.usage"u8, 0L) >= 0;

    /// <summary>Bytes that are charged to a group.</summary>
    public static long Charged(ReadOnlySpan<byte> name) => ControlGroupFiles.Number(Memory, name, "memory.usage_in_bytes"u8);

    public static bool OutOfMemory(ReadOnlySpan<byte> name) => ControlGroupFiles.Keyed(Memory, name, "memory.oom_control"u8, "oom_kill"u8) > 0;

    public static Limits Enforced(ReadOnlySpan<byte> name) => new()
    {
        MemoryBytes = ControlGroupFiles.Number(Memory, name, "memory.limit_in_bytes"u8), Processes = ControlGroupFiles.Number(Processes, name, "pids.max"u8),
        Shares = ControlGroupFiles.Number(Cpu, name, "cpu.shares"u8), CpuMilli = ControlGroupFiles.Number(Cpu, name, "cpu.cfs_quota_us"u8) / 100,
    };

    public static Usage Used(ReadOnlySpan<byte> name) => new()
    {
        CpuMicroseconds = ControlGroupFiles.Number(Accounting, name, "cpuacct.usage"u8) / 1000, MemoryBytes = ControlGroupFiles.Number(Memory, name, "memory.usage_in_bytes"u8),
        Processes = ControlGroupFiles.Number(Processes, name, "pids.current"u8), IdleFileBytes = ControlGroupFiles.Keyed(Memory, name, "memory.stat"u8, "total_inactive_file"u8),
    };

    public static nint OpenProcesses(ReadOnlySpan<byte> name) => ControlGroupFiles.Open(Processes, name, "cgroup.procs"u8, 0);

    /// <summary>How many processes are in the group.</summary>
    public static int Count(ReadOnlySpan<byte> name) => ControlGroupFiles.Lines(Processes, name, "cgroup.procs"u8);

    /// <summary>The list of the group's processes as text, cut at the buffer's end; its length.</summary>
    public static int List(ReadOnlySpan<byte> name, Span<byte> into) => ControlGroupFiles.Get(Processes, name, "cgroup.procs"u8, into);

    private static nint MakeEach(ReadOnlySpan<byte> name)
    {
        nint worst = 0;
        for (int i = 0; i < Hierarchies; i++)
            if (ControlGroupFiles.MakeDirectory(Hierarchy(i), name) is var result and < 0 && (worst == 0 || worst == -Sys.Eexist)) worst = result;
        return worst;
    }
}
