using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.Network;

/// <summary>What became of a use that is reported.</summary>
public enum Verdict
{
    /// <summary>Refused for want of a grant.</summary>
    Denied,
    /// <summary>No grant allows it; an audit let it through.</summary>
    Audited,
    /// <summary>A grant allows it. Reported of audited sessions alone.</summary>
    Granted,
    /// <summary>Granted, and nobody of this node is there to serve it.</summary>
    Unserved,
}

/// <summary>Uses that are reported, until MettEagle fetches them. The same use of the same container is counted, not repeated; a full table drops the newest.</summary>
public static unsafe class Denials
{
    private const int LineSpace = 320, ProgramSpace = 128;

    private struct Denial
    {
        public long Label;
        public int Count, Length, ProgramLength;
        public fixed byte Line[LineSpace];
        public fixed byte Program[ProgramSpace];
    }

    private static Denial* s_denials;
    private static int s_count;

    public static bool Initialize()
    {
        s_denials = (Denial*)State.Allocate((long)State.MaxDenials * sizeof(Denial));
        return s_denials != null;
    }

    /// <summary>Records a use and the entry that allows it, or would: <c>verdict operation address port</c>, then the entry. The program is asked for once for each line.</summary>
    public static void Record(long label, long caller, Verdict verdict, ReadOnlySpan<byte> operation, uint address, ushort port, ReadOnlySpan<byte> service, bool udp = false)
    {
        Span<byte> line = stackalloc byte[LineSpace];
        var text = new TextWriter(line);
        text.Add(verdict switch { Verdict.Denied => "denied"u8, Verdict.Audited => "audited"u8, _ => "granted"u8 }); text.Add((byte)' ');
        text.Add(operation); text.Add((byte)' '); text.AddAddress(address); text.Add((byte)' '); text.Add(port); text.Add((byte)' ');
        if (operation.SequenceEqual("connect"u8))
        {
            text.Add("connect "u8); text.Add(udp ? "udp "u8 : "tcp "u8);
            if (service.Length > 0) { text.Add("service "u8); text.Add(service); }
            else { text.Add("cidr "u8); text.AddAddress(address); text.Add("/32 "u8); text.Add(port); }
        }
        else { text.Add("listen "u8); text.Add(udp ? "udp "u8 : "tcp "u8); text.Add(port); }
        Record(label, caller, text.Written);
    }

    /// <summary>A gate that was asked for without its entry, or called with nobody to serve it: <c>verdict call namespace/name -</c>, then the entry.</summary>
    public static void Gate(long label, long caller, Verdict verdict, ReadOnlySpan<byte> entry)
    {
        const int Words = 10; // of "gate call "
        Span<byte> line = stackalloc byte[LineSpace];
        var text = new TextWriter(line);
        text.Add(verdict == Verdict.Denied ? "denied"u8 : "unserved"u8); text.Add(" call "u8); text.Add(entry.Slice(entry.Length < Words ? entry.Length : Words)); text.Add(" - "u8); text.Add(entry);
        Record(label, caller, text.Written);
    }

    private static void Record(long label, long caller, ReadOnlySpan<byte> line)
    {
        bool first = s_count == 0;
        for (int i = 0; i < s_count; i++)
        {
            Denial* known = s_denials + i;
            if (known->Label != label || !line.SequenceEqual(new ReadOnlySpan<byte>(known->Line, known->Length))) continue;
            known->Count++;
            return;
        }
        if (s_count == State.MaxDenials) return;
        Denial* denial = s_denials + s_count++;
        denial->Label = label;
        denial->Count = 1;
        denial->Length = line.Length;
        line.CopyTo(new Span<byte>(denial->Line, LineSpace));
        var program = Microkernel.Program(caller);
        if (program.Length > ProgramSpace) program = program.Slice(0, ProgramSpace);
        denial->ProgramLength = program.Length;
        program.CopyTo(new Span<byte>(denial->Program, ProgramSpace));
        if (first) Microkernel.Notification(NetworkControl.DenialSlot, NotificationOperation.Signal);
    }

    /// <summary>Writes and forgets all of them.</summary>
    public static int Take(Span<byte> into)
    {
        var text = new TextWriter(into);
        for (int i = 0; i < s_count; i++)
        {
            Denial* denial = s_denials + i;
            text.Add(denial->Label); text.Add((byte)' ');
            text.Add(denial->Count); text.Add((byte)' ');
            int spaces = 0, fields = 0;
            while (fields < denial->Length && (spaces += denial->Line[fields] == ' ' ? 1 : 0) < 4) fields++;
            text.Add(new ReadOnlySpan<byte>(denial->Line, fields)); text.Add((byte)' ');
            if (denial->ProgramLength > 0) text.Add(new ReadOnlySpan<byte>(denial->Program, denial->ProgramLength));
            else text.Add("- -"u8);
            text.Add(new ReadOnlySpan<byte>(denial->Line + fields, denial->Length - fields)); text.Add((byte)'\n');
        }
        s_count = 0;
        return text.Length;
    }
}
