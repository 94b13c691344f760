using System;
using System.Runtime;
using System.Runtime.InteropServices;
using System.Threading;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Servers;
using Kernel = Eyrie.Microkernel.Servers.Microkernel;

namespace Eyrie.NativeCalls;

/// <summary>
/// A native task that makes the calls its argument spells. Fields stand apart by a space; a row ends with ;, a call with a comma. A call is its number and up to six arguments, each after p:HEX (the payload) or
/// l:N (only the length that is claimed for it), c:SLOT:RIGHTS (a capability that goes along, and it alone), n:N (only how many are claimed) and k:SLOT:N (so many slots are kept for what comes) where it has one; h is the handle of the caller at hand. The calls after | are those in question: a line in the log tells what each gave, and whether the task's factory and its capability space are afterwards what they
/// were. After b another thread waits in a call while those are made. After t:THREAD:NOTIFICATION another one is the Thread behind that slot, takes messages, signals for each and replies with what came, until its
/// wait ends otherwise, which a line tells; after s:THREAD:NOTIFICATION one that does not reply. e:NOTIFICATION:N waits in epoll until there have been so many signals, and counts as a call that gives their number; w:THREAD:STATE waits until the Thread is in that state. At the end of a row slots 64 to 127 are emptied.
/// </summary>
internal static unsafe class Program
{
    private const int FirstUsed = 64, Used = 64, StackSize = 65536, ThreadFlags = 0x250F00, WaitMicroseconds = 2_000_000;
    private static byte* s_stack;
    private static int s_busy;
    private static Threaded s_threaded;

    /// <summary>What a thread that is an object of its own is given.</summary>
    private struct Threaded
    {
        public int Slot, Notification;
        public bool Replies;
    }

    /// <summary>What the task's factory has given out, and what the task holds.</summary>
    private readonly struct Held(long bytes, long processes, long capabilities)
    {
        private readonly long _bytes = bytes, _processes = processes, _capabilities = capabilities;

        public bool Is(Held other) => _bytes == other._bytes && _processes == other._processes && _capabilities == other._capabilities;

        public static Held Now()
        {
            long capabilities = Kernel.Inspect(-1);
            return Kernel.Statistics(BootSlot.Factory) < 0 ? new Held(-1, capabilities, capabilities) : new Held(Kernel.Word(0), Kernel.Word(1), capabilities);
        }
    }

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        s_stack = (byte*)Host.Call(Sys.Mmap, 0, StackSize, 3, 0x22, -1);
        if (!Kernel.Attach()) return 1;
        byte* text = (byte*)stack[2];
        int length = 0;
        while (text[length] != 0) length++;
        var fields = new FieldReader(new ReadOnlySpan<byte>(text, length));
        var atFirst = Held.Now();
        while (fields.Rest.Length > 0) Row(ref fields);
        Say(atFirst.Is(Held.Now()) ? "native: end as begun\n"u8 : "native: end differs\n"u8);
        return 0;
    }

    private static void Row(ref FieldReader fields)
    {
        byte* space = stackalloc byte[512];
        var line = new TextWriter(new Span<byte>(space, 512));
        line.Add("native:"u8);
        bool asked = false;
        Held before = default;
        for (var field = fields.Next(); field.Length > 0 && field[0] != ';'; field = fields.Next())
        {
            if (field[0] == '|') { before = Held.Now(); asked = true; continue; }
            if (field[0] == 'b') { Occupy(); continue; }
            if (field[0] is (byte)'t' or (byte)'s') { Begin((int)Number(First(field)), (int)Number(Second(field)), replies: field[0] == 't'); continue; }
            if (field[0] == 'w') { Until((int)Number(First(field)), (ThreadState)Number(Second(field))); continue; }
            if (field[0] == 'e')
            {
                long signals = Await((int)Number(First(field)), Number(Second(field)));
                if (asked) { line.Add((byte)' '); line.Add(signals); }
                continue;
            }
            nint result = One(field, ref fields, out bool last);
            if (asked) { line.Add((byte)' '); line.Add(result); }
            if (last) break;
        }
        while (Volatile.Read(ref s_busy) != 0) { }
        line.Add(before.Is(Held.Now()) ? " as before\n"u8 : " changed\n"u8);
        Say(line.Written);
        for (int slot = FirstUsed; slot < FirstUsed + Used; slot++) Kernel.Unmap(-1, slot, UnmapMode.Self);
    }

    /// <summary>A call from its first field on, through its comma, or through the end of its row (<paramref name="last"/>).</summary>
    private static nint One(ReadOnlySpan<byte> field, ref FieldReader fields, out bool last)
    {
        nint* call = stackalloc nint[7];
        for (int i = 0; i < 7; i++) call[i] = 0;
        for (int i = 0; ; field = fields.Next())
        {
            last = field.Length == 0 || field[0] == ';';
            if (last || field[0] == ',') return Host.Call(call[0], call[1], call[2], call[3], call[4], call[5], call[6]);
            if (field[0] == 'p') Payload(field.Slice(2));
            else if (field[0] == 'l') Kernel.PayloadLength = (int)Number(field.Slice(2));
            else if (field[0] == 'c') { Kernel.Carry(0, (int)Number(First(field)), (Rights)Number(Second(field))); Kernel.CapabilityCount = 1; }
            else if (field[0] == 'n') Kernel.CapabilityCount = (int)Number(field.Slice(2));
            else if (field[0] == 'k') Kernel.Keep((int)Number(First(field)), (int)Number(Second(field)));
            else if (i < 7) call[i++] = field[0] == 'h' ? (nint)Kernel.Caller : Number(field);
        }
    }

    /// <summary>The number after a letter and a colon; and the one after the next colon.</summary>
    private static ReadOnlySpan<byte> First(ReadOnlySpan<byte> field) => field.Slice(2, field.Slice(2).IndexOf((byte)':'));

    private static ReadOnlySpan<byte> Second(ReadOnlySpan<byte> field) => field.Slice(3 + First(field).Length);

    private static nint Number(ReadOnlySpan<byte> field)
    {
        nint value = 0;
        for (int i = field[0] == '-' ? 1 : 0; i < field.Length; i++) value = value * 10 + (field[i] - '0');
        return field[0] == '-' ? -value : value;
    }

    private static void Payload(ReadOnlySpan<byte> hex)
    {
        for (int i = 0; i < hex.Length / 2; i++) Kernel.Payload[i] = (byte)(Digit(hex[2 * i]) << 4 | Digit(hex[2 * i + 1]));
        Kernel.PayloadLength = hex.Length / 2;
    }

    private static int Digit(byte letter) => letter <= '9' ? letter - '0' : (letter | 32) - 'a' + 10;

    /// <summary>Another thread waits for a message from here on.</summary>
    private static void Occupy()
    {
        s_busy = 1;
        nint thread;
        fixed (int* busy = &s_busy) thread = Host.CloneThread(ThreadFlags, s_stack + StackSize, &Wait, 0, busy);
        if (thread < 0) { s_busy = 0; return; }
        while (Volatile.Read(ref s_busy) != 0 && Host.Call(Call.Version) != AbiError.Busy) { }
    }

    [UnmanagedCallersOnly]
    private static nint Wait(nint unused)
    {
        Host.Call(Call.Ipc, (nint)IpcOperation.Wait, 0, WaitMicroseconds);
        return 0;
    }

    /// <summary>A thread that is an object from here on, and waits; the one before has ended.</summary>
    private static void Begin(int slot, int notification, bool replies)
    {
        while (Volatile.Read(ref s_busy) != 0) Host.Call(Sys.Poll, 0, 0, 10);
        s_busy = 1;
        s_threaded = new Threaded { Slot = slot, Notification = notification, Replies = replies };
        nint stack = Host.Call(Sys.Mmap, 0, StackSize, 3, 0x22, -1), thread;
        fixed (int* busy = &s_busy) thread = Host.CloneThread(ThreadFlags, (byte*)stack + StackSize, &Serve, 0, busy);
        if (thread < 0) { s_busy = 0; return; }
        Until(slot, ThreadState.Receiving);
    }

    /// <summary>The Thread is in a state, or its thread of the host has ended.</summary>
    private static void Until(int slot, ThreadState state)
    {
        while (Volatile.Read(ref s_busy) != 0 && (Kernel.Control(slot, TaskOperation.Status) != 0 || Kernel.Word(0) != (long)state)) Host.Call(Sys.Poll, 0, 0, 1);
    }

    [UnmanagedCallersOnly]
    private static nint Serve(nint unused)
    {
        byte* space = stackalloc byte[96];
        var line = new TextWriter(new Span<byte>(space, 96));
        int taken = 0;
        nint result = Host.Call(Call.Control, s_threaded.Slot, (nint)TaskOperation.Bind), buffer = Host.Call(Sys.Mmap, 0, MessageLayout.Size, 3, 1, result);
        if (result >= 0) result = Host.Call(Call.Ipc, (nint)IpcOperation.Wait, 0, WaitMicroseconds);
        while (result == 0)
        {
            taken++;
            Host.Call(Call.Notification, s_threaded.Notification, (nint)NotificationOperation.Signal);
            result = Host.Call(Call.Ipc, (nint)(s_threaded.Replies ? IpcOperation.ReplyWait : IpcOperation.Wait), *(nint*)(buffer + MessageLayout.Caller), WaitMicroseconds);
        }
        line.Add("native thread: "u8); line.Add(taken); line.Add(" taken, then "u8); line.Add(result); line.Add((byte)'\n');
        Say(line.Written);
        return 0;
    }

    /// <summary>Waits until a notification has been signalled so often; how often it was, negative where it cannot be waited for.</summary>
    private static long Await(int notification, long signals)
    {
        const int EpollCreate1 = 291, EpollControl = 233, EpollWait = 232, Milliseconds = 5000;
        long descriptor = Kernel.Notification(notification, NotificationOperation.Descriptor), count = 0, more;
        byte* interest = stackalloc byte[12];
        *(int*)interest = Sys.EpollIn;
        nint epoll = Host.Call(EpollCreate1), result = Host.Call(EpollControl, epoll, Sys.EpollAdd, (nint)descriptor, (nint)interest);
        while (result >= 0 && count < signals && (result = Host.Call(EpollWait, epoll, (nint)interest, 1, Milliseconds)) > 0)
            if ((result = Host.Call(Sys.Read, (nint)descriptor, (nint)(&more), 8)) == 8) count += more;
        Host.Call(Sys.Close, epoll);
        Host.Call(Sys.Close, (nint)descriptor);
        return result < 0 ? result : count;
    }

    private static void Say(ReadOnlySpan<byte> line)
    {
        fixed (byte* text = line) Host.Call(Sys.Write, 2, (nint)text, line.Length);
    }
}
