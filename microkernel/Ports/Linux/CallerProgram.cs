using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>Which program waits in a trapped call. The call keeps its thread where it is, so what /proc says of it is about that thread and no later one.</summary>
public static unsafe class CallerProgram
{
    public const int MaxLength = 128;

    /// <summary>Name of the thread, a space, path of its executable; the bytes written.</summary>
    public static int Describe(int trap, byte* into)
    {
        ref var entry = ref Node.Tasks[trap];
        if (entry.Kind is not (PortKind.Trap or PortKind.GateCall) || !entry.Waiting) return 0;
        long thread = ((long*)(entry.Buffer + Abi.MessageLayout.Words))[7];
        var text = new TextWriter(new Span<byte>(into, MaxLength));
        byte* found = stackalloc byte[MaxLength];
        int length = Name(thread, found);
        Printable(ref text, new ReadOnlySpan<byte>(found, length));
        text.Add((byte)' ');
        length = Executable(thread, found);
        Printable(ref text, new ReadOnlySpan<byte>(found, length));
        return Seccomp.Valid(entry.TrapListener, entry.Notification) ? text.Length : 0;
    }

    private static void PathOf(long thread, ReadOnlySpan<byte> file, byte* into)
    {
        var path = new TextWriter(new Span<byte>(into, 63));
        path.Add("/proc/"u8); path.Add(thread); path.Add(file);
        into[path.Length] = 0;
    }

    private static int Name(long thread, byte* into)
    {
        byte* path = stackalloc byte[64];
        PathOf(thread, "/comm"u8, path);
        nint file = Host.Call(Sys.Openat, -100, (nint)path, Sys.Cloexec);
        if (file < 0) return 0;
        nint read = Host.Call(Sys.Read, file, (nint)into, 16);
        Host.Call(Sys.Close, file);
        return read <= 0 ? 0 : into[read - 1] == '\n' ? (int)read - 1 : (int)read;
    }

    private static int Executable(long thread, byte* into)
    {
        byte* path = stackalloc byte[64];
        PathOf(thread, "/exe"u8, path);
        nint read = Host.Call(Sys.Readlinkat, -100, (nint)path, (nint)into, MaxLength);
        return read < 0 ? 0 : (int)read;
    }

    /// <summary>A name is the container's choice: nothing of it may look like more than one field or line.</summary>
    private static void Printable(ref TextWriter text, ReadOnlySpan<byte> name)
    {
        for (int i = 0; i < name.Length; i++) text.Add(name[i] is > (byte)' ' and < 127 ? name[i] : (byte)'?');
    }
}
