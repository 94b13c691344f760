using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>What lies over the files of /proc that tell of the host.</summary>
public static unsafe class Covers
{
    /// <summary>Names of /proc that no container is told, whatever facts its set names.</summary>
    private static ReadOnlySpan<byte> Always => "kallsyms kcore keys timer_list sched_debug config.gz sysrq-trigger kmsg key-users latency_stats cmdline iomem ioports interrupts diskstats partitions"u8;

    /// <summary>Puts them over the template's /proc.</summary>
    /// <param name="facts">What the container is told of the host.</param>
    /// <param name="root">It may be root.</param>
    public static nint Make(HostFact facts, bool root)
    {
        nint covered = CoverEach(Always, "/cover/null"u8);
        for (int part = 0; covered >= 0 && HostFacts.Silent(facts, root, part) is { Length: > 0 } names; part++) covered = CoverEach(names, "/cover/null"u8);
        return covered < 0 ? covered : CoverEach(HostFacts.Hollow(facts), "/proc/fs"u8); // a copy of that mount is as read-only
    }

    /// <summary>What is in directories of the container's /proc can be read only; it is in it as its root.</summary>
    /// <param name="facts">What the container is told of the host.</param>
    public static nint Freeze(HostFact facts)
    {
        nint frozen = Freeze("/proc/sys"u8);
        if (frozen < 0 || (facts & HostFact.Drivers) == 0) return frozen; // otherwise nothing is in the others
        return (frozen = Freeze("/proc/irq"u8)) < 0 || (frozen = Freeze("/proc/bus"u8)) < 0 ? frozen : Freeze("/proc/fs"u8);
    }

    private static nint Cover(ReadOnlySpan<byte> path, ReadOnlySpan<byte> with)
    {
        fixed (byte* p = path)
        fixed (byte* source = with) return Host.Call(Sys.Mount, (nint)source, (nint)p, 0, 0x1000);
    }

    /// <summary>Files and directories of /proc, separated by spaces; what this host has not is none to cover.</summary>
    private static nint CoverEach(ReadOnlySpan<byte> names, ReadOnlySpan<byte> with)
    {
        Span<byte> path = stackalloc byte[64];
        var fields = new FieldReader(names);
        for (var name = fields.Next(); name.Length > 0; name = fields.Next())
        {
            path.Clear();
            var text = new TextWriter(path);
            text.Add("/proc/"u8); text.Add(name);
            nint covered = Cover(path, with);
            if (covered < 0 && covered != -Sys.Enoent) return covered;
        }
        return 0;
    }

    /// <summary>One that this host has not is none to freeze.</summary>
    private static nint Freeze(ReadOnlySpan<byte> path)
    {
        const nint Bind = 0x1000, Remount = 0x20;
        fixed (byte* p = path)
        {
            nint result = Host.Call(Sys.Mount, (nint)p, (nint)p, 0, Bind);
            if (result < 0) return result == -Sys.Enoent ? 0 : result;
            return Host.Call(Sys.Mount, 0, (nint)p, 0, Bind | Remount | Mounting.ReadOnly | Mounting.NoSuid | Mounting.NoDev | Mounting.NoExec);
        }
    }
}
