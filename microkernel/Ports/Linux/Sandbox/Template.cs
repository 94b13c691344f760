using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>
/// The mount namespace that every container's is copied from: an empty root with the node's directory and a place for the container's file system in memory. A copy of the host's own namespace would cost a start all of the
/// host's mounts, and taking them out again.
/// </summary>
public static unsafe class Template
{
    private const nint NewMounts = 0x00020000;

    public static ReadOnlySpan<byte> NodeRoot => "/node"u8;
    public static ReadOnlySpan<byte> Memory => "/memory"u8;

    /// <summary>Makes it in a process of its own, since whoever enters another mount namespace loses the root and the working directory that it was started with. A descriptor of the namespace, or a negative errno.</summary>
    /// <param name="nodeRoot">Absolute path. What is mounted below it now is there; what will be is not.</param>
    public static nint Make(byte* nodeRoot)
    {
        const ulong SharedFiles = 0x400, AnyChild = 0x40000000;
        const int Size = 88;
        nint made = Open("/proc/self/ns/mnt"u8, 0);
        if (made < 0) return made;
        ulong* arguments = stackalloc ulong[Size / 8]; // struct clone_args, of which the flags count
        for (int i = 0; i < Size / 8; i++) arguments[i] = 0;
        arguments[0] = SharedFiles | (ulong)NewMounts;
        nint maker = Host.Call(Sys.Clone3, (nint)arguments, Size);
        if (maker == 0) Host.Call(Sys.ExitGroup, Build(nodeRoot, made) < 0 ? 1 : 0);
        int status = -1;
        if (maker > 0) Host.Call(Sys.Wait4, maker, (nint)(&status), (nint)AnyChild, 0);
        if (status == 0) return made;
        Host.Call(Sys.Close, made);
        return maker < 0 ? maker : -Sys.Einval;
    }

    /// <param name="made">The descriptor, which both processes have, that becomes one of the namespace.</param>
    private static nint Build(byte* nodeRoot, nint made)
    {
        const nint Private = 0x44000, Detach = 2, Mode = 0x1ED, ReadOnly = 1;
        nint result;
        fixed (byte* slash = "/"u8)
        fixed (byte* dot = "."u8)
        fixed (byte* empty = "\0"u8)
        fixed (byte* node = NodeRoot)
        fixed (byte* memory = Memory)
        {
            nint own = Open("/proc/self/ns/mnt"u8, 0);
            if (own < 0 || (result = Host.Call(Sys.Dup3, own, made, Sys.Cloexec)) < 0) return -Sys.Einval;
            if ((result = Host.Call(Sys.Mount, 0, (nint)slash, 0, Private)) < 0) return result;
            nint root = Host.Call(Sys.Openat, -100, (nint)nodeRoot, Sys.OPath | Sys.Directory | Sys.Cloexec);
            nint tree = root < 0 ? root : Host.Call(Sys.OpenTree, root, (nint)empty, 0x1000 | 1 | 0x8000 | Sys.Cloexec); // AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE
            if (tree < 0) return tree;
            if ((result = World.MountOver(World.OpenBeneath(root, "empty"u8, Sys.OPath | Sys.Directory), "tmpfs"u8, 0, "size=4k,mode=755"u8)) < 0) return result;
            nint scratch = World.OpenBeneath(root, "empty"u8, Sys.OPath | Sys.Directory); // what is mounted there now
            if (scratch < 0 || (result = Host.Call(Sys.Fchdir, scratch)) < 0) return scratch < 0 ? scratch : result;
            if ((result = Host.Call(Sys.Mkdirat, scratch, (nint)(node + 1), Mode)) < 0 || (result = Host.Call(Sys.Mkdirat, scratch, (nint)(memory + 1), Mode)) < 0) return result;
            if ((result = Host.Call(Sys.MoveMount, tree, (nint)empty, scratch, (nint)(node + 1), 4)) < 0) return result; // an empty path
            if ((result = Host.Call(Sys.PivotRoot, (nint)dot, (nint)dot)) < 0 || (result = Host.Call(Sys.Umount2, (nint)dot, Detach)) < 0) return result;
            return Host.Call(Sys.Mount, 0, (nint)slash, 0, 0x1000 | 0x20 | ReadOnly); // MS_BIND | MS_REMOUNT
        }
    }

    /// <summary>The calling process goes into a copy, whose root it has then.</summary>
    public static nint Enter(int template)
    {
        nint result = Host.Call(Sys.Setns, template, NewMounts);
        return result < 0 ? result : Host.Call(Sys.Unshare, NewMounts);
    }

    /// <summary>A directory of the copy that the calling process is in.</summary>
    public static nint Open(ReadOnlySpan<byte> path) => Open(path, Sys.OPath | Sys.Directory);

    private static nint Open(ReadOnlySpan<byte> path, nint flags)
    {
        fixed (byte* p = path) return Host.Call(Sys.Openat, -100, (nint)p, flags | Sys.Cloexec);
    }
}
