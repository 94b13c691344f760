using System;
using System.Runtime;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Gate;

/// <summary>
/// Gates for shells and for programs that need no more: <c>eyrie-gate call NAME [TEXT]</c> sends the text, or its standard input, prints the answer and ends with its first word; <c>eyrie-gate serve PROGRAM [ARGUMENT...]</c> runs
/// the program for each request, which is its standard input, and answers with what it prints and its exit code. Static: it needs nothing in its image.
/// </summary>
internal static unsafe class Program
{
    private const int Failed = 125, NotServed = 126;

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        long count = stack[0];
        byte** arguments = (byte**)(stack + 1);
        if (count is 3 or 4 && Text(arguments[1]).SequenceEqual("call"u8)) return Request(Text(arguments[2]), count == 4 ? arguments[3] : null);
        if (count >= 3 && Text(arguments[1]).SequenceEqual("serve"u8)) return Service.Run(arguments + 2, arguments + count + 1);
        return Say("usage: eyrie-gate call NAME [TEXT] | serve PROGRAM [ARGUMENT...]\n"u8, 0);
    }

    public static ReadOnlySpan<byte> Text(byte* text)
    {
        int length = 0;
        while (text[length] != 0) length++;
        return new ReadOnlySpan<byte>(text, length);
    }

    private static int Request(ReadOnlySpan<byte> name, byte* text)
    {
        var gate = GateClient.Make();
        long slot = gate.Find(name);
        if (slot < 0) return Refused(slot, name);
        int length = 0;
        if (text != null)
        {
            var given = Text(text);
            if (given.Length > GateMessage.MaxPayload) return Say("eyrie-gate: a request has at most 4008 bytes\n"u8, 0);
            given.CopyTo(gate.Space);
            length = given.Length;
        }
        else
        {
            fixed (byte* space = gate.Space) length = Read(0, space, GateMessage.MaxPayload);
            byte more;
            if (length == GateMessage.MaxPayload && Host.Call(Sys.Read, 0, (nint)(&more), 1) > 0) return Say("eyrie-gate: a request has at most 4008 bytes\n"u8, 0);
        }
        gate.Set(0, length);
        long result = gate.Do(GateOperation.Call, slot);
        if (result < 0) return Refused(result, name);
        fixed (byte* answer = gate.Payload) Write(1, answer, gate.Payload.Length);
        return (int)gate.Word & 255;
    }

    /// <summary>Says what a result below zero means here, and gives the exit code.</summary>
    private static int Refused(long result, ReadOnlySpan<byte> name)
    {
        switch (result)
        {
            case AbiError.NoCapability: Say("eyrie-gate: no grant for gate "u8, 0); break;
            case AbiError.NoServer: Say("eyrie-gate: no publisher on this node of gate "u8, 0); break;
            case AbiError.Cancelled: Say("eyrie-gate: the server ended, or the grant was revoked, of gate "u8, 0); break;
            case AbiError.Busy: Say("eyrie-gate: too many calls in flight to gate "u8, 0); break;
            case AbiError.InvalidArgument: Say("eyrie-gate: not a name of a gate: "u8, 0); break;
            case -Sys.Enosys: Say("eyrie-gate: not in an Eyrie container; gate "u8, 0); break;
            default: Say("eyrie-gate: error of gate "u8, result); break;
        }
        fixed (byte* text = name) Write(2, text, name.Length);
        Say("\n"u8, 0);
        return result == AbiError.NoServer ? NotServed : Failed;
    }

    /// <summary>Writes to standard error; the exit code of a failure.</summary>
    public static int Say(ReadOnlySpan<byte> text, long number)
    {
        fixed (byte* bytes = text) Write(2, bytes, text.Length);
        if (number == 0) return Failed;
        Span<byte> line = stackalloc byte[24];
        var digits = new TextWriter(line);
        digits.Add(number);
        digits.Add((byte)' ');
        fixed (byte* bytes = digits.Written) Write(2, bytes, digits.Length);
        return Failed;
    }

    /// <summary>Everything up to the end, as far as there is room.</summary>
    public static int Read(int descriptor, byte* into, int room)
    {
        int length = 0;
        while (length < room)
        {
            nint read = Host.Call(Sys.Read, descriptor, (nint)(into + length), room - length);
            if (read == -Sys.Eintr) continue;
            if (read <= 0) break;
            length += (int)read;
        }
        return length;
    }

    public static void Write(int descriptor, byte* from, int length)
    {
        while (length > 0)
        {
            nint written = Host.Call(Sys.Write, descriptor, (nint)from, length);
            if (written == -Sys.Eintr) continue;
            if (written <= 0) return;
            from += written;
            length -= (int)written;
        }
    }
}
