using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>Between a program's memory (<see cref="GateMessage"/>) and a message buffer of the kernel's own: copied once, and what was checked is what is used.</summary>
public static unsafe class GateMessages
{
    private static byte* s_copy;

    public static bool Initialize() => (s_copy = Node.Allocate(GateMessage.Size)) != null;

    /// <summary>The words and the payload of a program's message; false: it is not memory of the program's, or its lengths are beyond bounds.</summary>
    public static bool Read(int thread, ulong address, byte* buffer)
    {
        if (!Move(Sys.ProcessVmReadv, thread, s_copy, address, GateMessage.Size)) return false;
        uint words = *(uint*)(s_copy + GateMessage.WordCount), length = *(uint*)(s_copy + GateMessage.PayloadLength);
        if (words > GateMessage.MaxWords || length > GateMessage.MaxPayload) return false;
        *(uint*)(buffer + MessageLayout.WordCount) = words;
        *(uint*)(buffer + MessageLayout.PayloadLength) = length;
        *(uint*)(buffer + MessageLayout.Descriptor) = 0;
        new ReadOnlySpan<byte>(s_copy + GateMessage.Words, (int)words * 8).CopyTo(new Span<byte>(buffer + MessageLayout.Words, MessageLayout.MaxWords * 8));
        new ReadOnlySpan<byte>(s_copy + GateMessage.Payload, (int)length).CopyTo(new Span<byte>(buffer + MessageLayout.Payload, MessageLayout.MaxPayload));
        return true;
    }

    /// <summary>A message for a program; false: it did not fit, or there is no such memory (any more).</summary>
    /// <param name="received">A server's: with label and handle of the caller.</param>
    public static bool Write(int thread, ulong address, byte* buffer, bool received)
    {
        uint words = *(uint*)(buffer + MessageLayout.WordCount), length = *(uint*)(buffer + MessageLayout.PayloadLength);
        if (words > GateMessage.MaxWords || length > GateMessage.MaxPayload) return false;
        new Span<byte>(s_copy, GateMessage.Payload).Clear();
        *(uint*)(s_copy + GateMessage.WordCount) = words;
        *(uint*)(s_copy + GateMessage.PayloadLength) = length;
        if (received)
        {
            *(long*)(s_copy + GateMessage.Label) = *(long*)(buffer + MessageLayout.Label);
            *(long*)(s_copy + GateMessage.Caller) = *(long*)(buffer + MessageLayout.Caller);
        }
        new ReadOnlySpan<byte>(buffer + MessageLayout.Words, (int)words * 8).CopyTo(new Span<byte>(s_copy + GateMessage.Words, GateMessage.MaxWords * 8));
        new ReadOnlySpan<byte>(buffer + MessageLayout.Payload, (int)length).CopyTo(new Span<byte>(s_copy + GateMessage.Payload, GateMessage.MaxPayload));
        return Move(Sys.ProcessVmWritev, thread, s_copy, address, GateMessage.Payload + length);
    }

    /// <summary>Whether a whole message can be written there.</summary>
    public static bool Writable(int thread, ulong address) => Move(Sys.ProcessVmReadv, thread, s_copy, address, GateMessage.Size) && Move(Sys.ProcessVmWritev, thread, s_copy, address, GateMessage.Size);

    private static bool Move(int call, int thread, byte* here, ulong there, ulong length)
    {
        ulong* local = stackalloc ulong[2];
        ulong* remote = stackalloc ulong[2];
        local[0] = (ulong)here;
        remote[0] = there;
        local[1] = remote[1] = length;
        return Host.Call(call, thread, (nint)local, 1, (nint)remote, 1, 0) == (nint)length;
    }
}
