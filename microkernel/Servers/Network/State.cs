using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.Network;

/// <summary>What the server keeps: a session a container, the table of services, and denials not yet fetched.</summary>
public static unsafe class State
{
    public const int MaxSessions = StandingAnswer.Sessions, GrantSpace = 16384, ServiceSpace = 1 << 20, MaxDenials = 256;

    private struct Entry
    {
        public uint Pod, Loopback;
        public int Length, AuditLength;
        public byte* Grants, Audit;
    }

    private static Entry* s_sessions;
    private static byte* s_services;
    private static byte* s_incoming;
    private static int s_servicesLength, s_incomingLength;
    private static uint s_random;

    public static bool Initialize()
    {
        s_sessions = (Entry*)Allocate((long)MaxSessions * sizeof(Entry));
        s_services = Allocate(ServiceSpace);
        s_incoming = Allocate(ServiceSpace);
        s_random = 2463534242;
        return s_sessions != null && s_services != null && s_incoming != null && Denials.Initialize() && Affinity.Initialize() && Peers.Initialize();
    }

    public static byte* Allocate(long bytes)
    {
        nint memory = Host.Call(Sys.Mmap, 0, (nint)bytes, 3, 0x4022, -1);
        return memory < 0 ? null : (byte*)memory;
    }

    public static ReadOnlySpan<byte> Services => new(s_services, s_servicesLength);

    /// <summary>xorshift32 (Marsaglia 2003): spreads connections over endpoints; no secret depends on it.</summary>
    public static uint Random()
    {
        s_random ^= s_random << 13;
        s_random ^= s_random >> 17;
        s_random ^= s_random << 5;
        return s_random;
    }

    public static bool Find(long label, out Session session)
    {
        session = default;
        if (label is <= 0 or >= MaxSessions || s_sessions[label].Pod == 0) return false;
        ref var entry = ref s_sessions[label];
        session = new Session { Pod = entry.Pod, Loopback = entry.Loopback, Grants = new ReadOnlySpan<byte>(entry.Grants, entry.Length), Audit = new ReadOnlySpan<byte>(entry.Audit, entry.AuditLength) };
        return true;
    }

    /// <summary>Payload: two lines of addresses, then grants. False: it does not hold together.</summary>
    public static bool SetSession(long label, ReadOnlySpan<byte> text)
    {
        if (label is <= 0 or >= MaxSessions) return false;
        long pod = FieldReader.Address(Lines.Next(ref text)), loopback = FieldReader.Address(Lines.Next(ref text));
        if (pod <= 0 || loopback <= 0 || text.Length > GrantSpace) return false;
        ref var entry = ref s_sessions[label];
        if (entry.Grants == null) entry.Grants = Allocate(GrantSpace);
        if (entry.Audit == null) entry.Audit = Allocate(GrantSpace);
        if (entry.Grants == null || entry.Audit == null) return false;
        Sort(text, ref entry);
        entry.Pod = (uint)pod;
        entry.Loopback = (uint)loopback;
        return true;
    }

    /// <summary><c>slot audit entry</c> goes to the one text as <c>slot entry</c>, everything else to the other.</summary>
    private static void Sort(ReadOnlySpan<byte> text, ref Entry entry)
    {
        var granted = new TextWriter(new Span<byte>(entry.Grants, GrantSpace));
        var audited = new TextWriter(new Span<byte>(entry.Audit, GrantSpace));
        while (text.Length > 0)
        {
            var line = Lines.Next(ref text);
            int space = line.IndexOf((byte)' ');
            var rest = line.Slice(space + 1);
            if (rest.StartsWith("audit "u8)) { audited.Add(line.Slice(0, space + 1)); audited.Add(rest.Slice(6)); audited.Add((byte)'\n'); }
            else { granted.Add(line); granted.Add((byte)'\n'); }
        }
        entry.Length = granted.Length;
        entry.AuditLength = audited.Length;
    }

    public static bool RemoveSession(long label)
    {
        if (label is <= 0 or >= MaxSessions) return false;
        s_sessions[label].Pod = 0;
        Peers.Forget(label);
        s_sessions[label].Length = s_sessions[label].AuditLength = 0;
        return true;
    }

    /// <summary>Parts are gathered aside and take effect all at once with the last.</summary>
    public static bool SetServices(bool first, bool last, ReadOnlySpan<byte> part)
    {
        if (first) s_incomingLength = 0;
        if (part.Length > ServiceSpace - s_incomingLength) return false;
        part.CopyTo(new Span<byte>(s_incoming + s_incomingLength, ServiceSpace - s_incomingLength));
        s_incomingLength += part.Length;
        if (!last) return true;
        byte* old = s_services;
        s_services = s_incoming;
        s_incoming = old;
        s_servicesLength = s_incomingLength;
        return true;
    }
}
