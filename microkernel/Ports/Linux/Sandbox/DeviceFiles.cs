using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>/dev of a container: six devices, terminals of its own, memory that its processes share.</summary>
public static unsafe class DeviceFiles
{
    /// <summary>Makes it in the template's place for it.</summary>
    /// <param name="memory">The container's file system in memory, which holds it.</param>
    public static nint Make(nint memory)
    {
        nint dev = Beneath.Open(memory, "dev"u8, Sys.OPath | Sys.Directory), result;
        if (dev < 0) return dev;
        if ((result = Device(dev, "null"u8, 1, 3)) < 0) return result;
        if ((result = Device(dev, "zero"u8, 1, 5)) < 0) return result;
        if ((result = Device(dev, "full"u8, 1, 7)) < 0) return result;
        if ((result = Device(dev, "random"u8, 1, 8)) < 0) return result;
        if ((result = Device(dev, "urandom"u8, 1, 9)) < 0) return result;
        if ((result = Device(dev, "tty"u8, 5, 0)) < 0) return result;
        Link(dev, "ptmx"u8, "pts/ptmx"u8);
        Link(dev, "fd"u8, "/proc/self/fd"u8);
        Link(dev, "stdin"u8, "/proc/self/fd/0"u8);
        Link(dev, "stdout"u8, "/proc/self/fd/1"u8);
        Link(dev, "stderr"u8, "/proc/self/fd/2"u8);
        if ((result = Mounting.Attach(dev, Template.Open(Template.Cover), Mounting.NoSuid | Mounting.NoExec | Mounting.ReadOnly)) < 0) return result;
        if ((result = Mounting.Attach(dev, Template.Open(Template.Dev), Mounting.NoSuid | Mounting.NoExec)) < 0) return result;
        nint mounted = Template.Open(Template.Dev); // what is mounted there now
        if (mounted < 0) return mounted;
        if ((result = Mounting.OnPath(mounted, "pts"u8, "devpts"u8, Mounting.NoSuid | Mounting.NoExec, "newinstance,ptmxmode=0666,mode=620,gid=5"u8)) < 0) return result;
        return Part(memory, "shm"u8, mounted, "shm"u8, Mounting.NoSuid | Mounting.NoDev | Mounting.NoExec);
    }

    /// <summary>A directory of the container's file system in memory, mounted by itself on one of a root.</summary>
    private static nint Part(nint memory, ReadOnlySpan<byte> directory, nint root, ReadOnlySpan<byte> target, nint attributes)
    {
        nint from = Beneath.Open(memory, directory, Sys.OPath | Sys.Directory), point = Mounting.Point(root, target, true);
        return from < 0 ? from : point < 0 ? point : Mounting.Attach(from, point, attributes);
    }

    /// <summary>Nothing is made or removed in /dev any more; what is mounted inside it stays as it is.</summary>
    public static nint Freeze(nint root)
    {
        nint dev = Beneath.Open(root, "dev"u8, Sys.OPath | Sys.Directory, Beneath.InRoot);
        return dev < 0 ? dev : Mounting.Set(dev, Mounting.ReadOnly);
    }

    private static nint Device(nint directory, ReadOnlySpan<byte> name, int major, int minor)
    {
        fixed (byte* p = name) return Host.Call(Sys.Mknodat, directory, (nint)p, 0x2000 | 0x1B6, major << 8 | minor);
    }

    private static void Link(nint directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> target)
    {
        fixed (byte* n = name)
        fixed (byte* t = target) Host.Call(Sys.Symlinkat, (nint)t, directory, (nint)n);
    }
}
