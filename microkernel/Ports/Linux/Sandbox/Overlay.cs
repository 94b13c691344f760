using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>The root file system of a container.</summary>
public static unsafe class Overlay
{
    /// <summary>
    /// The image's layers with the container's own on top, mounted over the root of the template. Gives a descriptor of the root. Every directory is named from inside it: a way through /proc/self/fd would make, and take
    /// down, inodes of the host's /proc for every child.
    /// </summary>
    public static nint Make(ref Launcher.Child child, nint memory, ref int stage)
    {
        stage = (int)LaunchStage.Overlay;
        nint result, context;
        fixed (byte* overlay = "overlay"u8) context = Host.Call(Sys.Fsopen, (nint)overlay, 1);
        if (context < 0) return context;
        stage = (int)LaunchStage.Layers;
        int count = child.Description.Count(StartTag.Layer);
        if (count is 0 or > 64) return -Sys.Einval;
        for (int index = count - 1; index >= 0; index--)
        {
            int at = 0, size = 0;
            byte* path = null;
            for (int i = 0; i <= index; i++) child.Description.Next(StartTag.Layer, ref at, out path, out size);
            nint layer = Beneath.Open(child.Root, new ReadOnlySpan<byte>(path, size), Sys.OPath | Sys.Directory);
            if (layer < 0) return layer;
            result = Option(context, "lowerdir+"u8, layer, "."u8);
            Host.Call(Sys.Close, layer);
            if (result < 0) return result;
        }
        stage = (int)LaunchStage.Overlay;
        bool keeps = child.Description.Number(StartTag.ReadOnlyRoot, 1) == 0 || child.Description.Count(StartTag.WritablePath) > 0;
        nint scratch = keeps ? Beneath.Open(child.Root, child.Description.Bytes(StartTag.Scratch), Sys.OPath | Sys.Directory) : memory;
        if (scratch < 0) return scratch;
        if ((result = Option(context, "upperdir"u8, scratch, "upper"u8)) < 0 || (result = Option(context, "workdir"u8, scratch, "work"u8)) < 0) return result;
        return Mounted(context, Mounting.NoDev | Mounting.NoSuid);
    }

    /// <summary>An option of a file system that is being made, whose value is a path inside a directory.</summary>
    private static nint Option(nint context, ReadOnlySpan<byte> key, nint directory, ReadOnlySpan<byte> value)
    {
        const int SetString = 1;
        nint result = Host.Call(Sys.Fchdir, directory);
        if (result < 0) return result;
        fixed (byte* k = key)
        fixed (byte* v = value) return Host.Call(Sys.Fsconfig, context, SetString, (nint)k, (nint)v, 0);
    }

    /// <summary>Makes the file system and mounts it over the root; a descriptor of its own root.</summary>
    private static nint Mounted(nint context, nint attributes)
    {
        const int Create = 6, EmptyPath = 4;
        nint result = Host.Call(Sys.Fsconfig, context, Create, 0, 0, 0);
        if (result < 0) return result;
        nint root = Host.Call(Sys.Fsmount, context, 1, attributes);
        if (root < 0) return root;
        fixed (byte* empty = "\0"u8)
        fixed (byte* slash = "/"u8) result = Host.Call(Sys.MoveMount, root, (nint)empty, -100, (nint)slash, EmptyPath);
        return result < 0 ? result : root;
    }
}
