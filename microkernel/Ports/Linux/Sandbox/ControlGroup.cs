using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>
/// Limits of one container as a control group (cgroup v1: memory, cpu, pids; kernel.org/doc Documentation/admin-guide/cgroup-v1). What a factory's quota
/// and a scheduling context say is what is written here. A host without the controllers gives <see cref="Unavailable"/>.
/// </summary>
public static unsafe class ControlGroup
{
    public const int Unavailable = -Sys.Enoent;
    private static ReadOnlySpan<byte> Root => "/sys/fs/cgroup/"u8;

    /// <summary>Makes the group in every controller and writes its limits (0: none). Negative errno of the first write that failed.</summary>
    public static nint Make(ReadOnlySpan<byte> name, long memoryBytes, long processes, long cpuMilli, long shares)
    {
        nint made = Each(name, Sys.Mkdirat);
        if (made < 0 && made != -Sys.Eexist) return made;
        nint result = 0;
        if (memoryBytes > 0) result = Put("memory"u8, name, "memory.limit_in_bytes"u8, memoryBytes);
        if (result >= 0 && processes > 0) result = Put("pids"u8, name, "pids.max"u8, processes);
        if (result >= 0 && shares > 1) result = Put("cpu"u8, name, "cpu.shares"u8, shares);
        if (result >= 0 && cpuMilli > 0)
        {
            result = Put("cpu"u8, name, "cpu.cfs_period_us"u8, 100000);
            if (result >= 0) result = Put("cpu"u8, name, "cpu.cfs_quota_us"u8, cpuMilli * 100);
        }
        return result < 0 ? result : 0;
    }

    /// <summary>
    /// Asks the host to make moving a process between groups cheap (favordynmods: 0.2 ms in place of some 10, at the price of a slightly dearer fork). The host keeps that as long as a hierarchy
    /// that asked for it exists: this one has no controllers, is attached nowhere, and goes with the descriptor, or -1 on a host that does not know the option.
    /// </summary>
    public static nint FavourMoves()
    {
        const int Tries = 20, Pause = 10;
        nint mounted = -1;
        // While the hierarchy of a kernel that has just ended is still going away, the host can not make it anew.
        for (int attempt = 0; attempt < Tries && (mounted = FavouringHierarchy()) == -Sys.Eagain; attempt++) Host.Call(Sys.Poll, 0, 0, Pause);
        return mounted < 0 ? -1 : mounted;
    }

    /// <summary>-EAGAIN: it is being removed; another error: the host does not know the option.</summary>
    private static nint FavouringHierarchy()
    {
        const int SetFlag = 0, SetString = 1, Create = 6;
        fixed (byte* type = "cgroup"u8)
        fixed (byte* none = "none"u8)
        fixed (byte* name = "name"u8)
        fixed (byte* own = "eyrie"u8)
        fixed (byte* favour = "favordynmods"u8)
        {
            nint context = Host.Call(Sys.Fsopen, (nint)type, 1);
            if (context < 0) return context;
            nint result = Host.Call(Sys.Fsconfig, context, SetFlag, (nint)none, 0, 0);
            if (result >= 0) result = Host.Call(Sys.Fsconfig, context, SetString, (nint)name, (nint)own, 0);
            if (result >= 0) result = Host.Call(Sys.Fsconfig, context, SetFlag, (nint)favour, 0, 0);
            if (result >= 0) result = Host.Call(Sys.Fsconfig, context, Create, 0, 0, 0) < 0 ? -Sys.Eagain : Host.Call(Sys.Fsmount, context, 1, 0);
            Host.Call(Sys.Close, context);
            return result;
        }
    }

    /// <summary>Puts the calling process into the group, in every controller.</summary>
    public static nint Enter(ReadOnlySpan<byte> name)
    {
        nint result = Put("memory"u8, name, "cgroup.procs"u8, 0);
        if (result >= 0) result = Put("cpu"u8, name, "cgroup.procs"u8, 0);
        if (result >= 0) result = Put("cpuacct"u8, name, "cgroup.procs"u8, 0);
        if (result >= 0) result = Put("pids"u8, name, "cgroup.procs"u8, 0);
        return result < 0 ? result : 0;
    }

    /// <summary>Removes the group; its processes must have ended.</summary>
    public static nint Remove(ReadOnlySpan<byte> name) => Each(name, Sys.Unlinkat);

    /// <summary>Whether the kernel has killed a process of this group for want of memory.</summary>
    public static bool OutOfMemory(ReadOnlySpan<byte> name)
    {
        Span<byte> text = stackalloc byte[128];
        int length = Get("memory"u8, name, "memory.oom_control"u8, text);
        var rest = (ReadOnlySpan<byte>)text.Slice(0, length);
        for (int i = 0; i + 9 < rest.Length; i++)
            if (rest.Slice(i).StartsWith("oom_kill "u8)) return rest[i + 9] != '0';
        return false;
    }

    /// <summary>Bytes of files in the page cache that the host may take back at once (inactive_file): charged to the group, and no part of what it works with.</summary>
    public static long IdleFiles(ReadOnlySpan<byte> name)
    {
        Span<byte> text = stackalloc byte[2048];
        int length = Get("memory"u8, name, "memory.stat"u8, text);
        var rest = (ReadOnlySpan<byte>)text.Slice(0, length);
        for (int end = rest.IndexOf((byte)'\n'); end >= 0; rest = rest.Slice(end + 1), end = rest.IndexOf((byte)'\n'))
            if (rest.StartsWith("total_inactive_file "u8)) return FieldReader.Number(rest.Slice(20, end - 20));
        return 0;
    }

    /// <summary>One number of one controller, or 0.</summary>
    public static long Number(ReadOnlySpan<byte> controller, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file)
    {
        Span<byte> text = stackalloc byte[32];
        int length = Get(controller, name, file, text);
        var line = (ReadOnlySpan<byte>)text.Slice(0, length);
        int end = line.IndexOf((byte)'\n');
        long value = FieldReader.Number(end < 0 ? line : line.Slice(0, end));
        return value < 0 ? 0 : value;
    }

    /// <summary>The list of the group's processes, one a line; a descriptor, or negative.</summary>
    public static nint OpenProcesses(ReadOnlySpan<byte> name)
    {
        Span<byte> path = stackalloc byte[256];
        Path(path, "pids"u8, name, "cgroup.procs"u8);
        fixed (byte* p = path) return Host.Call(Sys.Openat, -100, (nint)p, Sys.Cloexec);
    }

    private static nint Each(ReadOnlySpan<byte> name, int call)
    {
        nint worst = 0;
        for (int i = 0; i < 4; i++)
        {
            ReadOnlySpan<byte> controller = i switch { 0 => "memory"u8, 1 => "cpu"u8, 2 => "cpuacct"u8, _ => "pids"u8 };
            Span<byte> path = stackalloc byte[256];
            Path(path, controller, name, default);
            nint result;
            fixed (byte* p = path) result = Host.Call(call, -100, (nint)p, call == Sys.Mkdirat ? 0x1ED : 0x200);
            if (result < 0) worst = result;
        }
        return worst;
    }

    private static void Path(Span<byte> buffer, ReadOnlySpan<byte> controller, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file)
    {
        var path = new TextWriter(buffer.Slice(0, buffer.Length - 1));
        path.Add(Root); path.Add(controller); path.Add((byte)'/'); path.Add(name);
        if (file.Length > 0) { path.Add((byte)'/'); path.Add(file); }
        buffer[path.Length] = 0;
    }

    private static nint Put(ReadOnlySpan<byte> controller, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file, long value)
    {
        Span<byte> path = stackalloc byte[256];
        Path(path, controller, name, file);
        Span<byte> text = stackalloc byte[24];
        var number = new TextWriter(text);
        number.Add(value);
        fixed (byte* p = path)
        fixed (byte* t = text)
        {
            nint fd = Host.Call(Sys.Openat, -100, (nint)p, Sys.WriteOnly | Sys.Cloexec);
            if (fd < 0) return fd;
            nint written = Host.Call(Sys.Write, fd, (nint)t, number.Length);
            Host.Call(Sys.Close, fd);
            return written;
        }
    }

    private static int Get(ReadOnlySpan<byte> controller, ReadOnlySpan<byte> name, ReadOnlySpan<byte> file, Span<byte> into)
    {
        Span<byte> path = stackalloc byte[256];
        Path(path, controller, name, file);
        fixed (byte* p = path)
        fixed (byte* t = into)
        {
            nint fd = Host.Call(Sys.Openat, -100, (nint)p, Sys.Cloexec);
            if (fd < 0) return 0;
            nint read = Host.Call(Sys.Read, fd, (nint)t, into.Length);
            Host.Call(Sys.Close, fd);
            return read < 0 ? 0 : (int)read;
        }
    }
}
