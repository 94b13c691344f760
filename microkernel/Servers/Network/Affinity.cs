using System;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Servers.Network;

/// <summary>
/// Which endpoint a pod's connections to a Service with session affinity go to (sessionAffinity: ClientIP). Every connection keeps it for the Service's time once more. The table is bounded: whoever used theirs longest
/// ago loses it, as everybody does when the server ends.
/// </summary>
public static unsafe class Affinity
{
    private const int Entries = 16384, Ways = 4;

    private struct Kept
    {
        public uint Client, Service, Address;
        public ushort ServicePort, Port;
        public int Udp;
        /// <summary>Seconds of the monotonic clock.</summary>
        public long Until;
    }

    private static Kept* s_kept;

    public static bool Initialize() => (s_kept = (Kept*)State.Allocate((long)Entries * sizeof(Kept))) != null;

    public static Peer Of(uint client, uint service, ushort port, bool udp)
    {
        Kept* place = Find(client, service, port, udp, out bool found);
        return found && place->Until > Now() ? new Peer(place->Address, place->Port) : default;
    }

    public static void Keep(uint client, uint service, ushort port, bool udp, Peer endpoint, long seconds)
    {
        Kept* place = Find(client, service, port, udp, out _);
        *place = new Kept { Client = client, Service = service, ServicePort = port, Udp = udp ? 1 : 0, Address = endpoint.Address, Port = endpoint.Port, Until = Now() + seconds };
    }

    /// <summary>Its place, or the one to take for it.</summary>
    private static Kept* Find(uint client, uint service, ushort port, bool udp, out bool found)
    {
        ulong hash = ((ulong)client << 32 | service) * 0x9E3779B97F4A7C15 ^ ((ulong)port << 1 | (udp ? 1u : 0u)) * 0xC2B2AE3D27D4EB4F;
        Kept* place = s_kept + (hash >> 40) % (Entries / Ways) * Ways, oldest = place;
        for (int way = 0; way < Ways; way++, place++)
        {
            found = place->Client == client && place->Service == service && place->ServicePort == port && place->Udp == (udp ? 1 : 0);
            if (found) return place;
            if (place->Until < oldest->Until) oldest = place;
        }
        found = false;
        return oldest;
    }

    private static long Now()
    {
        long* time = stackalloc long[2];
        Host.Call(Sys.ClockGettime, 1, (nint)time);
        return time[0];
    }
}
