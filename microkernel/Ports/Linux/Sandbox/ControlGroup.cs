using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>Limits of one container as a control group of the version that the host has. What a factory's quota and a scheduling context say is what is written there.</summary>
public static class ControlGroup
{
    private static bool s_second;

    /// <summary>Which limits hold; what is not among them is nobody's to enforce on this host.</summary>
    public static LimitKinds Kinds { get; private set; }

    /// <summary>Makes the node's group in the first version's hierarchies, or, where the host has not all of them, in the second's.</summary>
    public static void Open(ReadOnlySpan<byte> prefix)
    {
        Kinds = ControlGroupV1.Open(prefix);
        s_second = Kinds == LimitKinds.None;
        if (s_second) Kinds = ControlGroupV2.Open(prefix);
    }

    /// <summary>Makes a group and writes its limits. Negative errno of the first write that failed; what was made stays, for <see cref="Remove"/>.</summary>
    public static nint Make(ReadOnlySpan<byte> name, in Limits limits)
    {
        if (Kinds == LimitKinds.None) return 0;
        return s_second ? ControlGroupV2.Make(name, limits) : ControlGroupV1.Make(name, limits);
    }

    /// <summary>A descriptor of the group that a process is to be born in; 0: it enters it itself (<see cref="Enter"/>); or a negative errno.</summary>
    public static nint Birthplace(ReadOnlySpan<byte> name) => s_second && Kinds != LimitKinds.None ? ControlGroupV2.Birthplace(name) : 0;

    /// <summary>Whether a process that is there already can enter a group; in the second version it is born in one.</summary>
    public static bool CanBeEntered => !s_second || Kinds == LimitKinds.None;

    /// <summary>Puts the calling process into the group, unless it was born there.</summary>
    public static nint Enter(ReadOnlySpan<byte> name) => s_second ? 0 : ControlGroupV1.Enter(name);

    /// <summary>Removes a container's group, which has these limits; its processes must have ended.</summary>
    public static void Remove(ReadOnlySpan<byte> name, in Limits limits)
    {
        if (Kinds == LimitKinds.None) return;
        if (s_second) ControlGroupV2.Remove(name);
        else ControlGroupV1.Remove(name, limits);
    }

    /// <summary>Removes a group of which nobody knows how far it was made.</summary>
    public static void Discard(ReadOnlySpan<byte> name)
    {
        if (Kinds == LimitKinds.None) return;
        if (s_second) ControlGroupV2.Remove(name);
        else ControlGroupV1.RemoveEach(name);
    }

    /// <summary>Removes the node's group, when none of its containers is left.</summary>
    public static void Close(ReadOnlySpan<byte> prefix)
    {
        if (Kinds == LimitKinds.None) return;
        if (s_second) ControlGroupV2.Remove(prefix);
        else ControlGroupV1.Close(prefix);
    }

    /// <summary>Whether the host has killed a process of this group for want of memory.</summary>
    public static bool OutOfMemory(ReadOnlySpan<byte> name) => (Kinds & LimitKinds.Memory) != 0 && (s_second ? ControlGroupV2.OutOfMemory(name) : ControlGroupV1.OutOfMemory(name));

    /// <summary>Has the group's processes stand still, or go on. Negative errno; ENOSYS: without control groups nothing can.</summary>
    public static nint Pause(ReadOnlySpan<byte> name, bool paused)
    {
        if (Kinds == LimitKinds.None) return -Sys.Enosys;
        return s_second ? ControlGroupV2.Pause(name, paused) : PausedGroup.Set(name, paused);
    }

    /// <summary>The limits in force, read back; of kinds that nobody enforces, what was asked for.</summary>
    public static Limits Enforced(ReadOnlySpan<byte> name, in Limits asked)
    {
        if (Kinds == LimitKinds.None) return asked;
        var found = s_second ? ControlGroupV2.Enforced(name, asked) : ControlGroupV1.Enforced(name);
        if ((Kinds & LimitKinds.Memory) == 0) found.MemoryBytes = asked.MemoryBytes;
        if ((Kinds & LimitKinds.Processes) == 0) found.Processes = asked.Processes;
        if ((Kinds & LimitKinds.Cpu) == 0) { found.CpuMilli = asked.CpuMilli; found.Shares = asked.Shares; }
        return found;
    }

    /// <summary>The list of the group's processes, one a line; a descriptor, or negative: there is no such list on this host.</summary>
    public static nint OpenProcesses(ReadOnlySpan<byte> name) => Kinds == LimitKinds.None ? -Sys.Enoent : s_second ? ControlGroupV2.OpenProcesses(name) : ControlGroupV1.OpenProcesses(name);

    public static Usage Used(ReadOnlySpan<byte> name)
    {
        var used = s_second ? ControlGroupV2.Used(name) : ControlGroupV1.Used(name);
        if (!s_second || !ControlGroupV2.AddDisks(name, ref used)) DiskUse.AddListed(OpenProcesses(name), ref used);
        return used;
    }
}
