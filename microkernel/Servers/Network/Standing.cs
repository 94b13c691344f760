using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.Network;

/// <summary>Which decisions the kernel may repeat without asking, until this server knows something new (<see cref="StandingAnswer"/>).</summary>
public static class Standing
{
    /// <summary>
    /// Writes the addresses of a standing answer: eight bytes each, the pod's own first, then those of the endpoints. None where every use is looked at again: it is recorded (audit), counts as time (session affinity), is no
    /// grant's, leads to the pod itself (whose port may be a process of the host's), or leads off this host, where a connection takes its time.
    /// </summary>
    /// <returns>Bytes written; 0: the decision does not stand.</returns>
    public static int Write(in Session session, ReadOnlySpan<byte> services, in Decision decision, Span<byte> into)
    {
        if (decision.Kind != DecisionKind.Allow || decision.Grant <= 0 || decision.Affinity > 0 || session.Audit.Length > 0) return 0;
        int length = Add(into, 0, session.Pod, 0);
        if (decision.Choices == 0) return Stays(session, decision.Address) ? Add(into, length, decision.Address, decision.Port) : 0;
        if (decision.Choices > StandingAnswer.MaxEndpoints || (decision.Any && !Policy.AreOpen(services, decision.Endpoints))) return 0;
        var fields = new FieldReader(decision.Endpoints);
        for (var field = fields.Next(); field.Length > 0; field = fields.Next())
        {
            if (!Policy.Endpoint(field, out uint address, out ushort port) || !Stays(session, address)) return 0;
            length = Add(into, length, address, port);
        }
        return length;
    }

    private static bool Stays(in Session session, uint address) => address >> 24 == 127 && address != session.Pod && address != session.Loopback;

    /// <summary>The first eight bytes of a struct sockaddr_in; where the next ones go.</summary>
    private static int Add(Span<byte> into, int at, uint address, ushort port)
    {
        const byte Family = 2; // AF_INET
        into[at] = Family;
        into[at + 1] = 0;
        into[at + 2] = (byte)(port >> 8);
        into[at + 3] = (byte)port;
        for (int i = 0; i < 4; i++) into[at + 4 + i] = (byte)(address >> (24 - 8 * i));
        return at + 8;
    }
}
