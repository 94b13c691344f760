using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>File systems and copies of mounts, put onto directories that are held open: no path is looked up twice.</summary>
public static unsafe class Mounting
{
    public const nint ReadOnly = 1, NoSuid = 2, NoDev = 4, NoExec = 8;

    /// <summary>A file system of a type on a directory, which is the working directory then.</summary>
    public static nint Over(nint directory, ReadOnlySpan<byte> type, nint flags, ReadOnlySpan<byte> options)
    {
        nint result = Host.Call(Sys.Fchdir, directory);
        if (result < 0) return result;
        fixed (byte* dot = "."u8)
        fixed (byte* t = type)
        fixed (byte* o = options) return Host.Call(Sys.Mount, (nint)t, (nint)dot, (nint)t, flags, (nint)o);
    }

    /// <summary>A file system of a type on a directory of the root, made when it is missing; links in the image cannot lead the mount out.</summary>
    public static nint OnPath(nint root, ReadOnlySpan<byte> directory, ReadOnlySpan<byte> type, nint flags, ReadOnlySpan<byte> options)
    {
        nint target = Point(root, directory, true);
        return target < 0 ? target : Over(target, type, flags, options);
    }

    /// <summary>A mount point inside the root: opened there, or made with its parents.</summary>
    public static nint Point(nint root, ReadOnlySpan<byte> path, bool directory)
    {
        while (path.Length > 0 && path[0] == '/') path = path.Slice(1);
        if (path.Length == 0) return -Sys.Einval;
        nint found = Beneath.Open(root, path, Sys.OPath, Beneath.InRoot);
        if (found != -Sys.Enoent) return found;
        nint parent = root;
        int begin = 0;
        while (true)
        {
            int slash = path.Slice(begin).IndexOf((byte)'/');
            var name = slash < 0 ? path.Slice(begin) : path.Slice(begin, slash);
            byte* text = stackalloc byte[256];
            if (name.Length > 255) return -Sys.Einval;
            name.CopyTo(new Span<byte>(text, 256));
            text[name.Length] = 0;
            bool last = slash < 0;
            nint made = last && !directory ? Host.Call(Sys.Mknodat, parent, (nint)text, 0x8000 | 0x1A4, 0) : Host.Call(Sys.Mkdirat, parent, (nint)text, 0x1ED);
            if (made < 0 && made != -Sys.Eexist) return made;
            nint next = Beneath.Open(root, path.Slice(0, begin + name.Length), Sys.OPath, Beneath.InRoot); // from the root, which links such as /var/run begin at
            if (next < 0 || last) return next;
            parent = next;
            begin += slash + 1;
        }
    }

    /// <summary>A detached copy of one mount, with attributes, moved onto a point: at no moment is it attached without them.</summary>
    /// <param name="below">With what is mounted beneath it, as that is.</param>
    public static nint Attach(nint from, nint point, nint attributes, bool below = false)
    {
        nint tree = Copy(from, attributes, below);
        return tree < 0 ? tree : Put(tree, point);
    }

    /// <summary>A detached copy of one mount of this namespace, with attributes; a descriptor, or a negative errno.</summary>
    public static nint Copy(nint from, nint attributes, bool below = false)
    {
        fixed (byte* empty = "\0"u8)
        {
            nint tree = Host.Call(Sys.OpenTree, from, (nint)empty, 0x1000 | 1 | (below ? 0x8000 : 0) | Sys.Cloexec); // AT_EMPTY_PATH | OPEN_TREE_CLONE | AT_RECURSIVE
            if (tree < 0) return tree;
            nint result = Set(tree, attributes);
            if (result >= 0) return tree;
            Host.Call(Sys.Close, tree);
            return result;
        }
    }

    /// <summary>A detached tree becomes what is mounted on a point.</summary>
    public static nint Put(nint tree, nint point)
    {
        nint result;
        fixed (byte* empty = "\0"u8) result = Host.Call(Sys.MoveMount, tree, (nint)empty, point, (nint)empty, 4 | 0x40); // both paths empty
        Host.Call(Sys.Close, tree);
        return result;
    }

    /// <summary>Gives one mount attributes; what is mounted inside it stays as it is.</summary>
    public static nint Set(nint mount, nint attributes)
    {
        ulong* change = stackalloc ulong[4];
        change[0] = (ulong)attributes;
        change[1] = change[2] = change[3] = 0;
        fixed (byte* empty = "\0"u8) return Host.Call(Sys.MountSetattr, mount, (nint)empty, 0x1000, (nint)change, 32); // AT_EMPTY_PATH
    }
}
