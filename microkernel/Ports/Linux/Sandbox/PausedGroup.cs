using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>
/// A container that stands still, on a host with groups of the first version: only then it has one in the hierarchy that can do that (freezer), to which its processes are moved, and which goes when
/// they go on.
/// </summary>
public static unsafe class PausedGroup
{
    private const int Passes = 20;

    private static ReadOnlySpan<byte> Root => "/sys/fs/cgroup/freezer"u8;

    public static nint Set(ReadOnlySpan<byte> name, bool paused) => paused ? Pause(name) : Resume(name);

    private static nint Pause(ReadOnlySpan<byte> name)
    {
        ControlGroupFiles.MakeDirectory(Root, Boot.Text(Node.GroupPrefix));
        nint result = ControlGroupFiles.MakeDirectory(Root, name);
        if (result < 0 && result != -Sys.Eexist) return result;
        // What one that is still elsewhere gives birth to is elsewhere too; what one that has been moved does is not.
        result = -Sys.Eagain;
        for (int pass = 0; result == -Sys.Eagain && pass < Passes; pass++) result = Move(name);
        if (result >= 0) result = ControlGroupFiles.Put(Root, name, "freezer.state"u8, "FROZEN"u8);
        if (result < 0) Resume(name);
        return result;
    }

    private static nint Resume(ReadOnlySpan<byte> name)
    {
        nint result = ControlGroupFiles.Put(Root, name, "freezer.state"u8, "THAWED"u8);
        if (result < 0) return result;
        Each(name, default, out _);
        ControlGroupFiles.RemoveDirectory(Root, name);
        ControlGroupFiles.RemoveDirectory(Root, Boot.Text(Node.GroupPrefix)); // once no other is in there
        return result;
    }

    /// <summary>-EAGAIN: there may be more.</summary>
    private static nint Move(ReadOnlySpan<byte> name)
    {
        nint result = Each(name, name, out int moved);
        return result < 0 ? result : moved == ControlGroupFiles.Lines(Root, name, "cgroup.procs"u8) ? 0 : -Sys.Eagain;
    }

    /// <summary>Moves all processes of the container to a group of the hierarchy, empty: its root.</summary>
    private static nint Each(ReadOnlySpan<byte> name, ReadOnlySpan<byte> group, out int moved)
    {
        const int Space = 256;
        moved = 0;
        nint list = ControlGroupV1.OpenProcesses(name);
        if (list < 0) return list;
        byte* text = stackalloc byte[Space];
        long process = 0;
        for (nint read; (read = Host.Call(Sys.Read, list, (nint)text, Space)) > 0;)
            for (int i = 0; i < read; i++)
            {
                if (text[i] != '\n') { process = process * 10 + text[i] - '0'; continue; }
                if (ControlGroupFiles.Put(Root, group, "cgroup.procs"u8, process) > 0) moved++; // one that has ended meanwhile is nowhere
                process = 0;
            }
        Host.Call(Sys.Close, list);
        return 0;
    }
}
