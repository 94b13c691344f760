using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.Network;

/// <summary>
/// Datagram sockets. Each stands at an address of its pod from the beginning, since the host would give it one of its own at the first use. The kernel sends what has an address, to the address that is decided
/// here; what is connected is sent by the container itself.
/// </summary>
public static unsafe class Datagrams
{
    private const int Eaddrinuse = 98, SolSocket = 1, SoType = 3, Type = 2, Protocol = 17;

    public static bool Is(int socket)
    {
        int type = 0;
        uint size = 4;
        return Host.Call(Sys.Getsockopt, socket, SolSocket, SoType, (nint)(&type), (nint)(&size)) >= 0 && type == Type;
    }

    public static bool Asked(long type, long protocol) => (type & 0xF) == Type && protocol is 0 or Protocol;

    /// <summary>A socket, or negative errno.</summary>
    public static nint Open(in Session session, long type)
    {
        if (!Policy.Datagrams(session)) return -Sys.Eacces;
        nint made = Host.Call(Sys.Socket, Sys.AfInet, (nint)(type | Sys.Cloexec), Protocol);
        if (made < 0) return made;
        nint bound = Sockets.Bind((int)made, session.Pod, 0);
        if (bound >= 0) return made;
        Host.Call(Sys.Close, made);
        return bound;
    }

    /// <summary>Takes the port that the host chose away again, and what the socket was connected to.</summary>
    public static nint Disconnect(int socket)
    {
        byte* nobody = stackalloc byte[16];
        *(ulong*)nobody = *(ulong*)(nobody + 8) = 0; // AF_UNSPEC
        return Host.Call(Sys.Connect, socket, (nint)nobody, 16);
    }

    public static nint Bind(int socket, uint address, ushort port)
    {
        nint free = Disconnect(socket);
        return free < 0 ? free : Sockets.Bind(socket, address, port);
    }

    public static nint Connect(int socket, in Session session, uint address, ushort port)
    {
        if (Policy.Listens(session, Local(socket))) return -Sys.Einval; // it lives by the grant of its port
        byte* name = stackalloc byte[16];
        Sockets.Address(name, Reached(session, address, port), port);
        return Host.Call(Sys.Connect, socket, (nint)name, 16);
    }

    public static ushort Local(int socket) => Sockets.Name(socket, out _, out ushort port) ? port : (ushort)0;

    /// <summary>The pod's localhost, or its address where nobody stands at the localhost: what is bound to every address is there.</summary>
    public static uint Reached(in Session session, uint address, ushort port)
    {
        if (address != session.Loopback) return address;
        nint probe = Host.Call(Sys.Socket, Sys.AfInet, Type | Sys.Cloexec, 0);
        if (probe < 0) return address;
        nint bound = Sockets.Bind((int)probe, address, port);
        Host.Call(Sys.Close, probe);
        return bound == -Eaddrinuse ? address : session.Pod;
    }

    /// <summary>The datagrams of one socket to one Service go to one endpoint.</summary>
    public static uint Choice(int socket, in Session session, uint address) => (session.Pod ^ address ^ (uint)Local(socket) << 16) * 2654435761 >> 8;
}
