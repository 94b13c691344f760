using System;
using System.Runtime.InteropServices;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.Network;

/// <summary>Acts on a container's socket, which arrived as a descriptor, after <see cref="Policy"/> has allowed it.</summary>
public static unsafe class Sockets
{
    /// <summary>sockaddr_in.</summary>
    public static void Address(byte* into, uint address, ushort port)
    {
        *(ulong*)into = 0;
        *(ulong*)(into + 8) = 0;
        *(ushort*)into = Sys.AfInet;
        into[2] = (byte)(port >> 8);
        into[3] = (byte)port;
        for (int i = 0; i < 4; i++) into[4 + i] = (byte)(address >> (24 - 8 * i));
    }

    public static bool Parse(ReadOnlySpan<byte> bytes, out uint address, out ushort port)
    {
        address = 0;
        port = 0;
        if (bytes.Length < 8 || bytes[0] != Sys.AfInet || bytes[1] != 0) return false;
        port = (ushort)(bytes[2] << 8 | bytes[3]);
        address = (uint)(bytes[4] << 24 | bytes[5] << 16 | bytes[6] << 8 | bytes[7]);
        return true;
    }

    public static bool Name(int socket, out uint address, out ushort port)
    {
        byte* name = stackalloc byte[32];
        uint length = 32;
        nint result = Host.Call(Sys.Getsockname, socket, (nint)name, (nint)(&length));
        bool parsed = Parse(new ReadOnlySpan<byte>(name, 16), out address, out port);
        return result >= 0 && parsed;
    }

    /// <summary>Whether a socket is connected, and not to this address.</summary>
    public static bool IsElsewhere(int socket, uint address, ushort port)
    {
        byte* name = stackalloc byte[32];
        uint length = 32;
        if (Host.Call(Sys.Getpeername, socket, (nint)name, (nint)(&length)) < 0 || !Parse(new ReadOnlySpan<byte>(name, 16), out uint peer, out ushort at)) return false;
        return peer != address || at != port;
    }

    /// <summary>Connects from the pod's own address, so that the peer sees who calls. Negative errno, or 0; <paramref name="pending"/>: in progress on a blocking socket.</summary>
    /// <param name="socket">The container's.</param>
    /// <param name="flags">The container's status flags of it.</param>
    public static nint Connect(int socket, nint flags, uint source, uint address, ushort port, out bool pending)
    {
        pending = false;
        byte* name = stackalloc byte[16];
        int one = 1;
        Host.Call(Sys.Setsockopt, socket, 0, 24, (nint)(&one), 4); // IP_BIND_ADDRESS_NO_PORT
        nint bound = Bind(socket, source, 0);
        if (bound < 0 && bound != -Sys.Einval) return bound; // EINVAL: the container has bound it, which was decided then
        Address(name, address, port);
        bool blocking = flags >= 0 && (flags & Sys.NonBlock) == 0;
        if (blocking) Host.Call(Sys.Fcntl, socket, 4, flags | Sys.NonBlock);
        nint result = Host.Call(Sys.Connect, socket, (nint)name, 16);
        // Within one host it has ended by now. A blocking caller's is completed here; the other completes its own, and hears at once of a failure only.
        if (result == -Sys.Einprogress && (blocking || Failed(socket))) result = Again(socket, name);
        pending = blocking && result == -Sys.Einprogress;
        if (blocking && !pending) Host.Call(Sys.Fcntl, socket, 4, flags);
        return result;
    }

    /// <summary>Linux tells how a connect in progress has ended by a further one, and lets a socket connect anew only when connect itself has told of the failure.</summary>
    private static nint Again(int socket, byte* name)
    {
        const int Ealready = 114;
        nint result = Host.Call(Sys.Connect, socket, (nint)name, 16);
        return result == -Ealready ? -Sys.Einprogress : result;
    }

    private static bool Failed(int socket)
    {
        const int Error = 8, HangUp = 16;
        int* poll = stackalloc int[2];
        poll[0] = socket;
        poll[1] = 4; // POLLOUT; what occurred stands in the upper half
        return Host.Call(Sys.Poll, (nint)poll, 1, 0) > 0 && (poll[1] >> 16 & (Error | HangUp)) != 0;
    }

    /// <summary>Milliseconds that the caller has given a connect (SO_SNDTIMEO); 0: no limit.</summary>
    public static int SendTimeout(int socket)
    {
        long* time = stackalloc long[2];
        uint length = 16;
        time[0] = time[1] = 0;
        Host.Call(Sys.Getsockopt, socket, 1, 21, (nint)time, (nint)(&length));
        return time[0] >= int.MaxValue / 1000 ? int.MaxValue : (int)(time[0] * 1000 + (time[1] + 999) / 1000);
    }

    /// <summary>How a connect in progress ended: 0, negative errno, or -EINPROGRESS when it has not within so many milliseconds.</summary>
    public static int Outcome(int socket, int milliseconds)
    {
        int* poll = stackalloc int[2];
        poll[0] = socket;
        poll[1] = 4; // POLLOUT
        if (Host.Call(Sys.Poll, (nint)poll, 1, milliseconds) <= 0) return -Sys.Einprogress;
        int error = 0;
        uint length = 4;
        Host.Call(Sys.Getsockopt, socket, 1, 4, (nint)(&error), (nint)(&length)); // SO_ERROR
        return -error;
    }

    /// <summary>
    /// Whether a process of the host stands at a port on every address: it would answer at a pod's own addresses as well, where no grant is asked for. Nobody of a pod can stand there then, for Linux
    /// lets two sockets share a port only on addresses that differ; so an address that is nobody's can be bound exactly when the port is not taken on all of them.
    /// </summary>
    public static bool IsOfHost(ushort port, bool datagrams)
    {
        const int Eaddrinuse = 98;
        const uint Nobody = 127u << 24 | 96u << 16 | 1; // outside 127.64.0.0/11: no pod, no Service, no private localhost
        nint probe = Host.Call(Sys.Socket, Sys.AfInet, (datagrams ? 2 : 1) | Sys.Cloexec, 0);
        if (probe < 0) return true;
        nint bound = Bind((int)probe, Nobody, port);
        Host.Call(Sys.Close, probe);
        return bound == -Eaddrinuse;
    }

    public static nint Bind(int socket, uint address, ushort port)
    {
        byte* name = stackalloc byte[16];
        Address(name, address, port);
        return Host.Call(Sys.Bind, socket, (nint)name, 16);
    }
}

/// <summary>A connect that takes its time waits in a thread of its own and replies from there; the server goes on.</summary>
public static unsafe class SlowConnect
{
    private const int MaxThreads = 64, StackSize = 32768, TimeoutMilliseconds = 60000;

    private struct Work
    {
        public int Busy, Socket, Grant;
        public long Caller, Label;
        public byte* Stack;
    }

    private static Work* s_work;

    /// <summary>Takes over the socket and the reply. False: no thread is free.</summary>
    public static bool Begin(int socket, long label, int grant, long caller)
    {
        if (s_work == null) s_work = (Work*)State.Allocate(MaxThreads * sizeof(Work));
        if (s_work == null) return false;
        for (int i = 0; i < MaxThreads; i++)
        {
            Work* work = s_work + i;
            if (System.Threading.Volatile.Read(ref work->Busy) != 0) continue;
            if (work->Stack == null) work->Stack = State.Allocate(StackSize);
            if (work->Stack == null) return false;
            work->Busy = 1;
            work->Socket = socket;
            work->Grant = grant;
            work->Label = label;
            work->Caller = caller;
            // CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM; CHILD_CLEARTID on Busy frees the slot, and with it the stack, only when the thread has gone.
            nint thread = Host.CloneThread(0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x200000, work->Stack + StackSize, &Wait, (nint)work, &work->Busy);
            if (thread >= 0) return true;
            work->Busy = 0;
            return false;
        }
        return false;
    }

    [UnmanagedCallersOnly]
    private static nint Wait(nint argument)
    {
        var work = (Work*)argument;
        int limit = Sockets.SendTimeout(work->Socket);
        int error = -Sockets.Outcome(work->Socket, limit is > 0 and < TimeoutMilliseconds ? limit : TimeoutMilliseconds);
        // Within a time limit of the caller's own it goes on in the background, as its grant allows; otherwise it ends here, for it would come about without one.
        if (error == Sys.Einprogress && limit is 0 or >= TimeoutMilliseconds)
        {
            Datagrams.Disconnect(work->Socket);
            error = Sys.Etimedout;
        }
        nint flags = Host.Call(Sys.Fcntl, work->Socket, 3);
        Host.Call(Sys.Fcntl, work->Socket, 4, flags & ~Sys.NonBlock);
        Host.Call(Sys.Close, work->Socket);
        Peers.Count(work->Label, work->Grant, -error);
        Microkernel.Ipc(IpcOperation.ReplyValue, work->Caller, -error, error is 0 or Sys.Einprogress ? work->Grant : 0);
        return 0;
    }
}
