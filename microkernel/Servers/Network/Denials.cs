using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.Network;

/// <summary>Denials until MettEagle fetches them. The same denial of the same container is counted, not repeated; a full table drops the newest.</summary>
public static unsafe class Denials
{
    private const int LineSpace = 256;

    private struct Denial
    {
        public long Label;
        public int Count, Length;
        public fixed byte Line[LineSpace];
    }

    private static Denial* s_denials;
    private static int s_count;

    public static bool Initialize()
    {
        s_denials = (Denial*)State.Allocate((long)State.MaxDenials * sizeof(Denial));
        return s_denials != null;
    }

    /// <summary>Records what was tried and the entry that would allow it: <c>operation address port entry</c>.</summary>
    public static void Record(long label, ReadOnlySpan<byte> operation, uint address, ushort port, ReadOnlySpan<byte> service)
    {
        Span<byte> line = stackalloc byte[LineSpace];
        var text = new TextWriter(line);
        text.Add(operation); text.Add((byte)' '); text.AddAddress(address); text.Add((byte)' '); text.Add(port); text.Add((byte)' ');
        if (operation.SequenceEqual("connect"u8))
        {
            if (service.Length > 0) { text.Add("connect tcp service "u8); text.Add(service); }
            else { text.Add("connect tcp cidr "u8); text.AddAddress(address); text.Add("/32 "u8); text.Add(port); }
        }
        else { text.Add("listen tcp "u8); text.Add(port); }
        bool first = s_count == 0;
        for (int i = 0; i < s_count; i++)
        {
            Denial* known = s_denials + i;
            if (known->Label != label || !text.Written.SequenceEqual(new ReadOnlySpan<byte>(known->Line, known->Length))) continue;
            known->Count++;
            return;
        }
        if (s_count == State.MaxDenials) return;
        Denial* denial = s_denials + s_count++;
        denial->Label = label;
        denial->Count = 1;
        denial->Length = text.Length;
        text.Written.CopyTo(new Span<byte>(denial->Line, LineSpace));
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
            text.Add(new ReadOnlySpan<byte>(denial->Line, denial->Length)); text.Add((byte)'\n');
        }
        s_count = 0;
        return text.Length;
    }
}
