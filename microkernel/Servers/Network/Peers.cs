using System;
using System.Threading;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.Network;

/// <summary>
/// How often each container has connected to whom: counted by grant, since a grant is whom it may reach, so that there are never more counters than grants. A datagram with an address is one; what flows through a connection
/// is not seen here. Counted from the session's beginning, or that of this server.
/// </summary>
public static unsafe class Peers
{
    /// <summary>Grants told apart; what the others have is summed.</summary>
    private const int Slots = StandingAnswer.Slots, Apart = 64;

    /// <summary>Failed: nobody was there, or refused. Both also from the threads that wait.</summary>
    private struct Counts
    {
        public int Made, Failed;
    }

    private static Counts** s_counts;

    public static bool Initialize() => (s_counts = (Counts**)State.Allocate((long)State.MaxSessions * sizeof(Counts*))) != null;

    /// <param name="label">The session.</param>
    /// <param name="grant">Slot + 1; 0 is the pod itself, which is no peer.</param>
    /// <param name="result">What connect gives: 0 and -EINPROGRESS are made.</param>
    public static void Count(long label, int grant, nint result)
    {
        if (grant <= 0 || grant > Slots) return;
        if (s_counts[label] == null) s_counts[label] = (Counts*)State.Allocate(Slots * sizeof(Counts));
        if (s_counts[label] == null) return;
        ref var counts = ref s_counts[label][grant - 1];
        Interlocked.Increment(ref result is 0 or -Sys.Einprogress ? ref counts.Made : ref counts.Failed);
    }

    /// <summary>The session is over.</summary>
    public static void Forget(long label)
    {
        if (s_counts[label] == null) return; // then no answer of its stands either
        for (int slot = 0; slot < Slots; slot++) Shared.Made(label, slot) = 0;
        for (int slot = 0; slot < Slots; slot++) s_counts[label][slot] = default;
    }

    /// <summary>Lines <c>made failed entry</c> of grants that are held and were used; the last may be <c>made failed other</c>.</summary>
    public static int Write(long label, in Session session, Span<byte> into)
    {
        var text = new TextWriter(into);
        if (s_counts[label] == null) return 0;
        var grants = session.Grants;
        uint made = 0, failed = 0;
        for (int lines = 0; grants.Length > 0;)
        {
            var line = Lines.Next(ref grants);
            var fields = new FieldReader(line);
            var field = fields.Next();
            long slot = FieldReader.Number(field);
            if (slot is < 0 or >= Slots) continue;
            ref var counts = ref s_counts[label][slot];
            uint known = (uint)counts.Made + (uint)Shared.Made(label, slot);
            if (known == 0 && counts.Failed == 0) continue;
            if (lines++ < Apart) Line(ref text, known, (uint)counts.Failed, line.Slice(field.Length + 1));
            else { made += known; failed += (uint)counts.Failed; }
        }
        if (made != 0 || failed != 0) Line(ref text, made, failed, "other"u8);
        return text.Length;
    }

    private static void Line(ref TextWriter text, uint made, uint failed, ReadOnlySpan<byte> entry)
    {
        text.Add(made); text.Add((byte)' '); text.Add(failed); text.Add((byte)' '); text.Add(entry); text.Add((byte)'\n');
    }
}
