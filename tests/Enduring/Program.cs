using System;
using System.Runtime;
using System.Runtime.InteropServices;
using Eyrie.Freestanding;
using static NativeProgram;

/// <summary>
/// Programs of containers whose kernel is killed, static and without libc. <c>sockets TYPE [ADDRESS PORT]</c> makes sockets (of socket(2)'s number), connects each and reads a byte where an address is given, and closes it, without end;
/// it says so and ends when one is not what the host would have given: the lowest free number, of that type, and nothing else open. TYPE 0: a container without sockets, whose descriptor leads nowhere.
/// <c>outlive</c> does what a process can to be forgotten by its parent's end, and stays.
/// </summary>
internal static unsafe class Program
{
    private const int Next = 3, ParentDeathSignal = 1, GetParentDeathSignal = 2, Thread = 0x50F00; // CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM
    private static byte* s_stack;

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        byte** arguments = (byte**)(stack + 1);
        byte mode = stack[0] < 2 ? (byte)'?' : arguments[1][0];
        if (mode == 's' && stack[0] == 3) return Sockets((int)FieldReader.Number(Text(arguments[2])), null);
        if (mode == 's' && stack[0] == 5)
        {
            byte* name = stackalloc byte[16];
            Name(name, FieldReader.Address(Text(arguments[3])), FieldReader.Number(Text(arguments[4])));
            return Sockets((int)FieldReader.Number(Text(arguments[2])), name);
        }
        if (mode == 'o') return Outlive();
        return mode == 'f' ? Forgotten() : 2;
    }

    private static int Say(ReadOnlySpan<byte> what, nint number, long round)
    {
        Span<byte> line = stackalloc byte[96];
        var text = new TextWriter(line);
        text.Add(what); text.Add(number); text.Add(" in round "u8); text.Add(round); text.Add((byte)'\n');
        fixed (byte* bytes = line) Host.Call(Sys.Write, 1, (nint)bytes, text.Length);
        return 1;
    }

    private static int Sockets(int type, byte* name)
    {
        const int Level = 1, TypeOption = 3, Linger = 13, GetFlags = 1, NotOpen = -9;
        int* linger = stackalloc int[2]; // reset at close: nothing is left waiting
        linger[0] = 1;
        linger[1] = 0;
        for (long round = 0; ; round++)
        {
            nint socket = Host.Call(Sys.Socket, Sys.AfInet, type == 0 ? 1 : type, 0);
            if (socket != Next) return Say("socket gave "u8, socket, round);
            nint above = Host.Call(Sys.Fcntl, Next + 1, GetFlags);
            if (above != NotOpen) return Say("another descriptor is open, flags "u8, above, round);
            int found = 0, size = 4;
            nint asked = type == 0 ? 0 : Host.Call(Sys.Getsockopt, socket, Level, TypeOption, (nint)(&found), (nint)(&size));
            if (asked < 0 || found != type) return Say("the type was asked for and is "u8, asked < 0 ? asked : found, round);
            if (name != null)
            {
                byte one = 0;
                nint result = Host.Call(Sys.Connect, socket, (nint)name, 16);
                if (result < 0) return Say("connect gave "u8, result, round);
                if ((result = Host.Call(Sys.Read, socket, (nint)(&one), 1)) != 1) return Say("read gave "u8, result, round);
                Host.Call(Sys.Setsockopt, socket, Level, Linger, (nint)linger, 8);
            }
            nint closed = Host.Call(Sys.Close, socket);
            if (closed != 0) return Say("close gave "u8, closed, round);
        }
    }

    /// <summary>The parent's end is no signal to it any more; and of a thread that executes it never was (prctl(2): the setting is the thread's).</summary>
    private static int Outlive()
    {
        const int StackSize = 1 << 16;
        Host.Call(Sys.Prctl, ParentDeathSignal, 0);
        s_stack = (byte*)Host.Call(Sys.Mmap, 0, StackSize, 3, 0x22, -1);
        Host.CloneThread(Thread, s_stack + StackSize, &Execute, 0, null);
        while (true) Wait();
    }

    [UnmanagedCallersOnly]
    private static nint Execute(nint nothing)
    {
        nint* arguments = stackalloc nint[3];
        fixed (byte* self = "/bin/enduring\0"u8)
        fixed (byte* mode = "forgotten\0"u8)
        {
            arguments[0] = (nint)self;
            arguments[1] = (nint)mode;
            arguments[2] = 0;
            return Host.Call(Sys.Execve, (nint)self, (nint)arguments, (nint)(arguments + 2));
        }
    }

    private static int Forgotten()
    {
        int signal = -1;
        Host.Call(Sys.Prctl, GetParentDeathSignal, (nint)(&signal));
        Say("signal at the parent's end: "u8, signal, 0);
        while (true) Wait();
    }

    private static void Wait() => Host.Call(Sys.Poll, 0, 0, -1);
}
