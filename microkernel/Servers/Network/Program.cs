using System;
using System.Runtime;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Servers.Network;

/// <summary>The network server: takes containers' trapped socket calls and MettEagle's control calls, one at a time, and answers each.</summary>
public static unsafe class Program
{
    private const long Value = 0, Inject = 1, Send = 2;
    private const int Eisconn = 106;

    [RuntimeExport("eyrie_main")]
    private static int Main(nint* stack)
    {
        if (!Microkernel.Attach() || !Shared.Attach() || !State.Initialize()) return 1;
        Microkernel.Notification(NetworkControl.DenialSlot, NotificationOperation.Signal); // to whoever has the sessions, where this one takes another's place
        long caller = 0;
        while (true)
        {
            long result = caller == 0 ? Microkernel.Ipc(IpcOperation.Wait, 0) : Microkernel.Ipc(IpcOperation.ReplyWait, caller);
            if (result < 0) return 2;
            caller = Microkernel.Caller;
            CloseHandedOn();
            int socket = Microkernel.Descriptor;
            Microkernel.Descriptor = -1;
            bool replied = Microkernel.Label == 0 ? Control() : Trap(Microkernel.Label, socket, caller);
            if (!replied) caller = 0;
        }
    }

    /// <summary>It was told all sessions and services.</summary>
    private static bool s_known;

    private static bool Control()
    {
        var payload = Microkernel.PayloadBytes;
        long label = Microkernel.Word(1);
        bool done = true;
        int length = 0;
        switch (Microkernel.Word(0))
        {
            case NetworkControl.SetSession: done = State.SetSession(label, payload); Shared.Learned(); break;
            case NetworkControl.RemoveSession: done = State.RemoveSession(label); Shared.Learned(); break;
            case NetworkControl.SetServices: done = State.SetServices(label != 0, Microkernel.Word(2) != 0, payload); Shared.Learned(); break;
            case NetworkControl.TakeDenials: length = Denials.Take(Microkernel.PayloadSpace); break;
            case NetworkControl.Known: s_known = true; break;
            case NetworkControl.Peers: length = State.Find(label, out var session) ? Peers.Write(label, session, Microkernel.PayloadSpace) : 0; break;
            default: done = false; break;
        }
        Microkernel.PayloadLength = length;
        Microkernel.Words(done ? 0 : AbiError.InvalidArgument, s_known ? 0 : 1);
        return true;
    }

    /// <summary>One trapped call. False: the reply comes from another thread. The socket that came along is closed here or handed on.</summary>
    private static bool Trap(long label, int socket, long caller)
    {
        long number = Microkernel.Word(0), second = Microkernel.Word(2);
        if (!State.Find(label, out var session)) { Answer(socket, -Sys.Eacces, 0); return true; }
        switch (number)
        {
            case Call.Gate:
                Denials.Gate(label, caller, Microkernel.Word(1) == AbiError.NoServer ? Verdict.Unserved : Verdict.Denied, Microkernel.PayloadBytes);
                Answer(socket, 0, 0);
                return true;
            case Sys.Socket:
                Open(session, second, Microkernel.Word(3));
                return true;
            case Sys.Connect:
                if (!Datagrams.Is(socket)) return Connect(label, session, socket, caller);
                ConnectDatagrams(label, caller, session, socket);
                return true;
            case Sys.Sendto or Sys.Sendmsg or Sys.Sendmmsg:
                SendDatagram(label, caller, session, socket);
                return true;
            case Sys.Bind:
                BindSocket(label, caller, session, socket);
                return true;
            case Sys.Listen:
                ListenSocket(label, caller, session, socket, second);
                return true;
            default:
                Answer(socket, -Sys.Eacces, 0);
                return true;
        }
    }

    /// <summary>A datagram socket of the node's own network; those of TCP the kernel makes.</summary>
    private static void Open(in Session session, long type, long protocol)
    {
        if (!Datagrams.Asked(type, protocol)) { Answer(-1, -Sys.Eacces, 0); return; }
        nint made = Datagrams.Open(session, type);
        if (made < 0) { Answer(-1, made, 0); return; }
        Microkernel.Descriptor = (int)made;
        Microkernel.PayloadLength = 0;
        Microkernel.Words(Inject, (type & Sys.Cloexec) != 0 ? 1 : 0, 0);
        // The kernel takes the descriptor while it handles the reply; it is closed when the next message is handled.
        s_handedOn = (int)made;
    }

    private static int s_handedOn;

    private static bool Connect(long label, in Session session, int socket, long caller)
    {
        if (!Sockets.Parse(Microkernel.PayloadBytes, out uint address, out ushort port)) { Answer(socket, -Sys.Eacces, 0); return true; }
        uint choice = State.Random();
        var decision = Policy.Connect(session, State.Services, address, port, choice, kept: Affinity.Of(session.Pod, address, port, false));
        if (decision.Kind == DecisionKind.Deny)
        {
            Denials.Record(label, caller, Verdict.Denied, "connect"u8, address, port, decision.Service);
            Answer(socket, -Sys.Eacces, 0);
            return true;
        }
        Used(label, caller, session, decision, "connect"u8, address, port);
        if (decision.Kind == DecisionKind.Refuse || OfHost(session, decision, false))
        {
            Peers.Count(label, decision.Grant, -Sys.Econnrefused);
            Answer(socket, -Sys.Econnrefused, 0);
            return true;
        }
        nint flags = (nint)Microkernel.Word(5);
        uint source = decision.Address == session.Loopback ? session.Loopback : session.Pod;
        nint result = Sockets.Connect(socket, flags, source, decision.Address, decision.Port, out bool pending);
        // A server on every address of the pod stands at the pod's address, and its localhost is one of them. The pod may connect to itself without a grant.
        if (result == -Sys.Econnrefused && decision.Address == session.Loopback) result = Sockets.Connect(socket, flags, source, session.Pod, decision.Port, out pending);
        // An endpoint that died a moment ago refuses; the table without it is on its way. The others are asked in turn before the caller hears of it.
        for (int tried = 1; result == -Sys.Econnrefused && tried < decision.Choices; tried++)
        {
            decision = Policy.Connect(session, State.Services, address, port, ++choice);
            if (decision.Kind != DecisionKind.Allow) break;
            result = Sockets.Connect(socket, flags, source, decision.Address, decision.Port, out pending);
        }
        if (result == -Sys.Enotsock) result = NoSocket(label, caller, "connect"u8, address, port);
        // A socket that was connected, or on the way, before: the grant of that connection stays its own.
        if (result == 0 && decision.Grant > 0 && Sockets.IsElsewhere(socket, decision.Address, decision.Port)) result = -Eisconn;
        if (decision.Affinity > 0 && result is 0 or -Sys.Einprogress) Keep(session, address, port, decision, false);
        if (pending && SlowConnect.Begin(socket, label, decision.Grant, caller)) return false;
        Peers.Count(label, decision.Grant, pending ? -Sys.Eagain : result);
        Answer(socket, pending ? -Sys.Eagain : result, result is 0 or -Sys.Einprogress ? decision.Grant : 0);
        if (result is 0 or -Sys.Einprogress && !pending) Stand(session, decision);
        return true;
    }

    /// <summary>The answer at hand holds for further connects as well.</summary>
    private static void Stand(in Session session, in Decision decision)
    {
        int length = Standing.Write(session, State.Services, decision, Microkernel.PayloadSpace);
        if (length == 0) return;
        Microkernel.PayloadLength = length;
        Microkernel.FourthWord(Shared.Number);
    }

    private static void Keep(in Session session, uint address, ushort port, in Decision decision, bool udp) => Affinity.Keep(session.Pod, address, port, udp, new Peer(decision.Address, decision.Port), decision.Affinity);

    /// <summary>A pod may connect to itself without a grant, but not to a process of the host that answers at every address.</summary>
    private static bool OfHost(in Session session, in Decision decision, bool datagrams) =>
        decision.Kind == DecisionKind.Allow && (decision.Address == session.Loopback || decision.Address == session.Pod) && Sockets.IsOfHost(decision.Port, datagrams);

    private static void ConnectDatagrams(long label, long caller, in Session session, int socket)
    {
        var name = Microkernel.PayloadBytes;
        if (name.Length >= 2 && name[0] == 0 && name[1] == 0) { Answer(socket, Datagrams.Disconnect(socket), 0); return; }
        if (!Sockets.Parse(name, out uint address, out ushort port)) { Answer(socket, -Sys.Eacces, 0); return; }
        uint choice = Datagrams.Choice(socket, session, address);
        var decision = Policy.Connect(session, State.Services, address, port, choice, true, Affinity.Of(session.Pod, address, port, true));
        if (decision.Kind == DecisionKind.Deny)
        {
            // Resolvers connect a datagram socket to learn their own address for a peer, and send nothing.
            if (Policy.Connect(session, State.Services, address, port, choice).Kind == DecisionKind.Deny) Denials.Record(label, caller, Verdict.Denied, "connect"u8, address, port, decision.Service, true);
            Answer(socket, -Sys.Eacces, 0);
            return;
        }
        Used(label, caller, session, decision, "connect"u8, address, port, true);
        if (decision.Affinity > 0 && decision.Kind == DecisionKind.Allow) Keep(session, address, port, decision, true);
        nint result = decision.Kind == DecisionKind.Refuse || OfHost(session, decision, true) ? -Sys.Econnrefused : Datagrams.Connect(socket, session, decision.Address, decision.Port);
        Peers.Count(label, decision.Grant, result);
        Answer(socket, result, decision.Grant);
    }

    /// <summary>The kernel holds the datagram, and sends it to the address that the reply says.</summary>
    private static void SendDatagram(long label, long caller, in Session session, int socket)
    {
        if (!Sockets.Parse(Microkernel.PayloadBytes, out uint address, out ushort port)) { Answer(socket, -Sys.Eacces, 0); return; }
        bool heard = Microkernel.Word(5) != 0;
        // An answer first: to a client of the host, 127.0.0.1 is that client and not the pod's own localhost.
        var decision = heard ? Policy.Answer(session, address, port, Datagrams.Local(socket)) : default;
        bool answer = heard && decision.Kind == DecisionKind.Allow;
        if (!answer) decision = Policy.Connect(session, State.Services, address, port, Datagrams.Choice(socket, session, address), true, Affinity.Of(session.Pod, address, port, true));
        if (!answer && decision.Affinity > 0 && decision.Kind == DecisionKind.Allow) Keep(session, address, port, decision, true);
        if (!answer && decision.Kind == DecisionKind.Allow) Used(label, caller, session, decision, "connect"u8, address, port, true);
        if (decision.Kind == DecisionKind.Deny) Denials.Record(label, caller, Verdict.Denied, "connect"u8, address, port, decision.Service, true);
        if (!answer && decision.Kind != DecisionKind.Deny) Peers.Count(label, decision.Grant, decision.Kind == DecisionKind.Allow ? 0 : -Sys.Econnrefused);
        if (!answer && OfHost(session, decision, true)) { Answer(socket, -Sys.Econnrefused, 0); return; }
        if (decision.Kind != DecisionKind.Allow) { Answer(socket, decision.Kind == DecisionKind.Deny ? -Sys.Eacces : -Sys.Econnrefused, 0); return; }
        uint reached = answer ? decision.Address : Datagrams.Reached(session, decision.Address, decision.Port);
        Host.Call(Sys.Close, socket);
        Sockets.Address(Microkernel.Payload, reached, decision.Port);
        Microkernel.PayloadLength = 16;
        Microkernel.Words(Send, 0, decision.Grant);
    }

    /// <summary>Of an audited session every use is reported: what no grant allows, and which grants are needed.</summary>
    private static void Used(long label, long caller, in Session session, in Decision decision, ReadOnlySpan<byte> operation, uint address, ushort port, bool udp = false)
    {
        if (session.Audit.Length > 0 && decision.Grant > 0) Denials.Record(label, caller, decision.Audited ? Verdict.Audited : Verdict.Granted, operation, address, port, decision.Through, udp);
    }

    private static void BindSocket(long label, long caller, in Session session, int socket)
    {
        if (!Sockets.Parse(Microkernel.PayloadBytes, out uint address, out ushort port)) { Answer(socket, -Sys.Eacces, 0); return; }
        bool datagrams = Datagrams.Is(socket);
        var decision = Policy.Bind(session, address, port, false, datagrams);
        if (decision.Kind != DecisionKind.Allow)
        {
            Denials.Record(label, caller, Verdict.Denied, "listen"u8, address, port, default, datagrams);
            Answer(socket, -Sys.Eacces, 0);
            return;
        }
        if (datagrams)
        {
            Used(label, caller, session, decision, "listen"u8, address, port, true);
            Answer(socket, Datagrams.Bind(socket, decision.Address, decision.Port), decision.Grant);
            return;
        }
        nint result = Sockets.Bind(socket, decision.Address, decision.Port);
        if (result == -Sys.Einval && Microkernel.Word(6) != 0 && Sockets.Name(socket, out uint bound, out ushort at) && bound == decision.Address && (at == decision.Port || decision.Port == 0)) result = 0;
        Answer(socket, result == -Sys.Enotsock ? NoSocket(label, caller, "listen"u8, address, port) : result, decision.Grant);
    }

    /// <summary>A container without any network grant holds none: even its own localhost is not there for it.</summary>
    private static nint NoSocket(long label, long caller, ReadOnlySpan<byte> operation, uint address, ushort port)
    {
        Denials.Record(label, caller, Verdict.Denied, operation, address, port, default);
        return -Sys.Eacces;
    }

    /// <summary>An unbound socket would listen on every address of the node; a bound one needs the grant for its port.</summary>
    private static void ListenSocket(long label, long caller, in Session session, int socket, long backlog)
    {
        if (!Sockets.Name(socket, out uint address, out ushort port)) { Answer(socket, -Sys.Eacces, 0); return; }
        var decision = Policy.Bind(session, address, port, true);
        if (address == 0 || decision.Kind != DecisionKind.Allow)
        {
            Denials.Record(label, caller, Verdict.Denied, "listen"u8, address, port, default);
            Answer(socket, -Sys.Eacces, 0);
            return;
        }
        Used(label, caller, session, decision, "listen"u8, address, port);
        Answer(socket, Host.Call(Sys.Listen, socket, (nint)backlog), decision.Grant);
    }

    private static void CloseHandedOn()
    {
        if (s_handedOn > 0) Host.Call(Sys.Close, s_handedOn);
        s_handedOn = 0;
    }

    private static void Answer(int socket, nint value, int grant)
    {
        if (socket >= 0) Host.Call(Sys.Close, socket);
        Microkernel.PayloadLength = 0;
        Microkernel.Words(Value, value, grant);
    }
}
