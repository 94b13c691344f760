using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// All processes of the host with the pid namespace that each is in, from /proc: how a container's are found where no control group lists them. Those of one container have one such namespace,
/// and none can leave it. One pass at a time.
/// </summary>
public unsafe struct ContainerProcesses
{
    private DirectoryEntries _entries;

    public void Begin()
    {
        fixed (byte* proc = "/proc"u8) _entries.Begin(proc);
    }

    /// <summary>The next process that has not ended. False: there is none, and the pass is over.</summary>
    /// <param name="process">Its number, as the kernel sees it.</param>
    /// <param name="world">Its pid namespace (<see cref="WorldOf"/>).</param>
    public bool Next(out long process, out ulong world)
    {
        while (_entries.NextNumber(out process))
            if ((world = WorldOf(process)) != 0) return true;
        world = 0;
        return false;
    }

    /// <summary>What tells a process's pid namespace from all others that are there; 0: the process has ended.</summary>
    public static ulong WorldOf(long process)
    {
        const int StatSize = 144, Inode = 8;
        byte* stat = stackalloc byte[StatSize];
        byte* path = stackalloc byte[48];
        var text = new TextWriter(new Span<byte>(path, 47));
        text.Add("/proc/"u8); text.Add(process); text.Add("/ns/pid"u8);
        path[text.Length] = 0;
        return Host.Call(Sys.Newfstatat, -100, (nint)path, (nint)stat, 0) < 0 ? 0 : *(ulong*)(stat + Inode);
    }

    /// <summary>What a process has read from and written to block devices.</summary>
    public static void AddDisks(long process, ref Sandbox.Usage used)
    {
        Span<byte> name = stackalloc byte[24];
        var number = new TextWriter(name);
        number.Add(process);
        Sandbox.DiskUse.AddProcess(number.Written, ref used);
    }

    /// <summary>Bytes of a process that are in memory (proc(5), statm); 0: it has ended.</summary>
    public static long Resident(long process)
    {
        const int PageSize = 4096;
        Span<byte> text = stackalloc byte[64];
        Span<byte> name = stackalloc byte[24];
        var number = new TextWriter(name);
        number.Add(process);
        int length = Sandbox.ControlGroupFiles.Get("/proc"u8, number.Written, "statm"u8, text);
        var fields = new FieldReader(text.Slice(0, length));
        fields.Next();
        long pages = FieldReader.Number(fields.Next());
        return pages < 0 ? 0 : pages * PageSize;
    }
}
