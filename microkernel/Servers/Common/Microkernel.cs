using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers;

/// <summary>A native task's side of the ABI: the message buffer, and one method a call. Results as in <see cref="AbiError"/>.</summary>
public static unsafe class Microkernel
{
    private static byte* s_buffer;

    /// <summary>Maps the message buffer; the first thing a server does.</summary>
    public static bool Attach()
    {
        nint memory = Host.Call(Sys.Mmap, 0, MessageLayout.Size, 3, 1, MessageLayout.BufferDescriptor);
        s_buffer = (byte*)memory;
        return memory > 0;
    }

    public static byte* Payload => s_buffer + MessageLayout.Payload;
    public static int PayloadLength
    {
        get => (int)*(uint*)(s_buffer + MessageLayout.PayloadLength);
        set => *(uint*)(s_buffer + MessageLayout.PayloadLength) = (uint)value;
    }

    public static Span<byte> PayloadSpace => new(Payload, MessageLayout.MaxPayload);
    public static ReadOnlySpan<byte> PayloadBytes => new(Payload, PayloadLength);
    public static long Label => *(long*)(s_buffer + MessageLayout.Label);
    public static uint Caller => *(uint*)(s_buffer + MessageLayout.Caller);

    /// <summary>Descriptor that came with the message, or that goes with the next one; -1: none.</summary>
    public static int Descriptor
    {
        get => (int)*(uint*)(s_buffer + MessageLayout.Descriptor) - 1;
        set => *(uint*)(s_buffer + MessageLayout.Descriptor) = (uint)(value + 1);
    }

    public static long Word(int index) => ((long*)(s_buffer + MessageLayout.Words))[index];

    public static void Words(long first, long second = 0, long third = 0)
    {
        long* words = (long*)(s_buffer + MessageLayout.Words);
        words[0] = first;
        words[1] = second;
        words[2] = third;
        *(uint*)(s_buffer + MessageLayout.WordCount) = 3;
    }

    public static void SetPayload(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(PayloadSpace);
        PayloadLength = bytes.Length;
    }

    public static long Ipc(IpcOperation operation, long argument, long value = 0, long grant = 0) => Host.Call(Call.Ipc, (nint)operation, (nint)argument, (nint)value, (nint)grant);

    public static long Create(ObjectKind kind, int factory, int destination, long a, long b, ReadOnlySpan<byte> name)
    {
        SetPayload(name);
        return Host.Call(Call.Create, factory, (nint)kind, destination, (nint)a, (nint)b);
    }

    public static long Map(int source, int task, int destination, Rights rights) => Host.Call(Call.Map, source, task, destination, (nint)rights);
    public static long Unmap(int task, int slot, UnmapMode mode) => Host.Call(Call.Unmap, task, slot, (nint)mode);
    public static long Inspect(int task) => Host.Call(Call.Inspect, task, 0);
    public static long Start(int task) => Host.Call(Call.Start, task);
    public static long Control(int task, TaskOperation operation, int argument = 0) => Host.Call(Call.Control, task, (nint)operation, argument);
    public static long Notification(int slot, NotificationOperation operation) => Host.Call(Call.Notification, slot, (nint)operation);
    public static long Statistics(int task) => Host.Call(Call.Statistics, task);

    /// <summary>Opens a path beneath a directory capability; a descriptor, or negative. Word 0 then holds the host's errno.</summary>
    public static long Open(int directory, ReadOnlySpan<byte> path, int flags)
    {
        SetPayload(path);
        return Host.Call(Call.Descriptor, directory, (nint)DescriptorOperation.Open, flags);
    }

    public static void Log(ReadOnlySpan<byte> line)
    {
        SetPayload(line);
        Host.Call(Call.Log, BootSlot.Log);
    }
}
