using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux.Sandbox;

/// <summary>What a prepared process is to execute, told when it is let go: memory that it shares with the kernel until then. A length and a start description.</summary>
public static unsafe class Late
{
    private const int Head = 8, Size = Head + MessageLayout.MaxPayload;

    /// <summary>Zeroed; null when the host has none.</summary>
    public static byte* Allocate()
    {
        nint memory = Host.Call(Sys.Mmap, 0, Size, 3, 0x21, -1); // shared, anonymous
        return memory < 0 ? null : (byte*)memory;
    }

    public static void Free(byte* memory)
    {
        if (memory != null) Host.Call(Sys.Munmap, (nint)memory, Size);
    }

    public static void Write(byte* memory, ReadOnlySpan<byte> description)
    {
        *(int*)memory = description.Length;
        description.CopyTo(new Span<byte>(memory + Head, MessageLayout.MaxPayload));
    }

    /// <summary>Whose strings of this tag count: the later description's when it has any.</summary>
    public static StartDescription For(in Launcher.Child child, int tag)
    {
        if (child.Late == null) return child.Description;
        var late = new StartDescription(child.Late + Head, *(int*)child.Late);
        return late.Count(tag) > 0 ? late : child.Description;
    }
}
