using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Gate;

/// <summary>A program's side of gates: one message of its own, and the call that carries it (REFERENCE.md, Gate). Results as in <see cref="AbiError"/>.</summary>
public readonly unsafe struct GateClient
{
    private readonly byte* _message;

    private GateClient(byte* message) => _message = message;

    /// <summary>With a message of its own; a thread needs one each.</summary>
    public static GateClient Make() => new((byte*)Host.Call(Sys.Mmap, 0, GateMessage.Size, 3, 0x22, -1));

    public long Label => *(long*)(_message + GateMessage.Label);
    public long Caller => *(long*)(_message + GateMessage.Caller);
    public ReadOnlySpan<byte> Payload => new(_message + GateMessage.Payload, *(int*)(_message + GateMessage.PayloadLength));
    public Span<byte> Space => new(_message + GateMessage.Payload, GateMessage.MaxPayload);
    public byte* Memory => _message;

    /// <summary>First word; 0 where there is none.</summary>
    public long Word => *(int*)(_message + GateMessage.WordCount) == 0 ? 0 : *(long*)(_message + GateMessage.Words);

    /// <summary>The message is one word, and so many bytes of <see cref="Space"/>.</summary>
    public void Set(long word, int length)
    {
        *(int*)(_message + GateMessage.WordCount) = 1;
        *(long*)(_message + GateMessage.Words) = word;
        *(int*)(_message + GateMessage.PayloadLength) = length;
    }

    /// <summary>The slot of a gate.</summary>
    public long Find(ReadOnlySpan<byte> name)
    {
        name.CopyTo(Space);
        Set(0, name.Length);
        return Do(GateOperation.Find);
    }

    public long Do(GateOperation operation, long argument = 0, long timeoutMicroseconds = 0) => Host.Call(Call.Gate, (nint)operation, (nint)argument, (nint)timeoutMicroseconds, (nint)_message);
}
