using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Servers.Network;

public enum DecisionKind { Allow, Refuse, Deny }

/// <summary>What becomes of a call. Deny is a missing grant, Refuse is nobody there. Addresses in host order.</summary>
public ref struct Decision
{
    public DecisionKind Kind;
    public uint Address;
    public ushort Port;
    /// <summary>Slot + 1 of the grant that allows it; 0: allowed without one (the pod's own localhost).</summary>
    public int Grant;
    /// <summary>How many endpoints the Service has that was asked for; 0: an address of its own was.</summary>
    public int Choices;
    /// <summary>Those endpoints, as the table has them.</summary>
    public ReadOnlySpan<byte> Endpoints;
    /// <summary>The grant is one for whatever is open (<c>connect any</c>).</summary>
    public bool Any;
    /// <summary>Seconds for which the pod's connections to that Service stay with the endpoint; 0: they are spread.</summary>
    public long Affinity;
    /// <summary>With Deny: the service the address belongs to (<c>namespace/name port</c>), empty when it is none.</summary>
    public ReadOnlySpan<byte> Service;
    /// <summary>With Allow: the service it went through, empty when it is none.</summary>
    public ReadOnlySpan<byte> Through;
    /// <summary>Allowed by an audit alone: to be recorded.</summary>
    public bool Audited;
}

/// <summary>Where one endpoint is. Port 0: none.</summary>
public readonly struct Peer(uint address, ushort port)
{
    public readonly uint Address = address;
    public readonly ushort Port = port;
}

/// <summary>A container's session: its addresses and its grants, lines of <c>slot entry</c>.</summary>
public ref struct Session
{
    public uint Pod, Loopback;
    public ReadOnlySpan<byte> Grants;
    /// <summary>What an audit lets through and records: lines of the same form, without the word.</summary>
    public ReadOnlySpan<byte> Audit;
}

/// <summary>
/// Decides from (session, services, call) alone. Services are lines of <c>namespace/name port cluster-address address:port ...</c>, with
/// <c>@seconds</c> before the endpoints where the Service has session affinity; nothing that is
/// not granted by a line is allowed, whatever name or address led there.
/// </summary>
public static class Policy
{
    /// <summary>127.64.0.0/11 holds pods, services and private localhosts; every other 127.x is a container's word for its own localhost.</summary>
    public static bool IsLocalhost(uint address) => address >> 24 == 127 && !IsCluster(address);

    private static bool IsCluster(uint address) => address >> 21 == (127u << 24 | 64u << 16) >> 21;

    /// <param name="kept">The endpoint that the pod's connections to this Service stay with, as long as the Service has it.</param>
    public static Decision Connect(in Session session, ReadOnlySpan<byte> services, uint address, ushort port, uint random, bool udp = false, Peer kept = default)
    {
        var decision = Connect(session, session.Grants, services, address, port, random, udp, kept);
        if (decision.Kind != DecisionKind.Deny || session.Audit.Length == 0) return decision;
        var audited = Connect(session, session.Audit, services, address, port, random, udp, kept);
        if (audited.Kind == DecisionKind.Deny) return decision;
        audited.Audited = true;
        return audited;
    }

    private static Decision Connect(in Session session, ReadOnlySpan<byte> grants, ReadOnlySpan<byte> services, uint address, ushort port, uint random, bool udp, Peer kept)
    {
        var decision = new Decision { Address = address, Port = port };
        if (IsLocalhost(address) || address == 0) { decision.Address = session.Loopback; return decision; }
        if (address == session.Pod || address == session.Loopback) return decision;
        var rest = services;
        while (rest.Length > 0)
        {
            var line = Lines.Next(ref rest);
            var fields = new FieldReader(line);
            var name = fields.Next();
            var portField = fields.Next();
            if (udp != TakeUdp(ref portField)) continue;
            bool atService = FieldReader.Address(fields.Next()) == address && FieldReader.Number(portField) == port;
            bool atEndpoint = !atService && HasEndpoint(fields, address, port);
            if (!atService && !atEndpoint) continue;
            int grant = ServiceGrant(grants, name, portField, udp);
            bool any = grant == 0 && (grant = AnyGrant(grants, "connect"u8)) != 0;
            if (grant == 0 || any && atEndpoint && !IsOpen(services, address))
            {
                decision.Service = line.Slice(0, name.Length + 1 + portField.Length);
                continue;
            }
            decision.Grant = grant;
            decision.Service = default;
            decision.Through = line.Slice(0, name.Length + 1 + portField.Length);
            decision.Any = any;
            if (atService)
            {
                decision.Affinity = TakeAffinity(ref fields);
                decision.Endpoints = fields.Rest;
            }
            if (atService && !Pick(fields, random, decision.Affinity > 0 ? kept : default, out decision.Choices, out decision.Address, out decision.Port)) decision.Kind = DecisionKind.Refuse;
            if (!any || decision.Kind == DecisionKind.Refuse || IsOpen(services, decision.Address)) return decision;
            return new Decision { Kind = DecisionKind.Deny, Address = address, Port = port, Service = decision.Through };
        }
        decision.Grant = IsCluster(address) ? 0 : CidrGrant(grants, address, port, udp);
        if (decision.Grant == 0 && !IsCluster(address)) decision.Grant = HostGrant(grants, services, address, port, udp);
        if (decision.Grant == 0 && (!IsCluster(address) || IsOpen(services, address))) decision.Grant = AnyGrant(grants, "connect"u8);
        if (decision.Grant == 0) decision.Kind = DecisionKind.Deny;
        return decision;
    }

    /// <summary>bind and listen. Port 0 of the pod's address is an outgoing source and needs no grant to bind.</summary>
    public static Decision Bind(in Session session, uint address, ushort port, bool listening, bool udp = false)
    {
        var decision = Bind(session, session.Grants, address, port, listening, udp);
        if (decision.Kind != DecisionKind.Deny || session.Audit.Length == 0) return decision;
        var audited = Bind(session, session.Audit, address, port, listening, udp);
        if (audited.Kind == DecisionKind.Deny) return decision;
        audited.Audited = true;
        return audited;
    }

    private static Decision Bind(in Session session, ReadOnlySpan<byte> grants, uint address, ushort port, bool listening, bool udp)
    {
        var decision = new Decision { Address = session.Pod, Port = port };
        if (IsLocalhost(address) || address == session.Loopback) { decision.Address = session.Loopback; return decision; }
        if (address != 0 && address != session.Pod) { decision.Kind = DecisionKind.Deny; decision.Address = address; return decision; }
        if (port == 0 && !listening) return decision;
        decision.Grant = ListenGrant(grants, port, udp);
        if (decision.Grant == 0) decision.Grant = AnyGrant(grants, "listen"u8);
        if (decision.Grant == 0) decision.Kind = DecisionKind.Deny;
        return decision;
    }

    /// <summary>A datagram in answer to one that was heard on a port which the container may listen on.</summary>
    /// <param name="local">Port of the container's own socket.</param>
    public static Decision Answer(in Session session, uint address, ushort port, ushort local)
    {
        var decision = new Decision { Address = address, Port = port, Grant = ListenGrant(session.Grants, local, true) };
        if (decision.Grant == 0) decision.Grant = AnyGrant(session.Grants, "listen"u8);
        if (decision.Grant == 0) decision.Kind = DecisionKind.Deny;
        return decision;
    }

    public static bool Listens(in Session session, ushort port) => port != 0 && (ListenGrant(session.Grants, port, true) != 0 || ListenGrant(session.Audit, port, true) != 0);

    /// <summary>Whether a container may have datagram sockets at all.</summary>
    public static bool Datagrams(in Session session) => Datagrams(session.Grants) || Datagrams(session.Audit);

    private static bool Datagrams(ReadOnlySpan<byte> grants)
    {
        while (grants.Length > 0)
        {
            var fields = new FieldReader(Lines.Next(ref grants));
            fields.Next();
            fields.Next();
            var protocol = fields.Next();
            if (protocol.SequenceEqual("udp"u8) || protocol.SequenceEqual("any"u8)) return true;
        }
        return false;
    }

    private static ReadOnlySpan<byte> Protocol(bool udp) => udp ? "udp"u8 : "tcp"u8;

    /// <summary>A port of the table is <c>80</c> or <c>53/udp</c>; leaves the number.</summary>
    private static bool TakeUdp(scoped ref ReadOnlySpan<byte> port)
    {
        int slash = port.IndexOf((byte)'/');
        if (slash < 0) return false;
        port = port.Slice(0, slash);
        return true;
    }

    private static bool HasEndpoint(FieldReader fields, uint address, ushort port)
    {
        for (var field = fields.Next(); field.Length > 0; field = fields.Next())
            if (Endpoint(field, out uint a, out ushort p) && a == address && p == port) return true;
        return false;
    }

    /// <summary>Seconds; 0, and nothing is taken, where the endpoints begin.</summary>
    private static long TakeAffinity(ref FieldReader fields)
    {
        var rest = fields;
        var first = rest.Next();
        if (first.Length == 0 || first[0] != '@') return 0;
        fields = rest;
        long seconds = FieldReader.Number(first.Slice(1));
        return seconds < 0 ? 0 : seconds;
    }

    private static bool Pick(FieldReader fields, uint random, Peer kept, out int count, out uint address, out ushort port)
    {
        address = kept.Address;
        port = kept.Port;
        count = 0;
        var counting = fields;
        while (counting.Next().Length > 0) count++;
        if (count == 0) return false;
        if (kept.Port != 0 && HasEndpoint(fields, kept.Address, kept.Port)) return true;
        for (uint skip = random % (uint)count; skip > 0; skip--) fields.Next();
        return Endpoint(fields.Next(), out address, out port);
    }

    public static bool Endpoint(ReadOnlySpan<byte> field, out uint address, out ushort port)
    {
        int colon = field.IndexOf((byte)':');
        long a = colon < 0 ? -1 : FieldReader.Address(field.Slice(0, colon)), p = colon < 0 ? -1 : FieldReader.Number(field.Slice(colon + 1));
        address = (uint)a;
        port = (ushort)p;
        return a >= 0 && p is > 0 and < 65536;
    }

    private static int ServiceGrant(ReadOnlySpan<byte> grants, ReadOnlySpan<byte> name, ReadOnlySpan<byte> port, bool udp)
    {
        while (grants.Length > 0)
        {
            var fields = new FieldReader(Lines.Next(ref grants));
            int slot = (int)FieldReader.Number(fields.Next());
            if (fields.Next().SequenceEqual("connect"u8) && fields.Next().SequenceEqual(Protocol(udp)) && IsPeer(fields.Next())
                && fields.Next().SequenceEqual(name) && fields.Next().SequenceEqual(port)) return slot + 1;
        }
        return 0;
    }

    /// <summary>The grant <c>connect any</c> or <c>listen any</c>: what a plain container may.</summary>
    private static int AnyGrant(ReadOnlySpan<byte> grants, ReadOnlySpan<byte> verb)
    {
        while (grants.Length > 0)
        {
            var fields = new FieldReader(Lines.Next(ref grants));
            int slot = (int)FieldReader.Number(fields.Next());
            if (fields.Next().SequenceEqual(verb) && fields.Next().SequenceEqual("any"u8)) return slot + 1;
        }
        return 0;
    }

    /// <summary>
    /// Whether <c>connect any</c> reaches an address of the cluster: never another pod's private localhost (127.80.0.0/12), and no pod that accepts only whom it names; the
    /// table lists those in lines <c>closed address ...</c>.
    /// </summary>
    private static bool IsOpen(ReadOnlySpan<byte> services, uint address)
    {
        if (address >> 20 == (127u << 24 | 80u << 16) >> 20) return false;
        while (services.Length > 0)
        {
            var fields = new FieldReader(Lines.Next(ref services));
            if (!fields.Next().SequenceEqual("closed"u8)) continue;
            for (var field = fields.Next(); field.Length > 0; field = fields.Next())
                if (FieldReader.Address(field) == address) return false;
        }
        return true;
    }

    /// <summary>Whether <c>connect any</c> reaches every endpoint of a list; the table is read once.</summary>
    public static bool AreOpen(ReadOnlySpan<byte> services, ReadOnlySpan<byte> endpoints)
    {
        var others = new FieldReader(endpoints);
        for (var field = others.Next(); field.Length > 0; field = others.Next())
            if (!Endpoint(field, out uint address, out _) || address >> 20 == (127u << 24 | 80u << 16) >> 20) return false;
        while (services.Length > 0)
        {
            var fields = new FieldReader(Lines.Next(ref services));
            if (!fields.Next().SequenceEqual("closed"u8)) continue;
            for (var field = fields.Next(); field.Length > 0; field = fields.Next())
            {
                long closed = FieldReader.Address(field);
                others = new FieldReader(endpoints);
                for (var other = others.Next(); other.Length > 0; other = others.Next())
                    if (Endpoint(other, out uint address, out _) && address == closed) return false;
            }
        }
        return true;
    }

    /// <summary>A Service, or pods by a selector: the table holds both by name.</summary>
    private static bool IsPeer(ReadOnlySpan<byte> kind) => kind.SequenceEqual("service"u8) || kind.SequenceEqual("pods"u8);

    private static int CidrGrant(ReadOnlySpan<byte> grants, uint address, ushort port, bool udp)
    {
        while (grants.Length > 0)
        {
            var fields = new FieldReader(Lines.Next(ref grants));
            int slot = (int)FieldReader.Number(fields.Next());
            if (!fields.Next().SequenceEqual("connect"u8) || !fields.Next().SequenceEqual(Protocol(udp)) || !fields.Next().SequenceEqual("cidr"u8)) continue;
            var range = fields.Next();
            int slash = range.IndexOf((byte)'/');
            if (slash < 0) continue;
            long network = FieldReader.Address(range.Slice(0, slash)), bits = FieldReader.Number(range.Slice(slash + 1));
            if (network < 0 || bits is < 0 or > 32) continue;
            uint mask = bits == 0 ? 0 : uint.MaxValue << (int)(32 - bits);
            if ((address & mask) == ((uint)network & mask) && HasPort(fields.Next(), port)) return slot + 1;
        }
        return 0;
    }

    /// <summary>A name whose addresses of the time stand in the table, in lines <c>host name address ...</c>.</summary>
    private static int HostGrant(ReadOnlySpan<byte> grants, ReadOnlySpan<byte> services, uint address, ushort port, bool udp)
    {
        while (grants.Length > 0)
        {
            var fields = new FieldReader(Lines.Next(ref grants));
            int slot = (int)FieldReader.Number(fields.Next());
            if (fields.Next().SequenceEqual("connect"u8) && fields.Next().SequenceEqual(Protocol(udp)) && fields.Next().SequenceEqual("host"u8)
                && fields.Next() is var name && HasPort(fields.Next(), port) && IsAt(services, name, address)) return slot + 1;
        }
        return 0;
    }

    private static bool IsAt(ReadOnlySpan<byte> services, ReadOnlySpan<byte> host, uint address)
    {
        while (services.Length > 0)
        {
            var fields = new FieldReader(Lines.Next(ref services));
            if (!fields.Next().SequenceEqual("host"u8) || !fields.Next().SequenceEqual(host)) continue;
            for (var field = fields.Next(); field.Length > 0; field = fields.Next())
                if (FieldReader.Address(field) == address) return true;
        }
        return false;
    }

    private static int ListenGrant(ReadOnlySpan<byte> grants, ushort port, bool udp)
    {
        while (grants.Length > 0)
        {
            var fields = new FieldReader(Lines.Next(ref grants));
            int slot = (int)FieldReader.Number(fields.Next());
            if (fields.Next().SequenceEqual("listen"u8) && fields.Next().SequenceEqual(Protocol(udp)) && FieldReader.Number(fields.Next()) == port) return slot + 1;
        }
        return 0;
    }

    /// <summary>Whether a list such as <c>443,8000-8100</c> holds a port.</summary>
    private static bool HasPort(ReadOnlySpan<byte> list, ushort port)
    {
        while (list.Length > 0)
        {
            int comma = list.IndexOf((byte)',');
            var item = comma < 0 ? list : list.Slice(0, comma);
            list = comma < 0 ? default : list.Slice(comma + 1);
            int dash = item.IndexOf((byte)'-');
            long low = FieldReader.Number(dash < 0 ? item : item.Slice(0, dash)), high = dash < 0 ? low : FieldReader.Number(item.Slice(dash + 1));
            if (low >= 0 && port >= low && port <= high) return true;
        }
        return false;
    }
}

/// <summary>Takes lines off a text.</summary>
public static class Lines
{
    public static ReadOnlySpan<byte> Next(scoped ref ReadOnlySpan<byte> text)
    {
        int end = text.IndexOf((byte)'\n');
        var line = end < 0 ? text : text.Slice(0, end);
        text = end < 0 ? default : text.Slice(end + 1);
        return line;
    }
}
