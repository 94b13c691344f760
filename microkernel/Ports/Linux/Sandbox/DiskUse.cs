using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>
/// What processes have read from and written to block devices, from their own accounts. Where a hierarchy of the second version counts it for a group, that is asked; the first version's (blkio) would cost every start
/// one more move, and what is written through the page cache it counts as the host's own.
/// </summary>
public static unsafe class DiskUse
{
    /// <summary>Of the processes in a list such as cgroup.procs, the first few hundred at most: nobody waits for a container that has made thousands.</summary>
    /// <param name="list">Its descriptor, which is closed; negative: there is none.</param>
    /// <param name="used">What is added to.</param>
    public static void AddListed(nint list, ref Usage used)
    {
        const int Space = 2048;
        if (list < 0) return;
        byte* space = stackalloc byte[Space];
        nint read = Host.Call(Sys.Read, list, (nint)space, Space);
        Host.Call(Sys.Close, list);
        var text = new ReadOnlySpan<byte>(space, read < 0 ? 0 : (int)read);
        for (int end = text.IndexOf((byte)'\n'); end >= 0; end = text.IndexOf((byte)'\n')) // what stands behind the last end of a line may be half a number
        {
            AddProcess(text.Slice(0, end), ref used);
            text = text.Slice(end + 1);
        }
    }

    public static void AddProcess(ReadOnlySpan<byte> process, ref Usage used)
    {
        Span<byte> text = stackalloc byte[256];
        DiskAccounts.AddProcess(text.Slice(0, ControlGroupFiles.Get("/proc"u8, process, "io"u8, text)), ref used);
    }
}
