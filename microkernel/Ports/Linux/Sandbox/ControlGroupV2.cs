using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>
/// A container's group in the one hierarchy of the second version (kernel.org/doc Documentation/admin-guide/cgroup-v2). A process is born in its group, so that nothing is moved; only groups
/// without children hold processes.
/// </summary>
public static unsafe class ControlGroupV2
{
    private static bool s_beside;
    private static LimitKinds s_kinds;

    /// <summary>Where the hierarchy is mounted: alone, or beside those of the first version.</summary>
    private static ReadOnlySpan<byte> Root => s_beside ? "/sys/fs/cgroup/unified"u8 : "/sys/fs/cgroup"u8;

    /// <summary>Makes the node's group and has the host's controllers work beneath it; which limits hold there. None: the host has no such hierarchy, or its controllers are elsewhere.</summary>
    public static LimitKinds Open(ReadOnlySpan<byte> prefix)
    {
        Span<byte> text = stackalloc byte[256];
        s_beside = ControlGroupFiles.Get(Root, default, "cgroup.controllers"u8, text) == 0;
        Delegate(default);
        nint made = ControlGroupFiles.MakeDirectory(Root, prefix);
        if (made < 0 && made != -Sys.Eexist) return LimitKinds.None;
        Delegate(prefix);
        s_kinds = GroupSettings.Kinds(text.Slice(0, ControlGroupFiles.Get(Root, prefix, "cgroup.subtree_control"u8, text)));
        if (s_kinds == LimitKinds.None) ControlGroupFiles.RemoveDirectory(Root, prefix);
        return s_kinds;
    }

    /// <summary>One at a time: one that the host lacks, or keeps for itself, must not cost the others.</summary>
    private static void Delegate(ReadOnlySpan<byte> group)
    {
        ControlGroupFiles.Put(Root, group, "cgroup.subtree_control"u8, "+memory"u8);
        ControlGroupFiles.Put(Root, group, "cgroup.subtree_control"u8, "+pids"u8);
        ControlGroupFiles.Put(Root, group, "cgroup.subtree_control"u8, "+cpu"u8);
        ControlGroupFiles.Put(Root, group, "cgroup.subtree_control"u8, "+io"u8);
    }

    public static nint Make(ReadOnlySpan<byte> name, in Limits limits)
    {
        nint result = ControlGroupFiles.MakeDirectory(Root, name);
        if (result < 0 && result != -Sys.Eexist) return result;
        Span<byte> text = stackalloc byte[64];
        result = 0;
        for (int i = 0; result >= 0 && i < GroupSettings.Count; i++)
        {
            var value = new TextWriter(text);
            var file = GroupSettings.Of(i, limits, s_kinds, ref value);
            if (file.Length == 0) continue;
            result = ControlGroupFiles.Put(Root, name, file, value.Written);
            if (result == -Sys.Enoent && i == GroupSettings.Swap) result = 0; // a host without swap has no such file
        }
        return result < 0 ? result : 0;
    }

    /// <summary>The directory of the group, for a process to be born in; or a negative errno.</summary>
    public static nint Birthplace(ReadOnlySpan<byte> name) => ControlGroupFiles.Open(Root, name, default, Sys.OPath | Sys.Directory);

    public static nint Remove(ReadOnlySpan<byte> name) => ControlGroupFiles.RemoveDirectory(Root, name);

    public static nint Pause(ReadOnlySpan<byte> name, bool paused) => ControlGroupFiles.Put(Root, name, "cgroup.freeze"u8, paused ? 1L : 0L);

    public static bool OutOfMemory(ReadOnlySpan<byte> name) => ControlGroupFiles.Keyed(Root, name, "memory.events"u8, "oom_kill"u8) > 0;

    /// <param name="name">The group.</param>
    /// <param name="asked">What was asked for: several numbers of shares have one weight.</param>
    public static Limits Enforced(ReadOnlySpan<byte> name, in Limits asked)
    {
        long weight = ControlGroupFiles.Number(Root, name, "cpu.weight"u8);
        return new Limits
        {
            MemoryBytes = ControlGroupFiles.Number(Root, name, "memory.max"u8), Processes = ControlGroupFiles.Number(Root, name, "pids.max"u8),
            CpuMilli = ControlGroupFiles.Number(Root, name, "cpu.max"u8) / GroupSettings.QuotaOfMilli,
            Shares = weight == GroupSettings.Weight(asked.Shares) ? asked.Shares : GroupSettings.Shares(weight),
        };
    }

    public static Usage Used(ReadOnlySpan<byte> name) => new()
    {
        CpuMicroseconds = ControlGroupFiles.Keyed(Root, name, "cpu.stat"u8, "usage_usec"u8), MemoryBytes = ControlGroupFiles.Number(Root, name, "memory.current"u8),
        Processes = ControlGroupFiles.Number(Root, name, "pids.current"u8), IdleFileBytes = ControlGroupFiles.Keyed(Root, name, "memory.stat"u8, "inactive_file"u8),
    };

    /// <summary>False: the host does not count it for the group.</summary>
    public static bool AddDisks(ReadOnlySpan<byte> name, ref Usage used)
    {
        Span<byte> text = stackalloc byte[2048];
        nint file = ControlGroupFiles.Open(Root, name, "io.stat"u8, 0);
        if (file < 0) return false;
        nint read;
        fixed (byte* t = text) read = Host.Call(Sys.Read, file, (nint)t, text.Length);
        Host.Call(Sys.Close, file);
        if (read > 0) DiskAccounts.AddDevices(text.Slice(0, (int)read), ref used);
        return read >= 0;
    }

    public static nint OpenProcesses(ReadOnlySpan<byte> name) => ControlGroupFiles.Open(Root, name, "cgroup.procs"u8, 0);
}
