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
        // Each stands still once it is moved, so that fewer and fewer are born outside.
        result = ControlGroupFiles.Put(Root, name, "freezer.state"u8, "FROZEN"u8);
        if (result >= 0) result = -Sys.Eagain;
        for (int pass = 0; result == -Sys.Eagain && pass < Passes; pass++)
        {
            if (pass > 1) AwaitEnding(Outside(name));
            result = Move(name);
        }
        if (result < 0) Resume(name);
        return result;
    }

    /// <summary>
    /// Who stands still gives birth to none: each leaves the group before it goes on. Who was about to end when all were told to stand still is moved no more (the host says it was), and leaves by its end; where that
    /// takes long the group goes with the container (<see cref="Remove"/>).
    /// </summary>
    private static nint Resume(ReadOnlySpan<byte> name)
    {
        nint result = -Sys.Ebusy;
        for (int pass = 0; result == -Sys.Ebusy && pass < Passes; pass++)
        {
            if (pass > 1) AwaitEnding(ControlGroupFiles.Number(Root, name, "cgroup.procs"u8));
            Each(ControlGroupFiles.Open(Root, name, "cgroup.procs"u8, 0), default);
            result = Remove(name);
        }
        return result == -Sys.Enoent ? 0 : result == -Sys.Ebusy ? ControlGroupFiles.Put(Root, name, "freezer.state"u8, "THAWED"u8) : result;
    }

    /// <summary>Removes the group, and the node's once no other is in there. -EBUSY: it has processes.</summary>
    public static nint Remove(ReadOnlySpan<byte> name)
    {
        nint result = ControlGroupFiles.RemoveDirectory(Root, name);
        if (result >= 0) ControlGroupFiles.RemoveDirectory(Root, Boot.Text(Node.GroupPrefix));
        return result;
    }

    /// <summary>The first process of the container that is not in the group; 0: none among the first. Both lists are in order.</summary>
    private static long Outside(ReadOnlySpan<byte> name)
    {
        const int Space = 4096;
        Span<byte> all = stackalloc byte[Space], moved = stackalloc byte[Space];
        int length = ControlGroupV1.List(name, all), other = ControlGroupFiles.Get(Root, name, "cgroup.procs"u8, moved);
        long process = 0;
        bool same = true;
        for (int i = 0; i < length; i++)
        {
            same &= i < other && all[i] == moved[i];
            if (all[i] != '\n') { process = process * 10 + all[i] - '0'; continue; }
            if (!same) return process;
            process = 0;
        }
        return 0;
    }

    /// <summary>Waits a little for the end of a process that the host does not move any more.</summary>
    private static void AwaitEnding(long process)
    {
        const int Milliseconds = 5;
        nint end = Host.Call(Sys.PidfdOpen, (nint)process, 0);
        if (end < 0) return; // it has ended, or there is none
        int* poll = stackalloc int[2];
        poll[0] = (int)end;
        poll[1] = Sys.EpollIn;
        Host.Call(Sys.Poll, (nint)poll, 1, Milliseconds);
        Host.Call(Sys.Close, end);
    }

    /// <summary>-EAGAIN: there may be more outside.</summary>
    private static nint Move(ReadOnlySpan<byte> name)
    {
        nint result = Each(ControlGroupV1.OpenProcesses(name), name);
        if (result < 0) return result;
        int all = ControlGroupV1.Count(name);
        return ControlGroupFiles.Lines(Root, name, "cgroup.procs"u8) == all && ControlGroupV1.Count(name) == all ? 0 : -Sys.Eagain;
    }

    /// <summary>Moves all processes of an open list to a group of the hierarchy, empty: its root; closes the list.</summary>
    private static nint Each(nint list, ReadOnlySpan<byte> group)
    {
        const int Space = 256;
        if (list < 0) return list;
        byte* text = stackalloc byte[Space];
        long process = 0;
        for (nint read; (read = Host.Call(Sys.Read, list, (nint)text, Space)) > 0;)
            for (int i = 0; i < read; i++)
            {
                if (text[i] != '\n') { process = process * 10 + text[i] - '0'; continue; }
                ControlGroupFiles.Put(Root, group, "cgroup.procs"u8, process); // one that has ended meanwhile is nowhere
                process = 0;
            }
        Host.Call(Sys.Close, list);
        return 0;
    }
}
