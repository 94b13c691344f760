using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>Files and directories of the host that containers may be given, as the kernel's command line names them: <c>--host PATH</c>, or <c>PATH:ro</c> to be read only.</summary>
public static unsafe class HostPaths
{
    private static byte** s_arguments;
    private static int s_count;

    public static void Named(byte** arguments, int count)
    {
        s_arguments = arguments;
        s_count = count;
    }

    /// <summary>Opens a path that is named, or beneath one that is, without following a link below it. Negative errno; EXDEV: none of the named.</summary>
    /// <param name="readOnly">It may be read only.</param>
    public static nint Open(ReadOnlySpan<byte> path, out bool readOnly)
    {
        readOnly = true;
        for (int i = 1; i + 1 < s_count; i += 2)
        {
            if (!Boot.Text(s_arguments[i]).SequenceEqual("--host"u8)) continue;
            var named = Boot.Text(s_arguments[i + 1]);
            readOnly = named.Length > 3 && named.Slice(named.Length - 3).SequenceEqual(":ro"u8);
            if (readOnly) named = named.Slice(0, named.Length - 3);
            if (named.Length is 0 or > 254 || !path.StartsWith(named) || (path.Length > named.Length && path[named.Length] != '/')) continue;
            nint top = Beneath.Open(Node.HostRoot, named, Sys.OPath, Beneath.InRoot); // whatever root the calling process has by now
            if (top < 0 || path.Length <= named.Length + 1) return top;
            nint found = Beneath.Open(top, path.Slice(named.Length + 1), Sys.OPath, Beneath.Only | Beneath.NoLinks);
            Host.Call(Sys.Close, top);
            return found;
        }
        return -18;
    }
}
