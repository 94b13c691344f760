using System;
using System.Runtime;
using System.Runtime.InteropServices;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Servers;
using Kernel = Eyrie.Microkernel.Servers.Microkernel;
using static NativeProgram;

namespace Eyrie.Hostile;

/// <summary>
/// A native task that tries everything its registers and its buffer can say, for some seconds: two threads, one of which writes over the buffer while the other's calls are read from it. The
/// argument ends in -SEED-SECONDS.
/// </summary>
internal static unsafe class Program
{
    private static Randomness s_first, s_second;
    private static long s_calls, s_done, s_sent, s_carried, s_bound;
    private static byte* s_group;
    private static int s_groupLength;

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        const int StackSize = 65536;
        byte* argument = (byte*)stack[2];
        int length = 0;
        while (argument[length] != 0) length++;
        s_group = (byte*)Host.Call(Sys.Mmap, 0, 4096, 3, 0x22, -1);
        for (; s_groupLength < length && s_groupLength < 100; s_groupLength++) s_group[s_groupLength] = argument[s_groupLength];
        s_group[s_groupLength++] = (byte)'/';
        s_group[s_groupLength++] = (byte)'h';
        ulong seconds = LastNumber(argument, ref length), seed = LastNumber(argument, ref length);
        nint memory = Host.Call(Sys.Mmap, 0, 2 * StackSize, 3, 0x22, -1);
        if (!Kernel.Attach() || memory < 0) return 1;
        s_first = new Randomness(seed);
        s_second = new Randomness(seed ^ 0x5DEECE66D);
        ReadOnlySpan<byte> ready = "ready\n"u8;
        fixed (byte* text = ready) Host.Call(Sys.Write, 1, (nint)text, ready.Length);
        Host.CloneThread(0x250F00, (byte*)memory + StackSize, &Scribble, 0, (int*)(memory + StackSize)); // refused where a server's filter has no threads
        for (long end = Now() + (long)seconds * 1_000_000_000; Now() < end; s_calls++) Try(ref s_first);
        Say();
        return 0;
    }

    /// <summary>The number after the last dash; the text then ends before it.</summary>
    private static ulong LastNumber(byte* text, ref int length)
    {
        ulong value = 0, scale = 1;
        for (length--; length > 0 && text[length] != '-'; length--, scale *= 10) value += (ulong)(text[length] - '0') * scale;
        return value;
    }

    /// <summary>How many calls were made, how many of them the kernel carried out, and of those how many messages were sent one way, brought capabilities, or made a thread an object of its own. The other thread may write over the line, so it is said until the kernel took it whole.</summary>
    private static void Say()
    {
        byte* line = stackalloc byte[192];
        var text = new TextWriter(new Span<byte>(line, 192));
        text.Add("hostile: "u8); text.Add(s_calls); text.Add(" calls, "u8); text.Add(s_done); text.Add(" carried out: "u8);
        text.Add(s_sent); text.Add(" sent, "u8); text.Add(s_carried); text.Add(" with capabilities, "u8); text.Add(s_bound); text.Add(" threads\n"u8);
        Host.Call(Sys.Write, 2, (nint)line, text.Length);
    }

    [UnmanagedCallersOnly]
    private static nint Scribble(nint unused)
    {
        long* buffer = (long*)(Kernel.Payload - MessageLayout.Payload);
        while (true)
        {
            for (int i = 0; i < 256; i++)
            {
                int at = s_second.Below(4) == 0 ? s_second.Below(MessageLayout.Size / 8) : s_second.Below(64);
                if (s_second.Below(3) == 0) buffer[at] = (long)s_second.Number();
                else ((int*)buffer)[at] = s_second.Below(300);
            }
            if (s_second.Below(4) == 0) Try(ref s_second);
            else Host.Call(Call.Ipc, (nint)IpcOperation.ReplyValue, s_second.Below(2) == 0 ? (nint)Kernel.Caller : s_second.Number(), s_second.Number(), s_second.Number());
        }
    }

    private static void Try(ref Randomness random)
    {
        if (random.Below(8) > 0) { Meant(ref random); return; }
        int number = Call.First - 2 + random.Below(20);
        nint first = random.Number(), second = random.Slot(), third = random.Number();
        // What would only end the attack: to kill itself or the server that the kernel needs, to give its own factory away, to wait for ever.
        if (number == Call.Control && (int)first is BootSlot.NetworkTask or BootSlot.SelfTask) return;
        if (number == Call.Unmap && (int)second is >= 0 and < BootSlot.FirstFree) return;
        if (number == Call.Ipc) third = random.Below(3000) + 1;
        Done(Host.Call(number, first, second, third, random.Slot(), random.Number(), random.Number()));
    }

    private static void Done(nint result)
    {
        if (result >= 0) s_done++;
    }

    /// <summary>Calls that could succeed, so that what lies behind the first check is reached too.</summary>
    private static void Meant(ref Randomness random)
    {
        if (random.Below(3) > 0) Fill(ref random);
        switch (random.Below(19))
        {
            case 0 or 1 or 2: Done(Host.Call(Call.Create, random.Below(4) > 0 ? 1 : random.Slot(), 1 + random.Below(9), 64 + random.Below(48), random.Below(4000), random.Below(6) > 0 ? random.Below(5) : random.Number())); break;
            case 3 or 4 or 5: Done(Host.Call(Call.Map, random.Slot(), random.Slot(), 64 + random.Below(48), random.Below(3) > 0 ? random.Below(64) : random.Number())); break;
            case 6 or 7: Done(Host.Call(Call.Unmap, random.Below(2) == 0 ? -1 : random.Slot(), 64 + random.Below(48), random.Below(3))); break;
            case 8: Done(Host.Call(Call.Inspect, random.Below(2) == 0 ? -1 : random.Slot())); break;
            case 9 or 10: Start(ref random); break;
            case 11: Done(Host.Call(Call.Control, 64 + random.Below(48), random.Below(3) == 0 ? (nint)TaskOperation.Bind : random.Below(4), random.Below(70))); break;
            case 18: if (random.Below(8) == 0) Thread(ref random); break;
            case 12: Done(Host.Call(Call.Notification, random.Slot(), random.Below(3))); Host.Call(Sys.Close, 5 + random.Below(200)); break;
            case 13: Open(ref random); break;
            case 14: Done(Host.Call(Call.Statistics, random.Slot())); break;
            case 15: if (random.Below(500) == 0) Done(Host.Call(Call.Log, BootSlot.Log)); break;
            default: Message(ref random); break;
        }
    }

    private static void Message(ref Randomness random)
    {
        var operation = (IpcOperation)random.Below(6);
        nint argument = operation is IpcOperation.Call or IpcOperation.Send ? (random.Below(2) == 0 ? BootSlot.FirstPeer + random.Below(4) : random.Slot()) : random.Below(4) > 0 ? (nint)Kernel.Caller : random.Number();
        if (random.Below(2) == 0) Kernel.Descriptor = random.Below(12) - 2;
        if (random.Below(3) == 0) Kernel.Keep(random.Below(4) > 0 ? 64 + random.Below(48) : (int)random.Slot(), random.Below(6));
        int carried = random.Below(3) > 0 ? 0 : random.Below(6);
        for (int i = 0; i < carried && i < MessageLayout.MaxCapabilities; i++) Kernel.Carry(i, (int)random.Slot(), (Rights)random.Below(70));
        Kernel.CapabilityCount = carried;
        nint result = Host.Call(Call.Ipc, (nint)operation, argument, 1 + random.Below(2000), random.Number());
        Done(result);
        if (result == 0 && operation == IpcOperation.Send) s_sent++;
        if (result == 0 && carried > 0 && operation is IpcOperation.Call or IpcOperation.Send or IpcOperation.Reply) s_carried++;
    }

    /// <summary>A thread of its own for a while, with a buffer full of anything; then it deletes itself.</summary>
    private static void Thread(ref Randomness random)
    {
        int slot = 64 + random.Below(48);
        Kernel.PayloadLength = 0;
        Host.Call(Call.Create, BootSlot.Factory, (nint)ObjectKind.Thread, slot, 0, BootSlot.SelfTask);
        nint descriptor = Host.Call(Call.Control, slot, (nint)TaskOperation.Bind);
        if (descriptor < 0) return;
        s_bound++;
        nint buffer = Host.Call(Sys.Mmap, 0, MessageLayout.Size, 3, 1, descriptor);
        Host.Call(Sys.Close, descriptor);
        for (int calls = random.Below(12); buffer > 0 && calls > 0; calls--)
        {
            for (int i = 0; i < MessageLayout.Payload / 8; i++) ((long*)buffer)[i] = random.Below(2) == 0 ? (long)random.Number() : random.Below(300);
            Try(ref random);
        }
        Done(Host.Call(Call.Unmap, -1, slot, (nint)UnmapMode.Self));
        if (buffer > 0) Host.Call(Sys.Munmap, buffer, MessageLayout.Size);
    }

    private static void Fill(ref Randomness random)
    {
        int length = random.Below(20) == 0 ? random.Below(MessageLayout.Size) : random.Below(300);
        for (int i = 0; i < length && i < 512; i++) Kernel.Payload[i] = (byte)random.Next();
        Kernel.PayloadLength = length;
    }

    private static void Open(ref Randomness random)
    {
        Kernel.SetPayload(random.Below(6) switch { 0 => "../etc/passwd"u8, 1 => "/etc/passwd"u8, 2 => "hostile-file"u8, 3 => "."u8, 4 => "images/busybox/bin/sh"u8, _ => "no/such"u8 });
        nint opened = Host.Call(Call.Descriptor, random.Below(2) == 0 ? BootSlot.NodeRoot : random.Slot(), random.Below(2), random.Below(3) == 0 ? random.Number() : random.Below(4) << 6 | random.Below(3));
        Done(opened);
        if (opened > 4) Host.Call(Sys.Close, opened);
    }

    /// <summary>A start description, whole or not, of a program that ends at once or does not.</summary>
    private static void Start(ref Randomness random)
    {
        byte* space = stackalloc byte[1024];
        var at = new Description(space);
        at.Add(StartTag.Layer, random.Below(8) == 0 ? "../.."u8 : "images/busybox"u8);
        at.Add(StartTag.Scratch, "containers/hostile"u8);
        at.Add(StartTag.Argument, random.Below(8) == 0 ? "nothing"u8 : "sh"u8);
        at.Add(StartTag.Argument, "-c"u8);
        at.Add(StartTag.Argument, random.Below(2) == 0 ? "exit 1"u8 : "nc -l -p 80; sleep 1"u8);
        at.Add(StartTag.ControlGroup, random.Below(8) == 0 ? "../escaped"u8 : Group);
        if (random.Below(4) > 0) at.Add(StartTag.Handler, 64 + random.Below(48));
        if (random.Below(4) > 0) at.Add(StartTag.ExitNotification, 64 + random.Below(48));
        if (random.Below(4) > 0) at.Add(StartTag.Directory, BootSlot.NodeRoot);
        if (random.Below(4) == 0) at.Add(StartTag.Join, 64 + random.Below(48));
        if (random.Below(4) == 0) at.Add(1 + random.Below(26), random.Below(1000));
        if (random.Below(8) == 0) space[random.Below(at.Length)] = (byte)random.Next();
        Kernel.SetPayload(new ReadOnlySpan<byte>(space, at.Length));
        Done(Host.Call(Call.Start, 64 + random.Below(48)));
    }

    /// <summary>The group that a node of this test has, as its argument names it.</summary>
    private static ReadOnlySpan<byte> Group => new(s_group, s_groupLength);

    private ref struct Description(byte* space)
    {
        public int Length;

        public void Add(int tag, ReadOnlySpan<byte> value)
        {
            *(ushort*)(space + Length) = (ushort)tag;
            *(uint*)(space + Length + 2) = (uint)value.Length;
            value.CopyTo(new Span<byte>(space + Length + 6, 512));
            Length += 6 + value.Length;
        }

        public void Add(int tag, int value) => Add(tag, new ReadOnlySpan<byte>(&value, 4));
    }
}
