using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers;

/// <summary>A freestanding program enters the kernel with a bare system call.</summary>
public readonly struct HostEntry : IKernelEntry<HostEntry>
{
    public static nint Enter(nint number, nint a, nint b, nint c, nint d, nint e, nint f) => Host.Call(number, a, b, c, d, e, f);
}

/// <summary>A native task's side of the ABI: the message buffer, and the calls with what goes through it. Results as in <see cref="AbiError"/>.</summary>
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
    public static long Caller => *(long*)(s_buffer + MessageLayout.Caller);

    /// <summary>Descriptor that came with the message, or that goes with the next one; -1: none.</summary>
    public static int Descriptor
    {
        get => (int)*(uint*)(s_buffer + MessageLayout.Descriptor) - 1;
        set => *(uint*)(s_buffer + MessageLayout.Descriptor) = (uint)(value + 1);
    }

    /// <summary>How many of the capabilities that <see cref="Carry"/> has named go along with the next message.</summary>
    public static int CapabilityCount
    {
        set => *(uint*)(s_buffer + MessageLayout.CapabilityCount) = (uint)value;
    }

    public static void Carry(int index, int slot, Rights rights) => *(long*)(s_buffer + MessageLayout.Capabilities + 8 * index) = (long)rights << 32 | (uint)slot;

    /// <summary>Keeps empty slots for capabilities that come with messages.</summary>
    public static void Keep(int first, int count)
    {
        *(int*)(s_buffer + MessageLayout.TakeFirst) = first;
        *(int*)(s_buffer + MessageLayout.TakeCount) = count;
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

    /// <summary>One more, after <see cref="Words"/>.</summary>
    public static void FourthWord(long value)
    {
        ((long*)(s_buffer + MessageLayout.Words))[3] = value;
        *(uint*)(s_buffer + MessageLayout.WordCount) = 4;
    }

    public static void SetPayload(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(PayloadSpace);
        PayloadLength = bytes.Length;
    }

    public static long Ipc(IpcOperation operation, long argument, long value = 0, long grant = 0) => KernelCalls<HostEntry>.Ipc(operation, argument, value, grant);

    public static long Create(ObjectKind kind, int factory, int destination, long a, long b, ReadOnlySpan<byte> name)
    {
        SetPayload(name);
        return KernelCalls<HostEntry>.Create(factory, kind, destination, a, b);
    }

    public static long Map(int source, int task, int destination, Rights rights) => KernelCalls<HostEntry>.Map(source, task, destination, rights);
    public static long Redirect(int gate, int task) => KernelCalls<HostEntry>.Redirect(gate, task);
    public static long Unmap(int task, int slot, UnmapMode mode) => KernelCalls<HostEntry>.Unmap(task, slot, mode);
    public static long Inspect(int task) => KernelCalls<HostEntry>.Inspect(task);
    public static long Start(int task) => KernelCalls<HostEntry>.Start(task);
    public static long Control(int task, TaskOperation operation, int argument = 0) => KernelCalls<HostEntry>.Control(task, operation, argument);
    public static long Notification(int slot, NotificationOperation operation) => KernelCalls<HostEntry>.Notification(slot, operation);
    public static long Statistics(int task) => KernelCalls<HostEntry>.Statistics(task);

    /// <summary>Which program a caller is, that waits for this task's reply; it replaces the payload.</summary>
    public static ReadOnlySpan<byte> Program(long caller) => KernelCalls<HostEntry>.Caller(caller) > 0 ? PayloadBytes : default;

    /// <summary>Opens a path beneath a directory capability; a descriptor, or negative. Word 0 then holds the host's errno.</summary>
    public static long Open(int directory, ReadOnlySpan<byte> path, int flags)
    {
        SetPayload(path);
        return KernelCalls<HostEntry>.Descriptor(directory, DescriptorOperation.Open, flags);
    }

    /// <summary>A descriptor to map the memory of a dataspace from, or negative.</summary>
    public static long Memory(int dataspace) => KernelCalls<HostEntry>.Descriptor(dataspace, DescriptorOperation.Memory, 0);

    public static void Log(ReadOnlySpan<byte> line)
    {
        SetPayload(line);
        KernelCalls<HostEntry>.Log(BootSlot.Log);
    }
}
