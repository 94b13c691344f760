using System;
using System.Runtime;
using System.Threading;
using Eyrie.Freestanding;
using Eyrie.Gate;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Gates;

/// <summary>
/// Does with gates what its arguments say, one after the other, and prints a line for each: its result, and what it got. What a well-behaved program would never do is said as easily: <c>gates find:keyvault label:7 call:hello</c>.
/// Settings (no line): slot:N timeout:MICROSECONDS address:N words:N length:N label:N caller:N descriptor:N. Acts: find:NAME call[:TEXT] wait who reply[:TEXT] replywait[:TEXT], over:TEXT (who, again and again, until it is not 0),
/// number:N (a bare call of that number), sweep:N (calls every slot below N; prints those whose result is none of the refusals), guess:N (replies to N handles around the last one; prints how many were taken),
/// flood:N (N processes call once each), scribble:N (N calls while another thread writes over the message), opened (how many descriptors there are), told (the label of the last request), echo:N (answers N requests), loop:N (N calls; prints how many came back with what).
/// </summary>
internal static unsafe class Program
{
    private static GateClient s_gate;
    private static long s_slot, s_timeout, s_caller, s_address;
    private static uint s_words, s_length, s_descriptor;
    private static bool s_forged;
    private static long s_label, s_claimed;
    private static volatile bool s_done;

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        s_gate = GateClient.Make();
        for (long i = 1; i < stack[0]; i++)
        {
            byte* argument = (byte*)stack[1 + i];
            int length = 0;
            while (argument[length] != 0) length++;
            var text = new ReadOnlySpan<byte>(argument, length);
            int colon = text.IndexOf((byte)':');
            var verb = colon < 0 ? text : text.Slice(0, colon);
            Step(verb, colon < 0 ? default : text.Slice(colon + 1));
        }
        return 0;
    }

    private static void Step(ReadOnlySpan<byte> verb, ReadOnlySpan<byte> rest)
    {
        if (verb.SequenceEqual("slot"u8)) s_slot = Number(rest);
        else if (verb.SequenceEqual("timeout"u8)) s_timeout = Number(rest);
        else if (verb.SequenceEqual("address"u8)) s_address = Number(rest);
        else if (verb.SequenceEqual("words"u8)) { s_words = (uint)Number(rest); s_forged = true; }
        else if (verb.SequenceEqual("length"u8)) { s_length = (uint)Number(rest); s_forged = true; }
        else if (verb.SequenceEqual("label"u8)) s_label = Number(rest);
        else if (verb.SequenceEqual("caller"u8)) s_claimed = Number(rest);
        else if (verb.SequenceEqual("descriptor"u8)) s_descriptor = (uint)Number(rest);
        else if (verb.SequenceEqual("find"u8)) Print(s_slot = s_gate.Find(rest), default);
        else if (verb.SequenceEqual("call"u8)) { Fill(rest); Done(Do(GateOperation.Call, s_slot)); }
        else if (verb.SequenceEqual("wait"u8)) Waited(Do(GateOperation.Wait, 0));
        else if (verb.SequenceEqual("who"u8)) Done(s_gate.Do(GateOperation.Who, s_caller));
        else if (verb.SequenceEqual("reply"u8)) { Fill(rest); Print(Do(GateOperation.Reply, s_caller), default); }
        else if (verb.SequenceEqual("replywait"u8)) { Fill(rest); Waited(Do(GateOperation.ReplyWait, s_caller)); }
        else if (verb.SequenceEqual("over"u8)) Print(Over(), rest);
        else if (verb.SequenceEqual("number"u8)) Print(Host.Call((nint)Number(rest)), default);
        else if (verb.SequenceEqual("sweep"u8)) Sweep(Number(rest));
        else if (verb.SequenceEqual("guess"u8)) Guess(Number(rest));
        else if (verb.SequenceEqual("flood"u8)) Flood(Number(rest));
        else if (verb.SequenceEqual("loop"u8)) Loop(Number(rest), false);
        else if (verb.SequenceEqual("scribble"u8)) Loop(Number(rest), true);
        else if (verb.SequenceEqual("told"u8)) Print(s_gate.Label, default);
        else if (verb.SequenceEqual("echo"u8)) Echo(Number(rest));
        else if (verb.SequenceEqual("opened"u8)) Print(Opened(), default);
        else Print(-1000, verb);
    }

    private static void Fill(ReadOnlySpan<byte> text)
    {
        text.CopyTo(s_gate.Space);
        s_gate.Set(text.Length, text.Length);
        byte* message = s_gate.Memory;
        if (s_forged) { *(uint*)message = s_words; *(uint*)(message + GateMessage.PayloadLength) = s_length; }
        *(long*)(message + GateMessage.Label) = s_label;
        *(long*)(message + GateMessage.Caller) = s_claimed;
        if (s_descriptor != 0) *(uint*)(message + MessageLayout.Descriptor) = s_descriptor;
    }

    private static long Do(GateOperation operation, long argument) =>
        Host.Call(Call.Gate, (nint)operation, (nint)argument, (nint)s_timeout, s_address != 0 ? (nint)s_address : (nint)s_gate.Memory);

    private static void Waited(long result)
    {
        s_caller = s_gate.Caller;
        Done(result);
    }

    private static void Done(long result) => Print(result, result == 0 ? s_gate.Payload : default);

    private static long Over()
    {
        long* tenth = stackalloc long[2];
        tenth[0] = 0;
        tenth[1] = 10_000_000;
        long result;
        while ((result = s_gate.Do(GateOperation.Who, s_caller)) == 0) Host.Call(Sys.Nanosleep, (nint)tenth, 0);
        return result;
    }

    private static void Echo(long count)
    {
        long result = s_gate.Do(GateOperation.Wait);
        for (; result == 0 && count > 1; count--) result = s_gate.Do(GateOperation.ReplyWait, s_gate.Caller);
        if (result == 0) result = s_gate.Do(GateOperation.Reply, s_gate.Caller);
        Print(result, default);
    }

    private static void Sweep(long slots)
    {
        long calls = 0;
        for (long slot = 0; slot < slots; slot++)
        {
            Fill(default);
            if (Do(GateOperation.Call, slot) is AbiError.NoCapability or AbiError.WrongKind or AbiError.MissingRights) continue;
            calls++;
        }
        Print(calls, default);
    }

    private static void Guess(long count)
    {
        long taken = 0;
        for (long i = -count / 2; i < count / 2; i++)
        {
            Fill(default);
            if (s_gate.Do(GateOperation.Reply, s_caller + i) == 0) taken++;
            Fill(default);
            if (s_gate.Do(GateOperation.Reply, s_caller + (i << 32)) == 0) taken++;
        }
        Print(taken, default);
    }

    /// <summary>Prints how many calls were turned away for being too many, and how many waited until their time was over.</summary>
    private static void Flood(long count)
    {
        for (long i = 0; i < count; i++)
        {
            if (Host.Call(Sys.Fork) != 0) continue;
            Fill(default);
            long result = Do(GateOperation.Call, s_slot);
            Host.Call(Sys.ExitGroup, result == AbiError.Busy ? 1 : result == AbiError.TimedOut ? 2 : 3);
        }
        long busy = 0, waited = 0;
        int status;
        while (Host.Call(Sys.Wait4, -1, (nint)(&status), 0, 0) > 0)
            if (status >> 8 == 1) busy++;
            else if (status >> 8 == 2) waited++;
        Print(busy, default);
        Print(waited, default);
    }

    private static void Loop(long count, bool scribble)
    {
        long answered = 0, withdrawn = 0, refused = 0, others = 0;
        nint stack = scribble ? Host.Call(Sys.Mmap, 0, 65536, 3, 0x22, -1) : 0;
        if (scribble) Host.CloneThread(0x250F00, (byte*)stack + 65536, &Scribble, 0, (int*)stack);
        for (long i = 0; i < count; i++)
        {
            if (!scribble) Fill("again"u8);
            long result = Do(GateOperation.Call, s_slot);
            if (result == 0) answered++;
            else if (result == AbiError.Cancelled) withdrawn++;
            else if (result is AbiError.NoCapability or AbiError.InvalidArgument) refused++;
            else others++;
        }
        s_done = true;
        Print(answered, default);
        Print(withdrawn, default);
        Print(refused, default);
        Print(others, default);
    }

    [System.Runtime.InteropServices.UnmanagedCallersOnly]
    private static nint Scribble(nint nothing)
    {
        uint value = 1;
        for (byte* message = s_gate.Memory; !s_done; value = value * 1664525 + 1013904223)
        {
            *(uint*)message = value >> 28;
            *(uint*)(message + GateMessage.PayloadLength) = value >> 19;
            *(long*)(message + GateMessage.Label) = value;
        }
        return 0;
    }

    private static long Opened()
    {
        const int GetFlags = 1;
        long count = 0;
        for (int i = 0; i < 256; i++)
            if (Host.Call(Sys.Fcntl, i, GetFlags, 0) >= 0) count++;
        return count;
    }

    private static long Number(ReadOnlySpan<byte> text)
    {
        bool negative = text.Length > 0 && text[0] == '-';
        long value = 0;
        for (int i = negative ? 1 : 0; i < text.Length; i++) value = value * 10 + text[i] - '0';
        return negative ? -value : value;
    }

    private static void Print(long result, ReadOnlySpan<byte> text)
    {
        Span<byte> line = stackalloc byte[GateMessage.Size + 64];
        var writer = new TextWriter(line);
        writer.Add(result);
        if (text.Length > 0) { writer.Add((byte)' '); writer.Add(text); }
        writer.Add((byte)'\n');
        fixed (byte* bytes = writer.Written) Host.Call(Sys.Write, 1, (nint)bytes, writer.Length);
    }
}
