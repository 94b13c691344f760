using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>What the description has mounted into the image.</summary>
public static unsafe class Volumes
{
    /// <summary>Mounts of one container.</summary>
    public const int Most = 256;

    /// <summary>Detached copies of what is mounted into the container, one for each mount that has a source, taken in the mount namespace of the kernel: of another one's mounts there are no copies.</summary>
    public static nint Take(ref Launcher.Child child, nint* trees)
    {
        if (child.Description.Count(StartTag.Mount) > Most) return -Sys.Einval;
        nint own = 0;
        int at = 0;
        for (int i = 0; child.Description.Next(StartTag.Mount, ref at, out byte* value, out int size); i++)
        {
            if (!Mount(value, size, out bool readOnly, out _, out var source, out _)) return -Sys.Einval;
            trees[i] = 0;
            if (source.Length == 0) continue;
            nint result = own != 0 ? 0 : (own = Template.Current()) < 0 ? own : Template.Return(Node.HostMounts);
            if (result < 0) return result;
            if ((trees[i] = Source(Node.Root, source, readOnly)) < 0) return trees[i];
        }
        return own == 0 ? 0 : Template.Return(own);
    }

    private static nint Source(nint nodeRoot, ReadOnlySpan<byte> source, bool readOnly)
    {
        // A volume's content is a container's: a link in it must not choose what is mounted.
        bool onlyRead = false;
        nint from = source[0] == '/' ? HostPaths.Open(source, out onlyRead) : Beneath.Open(nodeRoot, source, Sys.OPath, Beneath.Only | Beneath.NoLinks);
        if (from < 0) return from;
        nint tree = Mounting.Copy(from, Mounting.NoSuid | Mounting.NoDev | (readOnly || onlyRead ? Mounting.ReadOnly : 0));
        Host.Call(Sys.Close, from);
        return tree;
    }

    /// <summary>Puts them, and file systems in memory, where the description says.</summary>
    public static nint Put(ref Launcher.Child child, nint root, nint* trees)
    {
        int at = 0;
        for (int i = 0; child.Description.Next(StartTag.Mount, ref at, out byte* value, out int size); i++)
        {
            Mount(value, size, out _, out long bytes, out var source, out var target);
            nint result = source.Length == 0 ? Temporary(root, target, bytes) : Bind(root, trees[i], target);
            if (result < 0) return result;
        }
        return 0;
    }

    /// <summary>A mount of the description: whether it is read only, the bytes of one in memory, where it comes from (empty: it is in memory) and its place. False: it is none.</summary>
    private static bool Mount(byte* value, int size, out bool readOnly, out long bytes, out ReadOnlySpan<byte> source, out ReadOnlySpan<byte> target)
    {
        readOnly = size > 0 && *value != 0;
        bytes = size < 11 ? 0 : *(long*)(value + 1);
        var names = size < 11 ? default : new ReadOnlySpan<byte>(value + 9, size - 9);
        int end = names.IndexOf((byte)0);
        source = end < 0 ? default : names.Slice(0, end);
        target = end < 0 ? default : names.Slice(end + 1);
        return end >= 0;
    }

    private static nint Temporary(nint root, ReadOnlySpan<byte> target, long bytes)
    {
        Span<byte> text = stackalloc byte[64];
        var options = new TextWriter(text.Slice(0, 63));
        options.Add("mode=1777"u8);
        if (bytes > 0) { options.Add(",size="u8); options.Add(bytes); }
        text[options.Length] = 0;
        return Mounting.OnPath(root, target, "tmpfs"u8, Mounting.NoSuid | Mounting.NoDev, text.Slice(0, options.Length + 1));
    }

    private static nint Bind(nint root, nint tree, ReadOnlySpan<byte> target)
    {
        nint directory = Beneath.Open(tree, "."u8, Sys.OPath | Sys.Directory, Beneath.Only | Beneath.NoLinks);
        nint point = Mounting.Point(root, target, directory >= 0);
        if (directory >= 0) Host.Call(Sys.Close, directory);
        return point < 0 ? point : Mounting.Put(tree, point);
    }
}
