using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// Who has sent a datagram to whom of the pods on this host: the proof behind a server's right to answer. A packet socket (packet(7)) on the loopback device hears the headers before the server's own socket
/// has the datagram, so nobody can answer sooner than it is known. It is opened when the first container listens for datagrams.
/// </summary>
public static unsafe class HeardDatagrams
{
    private const int Entries = 16384, Ways = 4, Headers = 68, Batch = 64, Most = 65536, Seconds = 60;

    private struct Heard
    {
        public uint From, To;
        public ushort FromPort, ToPort;
        public long Time;
    }

    private static Heard* s_heard;
    private static int s_socket;

    /// <summary>False: the host refused.</summary>
    public static bool Listen()
    {
        if (s_socket > 0) return true;
        if (s_heard == null) s_heard = (Heard*)Node.Allocate(Entries * sizeof(Heard));
        nint socket = s_heard == null ? -1 : Host.Call(Sys.Socket, 17, 2 | Sys.Cloexec | Sys.NonBlock, 0); // AF_PACKET, SOCK_DGRAM
        if (socket < 0) return false;
        int space = 4 << 20;
        Host.Call(Sys.Setsockopt, socket, 1, 33, (nint)(&space), 4); // SO_RCVBUFFORCE
        byte* name = stackalloc byte[20];
        for (int i = 0; i < 20; i++) name[i] = 0;
        *(ushort*)name = 17;
        *(ushort*)(name + 2) = 8; // ETH_P_IP in network order
        *(int*)(name + 4) = 1; // lo is the first interface of every network namespace
        if (!Filter((int)socket) || Host.Call(Sys.Bind, socket, (nint)name, 20) < 0 || Node.Watch((int)socket, Node.Datagrams, 0) < 0)
        {
            Host.Call(Sys.Close, socket);
            return false;
        }
        s_socket = (int)socket;
        return true;
    }

    /// <summary>A successor's loop watches it too.</summary>
    public static void Rewatch()
    {
        if (s_socket > 0) Node.Watch(s_socket, Node.Datagrams, 0);
    }

    public static void Known() => Takeover.Known(s_socket);

    /// <summary>Headers of UDP to 127.64.0.0/11, first fragments only (classic BPF, as in the filter of system calls).</summary>
    private static bool Filter(int socket)
    {
        const ulong LoadByte = 0x30, LoadHalf = 0x28, LoadWord = 0x20, And = 0x54, JumpEqual = 0x15, JumpSet = 0x45, Return = 0x06;
        ulong* program = stackalloc ulong[9];
        program[0] = LoadByte | 9UL << 32;
        program[1] = JumpEqual | 6UL << 24 | 17UL << 32;
        program[2] = LoadHalf | 6UL << 32;
        program[3] = JumpSet | 4UL << 16 | 0x1FFFUL << 32;
        program[4] = LoadWord | 16UL << 32;
        program[5] = And | 0xFFE00000UL << 32;
        program[6] = JumpEqual | 1UL << 24 | 0x7F400000UL << 32;
        program[7] = Return | (ulong)Headers << 32;
        program[8] = Return;
        ulong* description = stackalloc ulong[2];
        description[0] = 9;
        description[1] = (ulong)program;
        return Host.Call(Sys.Setsockopt, socket, 1, 26, (nint)description, 16) >= 0; // SO_ATTACH_FILTER
    }

    /// <summary>Takes what was heard meanwhile.</summary>
    public static void Take(int most = Batch)
    {
        byte* packet = stackalloc byte[Headers];
        for (int i = 0; i < most; i++)
        {
            nint length = Host.Call(Sys.Read, s_socket, (nint)packet, Headers);
            if (length < 0) return;
            int header = (packet[0] & 15) * 4;
            if (length < header + 8) continue;
            Remember(Word(packet + 12), Half(packet + header), Word(packet + 16), Half(packet + header + 2));
        }
    }

    private static uint Word(byte* at) => (uint)(at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]);

    private static ushort Half(byte* at) => (ushort)(at[0] << 8 | at[1]);

    private static Heard* Place(uint from, ushort fromPort, uint to, ushort toPort)
    {
        ulong hash = ((ulong)from << 32 | to) * 0x9E3779B97F4A7C15 ^ ((ulong)fromPort << 16 | toPort) * 0xC2B2AE3D27D4EB4F;
        return s_heard + (hash >> 40) % (Entries / Ways) * Ways;
    }

    private static void Remember(uint from, ushort fromPort, uint to, ushort toPort)
    {
        Heard* place = Place(from, fromPort, to, toPort), oldest = place;
        for (int way = 0; way < Ways; way++, place++)
        {
            if (place->From == from && place->To == to && place->FromPort == fromPort && place->ToPort == toPort) { oldest = place; break; }
            if (place->Time < oldest->Time) oldest = place;
        }
        *oldest = new Heard { From = from, To = to, FromPort = fromPort, ToPort = toPort, Time = Deadlines.Now() };
    }

    /// <summary>Whether the address has sent to the socket's within the last minute.</summary>
    /// <param name="socket">A datagram socket.</param>
    /// <param name="address">sockaddr_in of whom an answer is to go to.</param>
    public static bool From(int socket, byte* address)
    {
        if (s_socket <= 0) return false;
        Take(Most);
        byte* name = stackalloc byte[16];
        uint length = 16;
        if (Host.Call(Sys.Getsockname, socket, (nint)name, (nint)(&length)) < 0 || *(ushort*)name != Sys.AfInet) return false;
        uint from = Word(address + 4), to = Word(name + 4);
        ushort fromPort = Half(address + 2), toPort = Half(name + 2);
        Heard* place = Place(from, fromPort, to, toPort);
        for (int way = 0; way < Ways; way++, place++)
            if (place->From == from && place->To == to && place->FromPort == fromPort && place->ToPort == toPort && place->Time > 0) return Deadlines.Now() - place->Time < Seconds * 1_000_000_000L;
        return false;
    }
}
