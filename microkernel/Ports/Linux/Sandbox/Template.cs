using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>
/// The mount namespace that every container's is copied from: an empty root with the node's directory and places for what a container's world begins with. A copy of the host's own namespace would cost a start all of the
/// host's mounts, and taking them out again.
/// </summary>
public static unsafe class Template
{
    private const nint NewMounts = 0x00020000;

    public static ReadOnlySpan<byte> NodeRoot => "/node"u8;
    public static ReadOnlySpan<byte> Memory => "/memory"u8;
    /// <summary>Where /proc, /dev and what covers files are mounted as long as the image is not there.</summary>
    public static ReadOnlySpan<byte> Proc => "/proc"u8;
    public static ReadOnlySpan<byte> Dev => "/dev"u8;
    public static ReadOnlySpan<byte> Cover => "/cover"u8;

    /// <summary>Makes it in a process of its own, since whoever enters another mount namespace loses the root and the working directory that it was started with. A descriptor of the namespace, or a negative errno.</summary>
    /// <param name="nodeRoot">Absolute path. What is mounted below it now is there, but for volumes in memory, which would live as long as the kernel then; what will be mounted is not.</param>
    public static nint Make(byte* nodeRoot)
    {
        const ulong SharedFiles = 0x400, AnyChild = 0x40000000;
        const int Size = 88;
        nint made = Current();
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
        fixed (byte* proc = Proc)
        fixed (byte* dev = Dev)
        fixed (byte* cover = Cover)
        {
            nint own = Current();
            if (own < 0 || (result = Host.Call(Sys.Dup3, own, made, Sys.Cloexec)) < 0) return -Sys.Einval;
            Host.Call(Sys.Close, own);
            if ((result = Host.Call(Sys.Mount, 0, (nint)slash, 0, Private)) < 0) return result;
            nint root = Host.Call(Sys.Openat, -100, (nint)nodeRoot, Sys.OPath | Sys.Directory | Sys.Cloexec);
            nint tree = root < 0 ? root : Host.Call(Sys.OpenTree, root, (nint)empty, 0x1000 | 1 | 0x8000 | Sys.Cloexec); // AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE
            if (tree < 0) return tree;
            nint place = Beneath.Open(root, "empty"u8, Sys.OPath | Sys.Directory);
            if (place < 0 || (result = Mounting.Over(place, "tmpfs"u8, 0, "size=4k,mode=755"u8)) < 0) return -Sys.Einval;
            nint scratch = Beneath.Open(root, "empty"u8, Sys.OPath | Sys.Directory); // what is mounted there now
            if (scratch < 0 || (result = Host.Call(Sys.Fchdir, scratch)) < 0) return scratch < 0 ? scratch : result;
            if ((result = Host.Call(Sys.Mkdirat, scratch, (nint)(node + 1), Mode)) < 0 || (result = Host.Call(Sys.Mkdirat, scratch, (nint)(memory + 1), Mode)) < 0
                || (result = Host.Call(Sys.Mkdirat, scratch, (nint)(proc + 1), Mode)) < 0 || (result = Host.Call(Sys.Mkdirat, scratch, (nint)(dev + 1), Mode)) < 0
                || (result = Host.Call(Sys.Mkdirat, scratch, (nint)(cover + 1), Mode)) < 0) return result;
            if ((result = Host.Call(Sys.MoveMount, tree, (nint)empty, scratch, (nint)(node + 1), 4)) < 0) return result; // an empty path
            if ((result = Host.Call(Sys.Chdir, (nint)(node + 1))) < 0 || (result = DropMemory()) < 0 || (result = Host.Call(Sys.Fchdir, scratch)) < 0) return result;
            if ((result = Host.Call(Sys.PivotRoot, (nint)dot, (nint)dot)) < 0 || (result = Host.Call(Sys.Umount2, (nint)dot, Detach)) < 0) return result;
            Host.Call(Sys.Close, place); // of what both processes have, only the namespace stays
            Host.Call(Sys.Close, root);
            Host.Call(Sys.Close, tree);
            Host.Call(Sys.Close, scratch);
            return Host.Call(Sys.Mount, 0, (nint)slash, 0, 0x1000 | 0x20 | ReadOnly); // MS_BIND | MS_REMOUNT
        }
    }

    /// <summary>Takes out every file system in memory below the working directory (/proc/self/mountinfo, proc(5)).</summary>
    private static nint DropMemory()
    {
        const int Most = 1 << 20, PathMost = 4096, MountPoint = 4;
        byte* text = Node.Allocate(Most), here = stackalloc byte[PathMost], path = stackalloc byte[PathMost];
        nint length = Host.Call(Sys.Getcwd, (nint)here, PathMost) - 1, file = Open("/proc/self/mountinfo"u8, 0); // the length with its zero
        if (text == null || length < 0 || file < 0) return -Sys.Einval;
        int size = 0;
        for (nint read = 1; read > 0 && size < Most; size += read > 0 ? (int)read : 0) read = Host.Call(Sys.Read, file, (nint)(text + size), Most - size);
        for (var rest = new ReadOnlySpan<byte>(text, size); rest.IndexOf((byte)'\n') is var end and >= 0; rest = rest.Slice(end + 1))
        {
            var fields = new FieldReader(rest.Slice(0, end));
            ReadOnlySpan<byte> point = default;
            for (int i = 0; i <= MountPoint; i++) point = fields.Next();
            for (var field = fields.Next(); field.Length > 0 && !field.SequenceEqual("-"u8);) field = fields.Next(); // optional ones
            if (!fields.Next().SequenceEqual("tmpfs"u8)) continue;
            if (!Unescaped(point, path, PathMost) || !Boot.Text(path).StartsWith(new ReadOnlySpan<byte>(here, (int)length)) || path[length] != '/') continue;
            nint result = Host.Call(Sys.Umount2, (nint)path, 2); // MNT_DETACH
            if (result < 0 && result != -Sys.Einval && result != -Sys.Enoent) return result; // gone with one that it was mounted on
        }
        Host.Call(Sys.Close, file);
        return 0;
    }

    /// <summary>A path of mountinfo, where blanks and backslashes are three octal digits after a backslash, with a zero. False: it is too long.</summary>
    private static bool Unescaped(ReadOnlySpan<byte> text, byte* path, int most)
    {
        int length = 0;
        for (int i = 0; i < text.Length; i++, length++)
        {
            if (length == most - 1) return false;
            bool escaped = text[i] == '\\' && i + 3 < text.Length;
            path[length] = escaped ? (byte)((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 | (text[i + 3] - '0')) : text[i];
            if (escaped) i += 3;
        }
        path[length] = 0;
        return true;
    }

    /// <summary>The calling process goes into a copy, whose root it has then.</summary>
    public static nint Enter(int template)
    {
        nint result = Host.Call(Sys.Setns, template, NewMounts);
        return result < 0 ? result : Host.Call(Sys.Unshare, NewMounts);
    }

    /// <summary>The calling process goes into a mount namespace that it was in, or the kernel is in.</summary>
    public static nint Return(nint mounts) => Host.Call(Sys.Setns, mounts, NewMounts);

    /// <summary>The mount namespace that the calling process is in; a descriptor, or a negative errno.</summary>
    public static nint Current() => Open("/proc/self/ns/mnt"u8, 0);

    /// <summary>A directory of the copy that the calling process is in.</summary>
    public static nint Open(ReadOnlySpan<byte> path) => Open(path, Sys.OPath | Sys.Directory);

    private static nint Open(ReadOnlySpan<byte> path, nint flags)
    {
        fixed (byte* p = path) return Host.Call(Sys.Openat, -100, (nint)p, flags | Sys.Cloexec);
    }
}
