using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>
/// What a container is told of the host it runs on. Of facts that its set does not name, the files of /proc hold its own quota, zeros, or nothing; sysinfo(2) is answered likewise
/// (<see cref="Told"/>). Mounts over the files of its own /proc, so that no other container is concerned.
/// </summary>
public static unsafe class HostFacts
{
    private const int Most = 1 << 18, SysinfoSize = 112;
    private const nint Closed = 1 | 2 | 4 | 8; // read-only, nosuid, nodev, noexec
    private static byte* s_idle;
    private static int s_idleLength;

    /// <summary>/proc/stat of a host that does nothing: its processors by name, since libraries count them there, and when it was started.</summary>
    public static bool Initialize()
    {
        byte* read = Node.Allocate(Most);
        s_idle = Node.Allocate(Most, born: true);
        if (read == null || s_idle == null) return false;
        int length = 0;
        fixed (byte* path = "/proc/stat"u8)
        {
            nint file = Host.Call(Sys.Openat, -100, (nint)path, Sys.Cloexec);
            if (file < 0) return false;
            for (nint got = 1; got > 0 && length < Most; length += got > 0 ? (int)got : 0) got = Host.Call(Sys.Read, file, (nint)(read + length), Most - length);
            Host.Call(Sys.Close, file);
        }
        var rest = new ReadOnlySpan<byte>(read, length);
        var text = new TextWriter(new Span<byte>(s_idle, Most));
        while (rest.Length > 0)
        {
            int end = rest.IndexOf((byte)'\n');
            var line = end < 0 ? rest : rest.Slice(0, end);
            rest = end < 0 ? default : rest.Slice(end + 1);
            if (line.StartsWith("cpu"u8)) { text.Add(line.Slice(0, line.IndexOf((byte)' '))); text.Add(line.StartsWith("cpu "u8) ? "  0 0 0 0 0 0 0 0 0 0\n"u8 : " 0 0 0 0 0 0 0 0 0 0\n"u8); }
            else if (line.StartsWith("btime "u8)) { text.Add("intr 0\nctxt 0\n"u8); text.Add(line); text.Add("\nprocesses 0\nprocs_running 1\nprocs_blocked 0\n"u8); }
        }
        s_idleLength = text.Length;
        Host.Call(Sys.Munmap, (nint)read, Most);
        return !text.Overflowed;
    }

    /// <summary>What the description names.</summary>
    public static HostFact Named(StartDescription description) => (HostFact)description.Number(StartTag.HostFacts, 0);

    /// <summary>Files of /proc that tell of facts which are not named, and have nothing to say otherwise; separated by spaces. Those of mode 0400 are covered for root alone: nobody else reads them, and no program gains what it has not.</summary>
    /// <param name="named">The facts that the container is told.</param>
    /// <param name="root">It may be root.</param>
    /// <param name="part">From 0; an empty answer: there are no more parts.</param>
    public static ReadOnlySpan<byte> Silent(HostFact named, bool root, int part) => part switch
    {
        0 => (named & HostFact.Memory) != 0 ? " "u8 : "vmstat zoneinfo buddyinfo swaps"u8,
        1 => (named & HostFact.Load) != 0 ? " "u8 : "schedstat softirqs locks"u8,
        2 => (named & HostFact.Drivers) != 0 ? " "u8 : "modules devices filesystems misc crypto cgroups consoles execdomains fb dma mdstat mtrr"u8,
        3 => (named & HostFact.Memory) != 0 || !root ? default : "pagetypeinfo slabinfo vmallocinfo kpagecgroup kpagecount kpageflags"u8,
        _ => default,
    };

    /// <summary>Directories of /proc that are to be as empty as <see cref="Empty"/>, when that has been made so; separated by spaces.</summary>
    public static ReadOnlySpan<byte> Hollow(HostFact named) => (named & HostFact.Drivers) != 0 ? default : "acpi bus driver irq scsi"u8;

    /// <summary>A directory of every /proc.</summary>
    private static ReadOnlySpan<byte> Empty => "fs"u8;

    /// <summary>Puts files and directories that say something else over those of the template's /proc which tell of facts that are not named, but for the memory's.</summary>
    /// <param name="memory">The container's file system in memory, for what the files hold instead.</param>
    /// <param name="named">The facts that it is told.</param>
    public static nint Replace(nint memory, HostFact named)
    {
        nint result, root = Template.Open("/"u8);
        if (root < 0 || named == HostFact.All) return root < 0 ? root : 0;
        nint nowhere = Folder(memory);
        if (nowhere < 0) return nowhere;
        if ((named & HostFact.Load) == 0)
        {
            nint load = Made(memory, "loadavg"u8, "0.00 0.00 0.00 1/1 1\n"u8), idle = Made(memory, "stat"u8, new ReadOnlySpan<byte>(s_idle, s_idleLength));
            if ((result = Over(root, load, "loadavg"u8)) < 0 || (result = Over(root, idle, "stat"u8)) < 0 || (result = Over(root, nowhere, "pressure"u8)) < 0) return result;
        }
        return (named & HostFact.Drivers) != 0 ? 0 : Over(root, nowhere, Empty);
    }

    /// <summary>The memory that a container is told of, where it is not the host's: its quota.</summary>
    /// <param name="child">The container.</param>
    /// <param name="root">Its root, with its /proc.</param>
    public static nint ReplaceMemory(ref Launcher.Child child, nint root)
    {
        if ((Named(child.Description) & HostFact.Memory) != 0) return 0;
        Span<byte> text = stackalloc byte[512];
        return Over(root, Made(child.Memory, "meminfo"u8, Memory(text, Promised(child.Description.Number(StartTag.Memory, 0)))), "meminfo"u8);
    }

    /// <summary>Bytes of memory that a container is told the host has.</summary>
    private static long Promised(long quota) => quota > 0 ? quota : 1L << 30;

    private static ReadOnlySpan<byte> Memory(Span<byte> buffer, long bytes)
    {
        var text = new TextWriter(buffer);
        Kilobytes(ref text, "MemTotal:"u8, bytes);
        Kilobytes(ref text, "MemFree:"u8, bytes);
        Kilobytes(ref text, "MemAvailable:"u8, bytes);
        Kilobytes(ref text, "Buffers:"u8, 0);
        Kilobytes(ref text, "Cached:"u8, 0);
        Kilobytes(ref text, "SwapTotal:"u8, 0);
        Kilobytes(ref text, "SwapFree:"u8, 0);
        return text.Written;
    }

    private static void Kilobytes(ref TextWriter text, ReadOnlySpan<byte> name, long bytes)
    {
        text.Add(name); text.Add((byte)' '); text.Add(bytes >> 10); text.Add(" kB\n"u8);
    }

    /// <summary>A file of the memory with this text; a descriptor of it, or a negative errno.</summary>
    private static nint Made(nint memory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> text)
    {
        fixed (byte* path = name)
        fixed (byte* bytes = text)
        {
            nint file = Host.Call(Sys.Openat, memory, (nint)path, Sys.ReadWrite | Sys.Create | Sys.Cloexec, 0x124);
            if (file < 0 || text.Length == 0) return file;
            nint written = Host.Call(Sys.Write, file, (nint)bytes, text.Length);
            return written == text.Length ? file : written < 0 ? written : -Sys.Einval;
        }
    }

    private static nint Folder(nint memory)
    {
        fixed (byte* path = "nowhere"u8)
        {
            nint made = Host.Call(Sys.Mkdirat, memory, (nint)path, 0x16D);
            return made < 0 ? made : Host.Call(Sys.Openat, memory, (nint)path, Sys.OPath | Sys.Directory | Sys.Cloexec);
        }
    }

    /// <summary>Mounts it over a name of /proc; one that this host has not is none to hide.</summary>
    private static nint Over(nint root, nint what, ReadOnlySpan<byte> name)
    {
        if (what < 0) return what;
        Span<byte> path = stackalloc byte[64];
        var text = new TextWriter(path);
        text.Add("proc/"u8); text.Add(name);
        nint point = Beneath.Open(root, text.Written, Sys.OPath, Beneath.InRoot);
        if (point == -Sys.Enoent) return 0;
        if (point < 0) return point;
        nint result = Mounting.Attach(what, point, Closed);
        Host.Call(Sys.Close, point);
        return result;
    }

    /// <summary>Answers sysinfo(2) of a container: as the host does, but for the facts that it is not to know.</summary>
    /// <returns>0, or a negative errno.</returns>
    public static long Told(int thread, ulong address, HostFact named, long quota)
    {
        const int Loads = 8, Total = 32, Free = 40, Shared = 48, Processes = 80, High = 88, Unit = 104;
        byte* info = stackalloc byte[SysinfoSize];
        nint result = Host.Call(Sys.Sysinfo, (nint)info);
        if (result < 0) return result;
        if ((named & HostFact.Load) == 0)
        {
            for (int i = Loads; i < Total; i++) info[i] = 0;
            *(ushort*)(info + Processes) = 1;
        }
        if ((named & HostFact.Memory) == 0)
        {
            *(long*)(info + Total) = *(long*)(info + Free) = Promised(quota);
            for (int i = Shared; i < Processes; i++) info[i] = 0;
            for (int i = High; i < Unit; i++) info[i] = 0;
            *(uint*)(info + Unit) = 1;
        }
        ulong* local = stackalloc ulong[2];
        ulong* remote = stackalloc ulong[2];
        (local[0], remote[0]) = ((ulong)info, address);
        local[1] = remote[1] = SysinfoSize;
        return Host.Call(Sys.ProcessVmWritev, thread, (nint)local, 1, (nint)remote, 1, 0) == SysinfoSize ? 0 : -14; // EFAULT
    }
}
