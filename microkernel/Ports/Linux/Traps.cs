using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// A container's trapped call becomes an exception IPC: words are the call's number and arguments, the payload is the socket address
/// as it was copied once (what is checked is what is used), the descriptor is the container's socket. Of a connect, word 5 is the socket's status flags (fcntl(2)); word 6 is 1 when a server that has ended may have carried
/// the call out. Each call in flight is a task of its own
/// to the core, since a container has many threads.
/// </summary>
public static unsafe class Traps
{
    /// <summary>Exception reply, word 0: a value or negative errno; or inject the descriptor that comes with it (word 1: 1 = close on exec).</summary>
    private const long Value = 0, Inject = 1;
    /// <summary>Or send the message that waits to the address in the payload.</summary>
    private const long Send = 2;

    /// <summary>Owner of what is made for containers in the host's network.</summary>
    private const int Nobody = 65534, MaxAddress = 128;

    /// <summary>The trap tasks' indices follow each other from here.</summary>
    private static int s_first;

    public static bool Initialize(int factory)
    {
        for (int i = 0; i < Node.MaxTraps; i++)
        {
            int trap = Node.Kernel.CreateTrapTask(factory);
            if (trap <= 0 || (i > 0 && trap != s_first + i)) return false; // one after the other, in a kernel that has made little yet
            if (i == 0) s_first = trap;
            ref var entry = ref Node.Tasks[trap];
            entry.Kind = PortKind.Trap;
            entry.Buffer = Node.Allocate(MessageLayout.Size + MessageLayout.Payload + MaxAddress); // whole, since a server may reply with as much; and the call once more
            if (entry.Buffer == null) return false;
            entry.Descriptor = entry.Socket = -1;
            entry.NextTrap = Node.FirstTrap;
            Node.FirstTrap = trap;
        }
        return true;
    }

    /// <summary>One notification of a container.</summary>
    public static void Take(int container)
    {
        Node.ReceivedOf = container;
        if (Seccomp.Receive(Node.Tasks[container].Listener, ref *Node.Received)) Handle(container, ref *Node.Received);
        Node.Received->Id = 0;
    }

    private static void Handle(int container, ref SeccompNotification n)
    {
        int listener = Node.Tasks[container].Listener;
        if (n.Number == Call.Gate) { GateCalls.Take(container, Node.Tasks[container].Joined != 0 ? Node.Tasks[container].Joined : container, ref n); return; }
        if (n.Number == Sys.Sysinfo) { Tell(Node.Tasks[container].Joined != 0 ? Node.Tasks[container].Joined : container, listener, ref n); return; }
        bool networked = (Node.Tasks[container].Classes & CallClass.Network) != 0;
        if (n.Number == Sys.Socket && !networked) { Pretend(listener, ref n); return; }
        if (n.Number == Sys.Socket && IsStream(ref n)) { Make(listener, ref n); return; }
        int trap = Node.FirstTrap;
        if (trap == 0) { Seccomp.Answer(listener, n.Id, -Sys.Eagain); return; }
        Node.FirstTrap = Node.Tasks[trap].NextTrap;
        ref var entry = ref Node.Tasks[trap];
        entry.TrapListener = listener;
        entry.Notification = n.Id;
        entry.Source = container;
        entry.Container = Node.Tasks[container].Joined != 0 ? Node.Tasks[container].Joined : container;
        entry.Descriptor = entry.Socket = -1;
        entry.Number = n.Number;
        entry.Thread = (int)n.Process;
        entry.Collected = entry.Marks = entry.Over = entry.Gives = false;
        entry.Waiting = true;
        Node.Tasks[entry.Source].InFlight++;
        if (entry.Container != entry.Source) Node.Tasks[entry.Container].InFlight++;
        byte* buffer = entry.Buffer;
        *(uint*)(buffer + MessageLayout.WordCount) = 8;
        *(uint*)(buffer + MessageLayout.PayloadLength) = 0;
        *(uint*)(buffer + MessageLayout.Descriptor) = 0;
        long* words = (long*)(buffer + MessageLayout.Words);
        words[0] = n.Number;
        for (int i = 0; i < 6; i++) words[i + 1] = (long)n.Arguments[i];
        words[7] = n.Process;
        long result = Collect(ref entry, ref n);
        if (result < 0) { Release(trap, networked ? result : -Sys.Eacces); return; }
        if (Messages.Sends(n.Number))
        {
            entry.Collected = !Messages.Decided(ref entry);
            if (entry.Collected) { Messages.Send(trap, null); return; }
            byte* name = Messages.Name(ref entry.Message);
            int length = entry.Message.NameLength;
            words[5] = length >= 16 && HeardDatagrams.From(entry.Socket, name) ? 1 : 0; // an answer
            new ReadOnlySpan<byte>(name, length).CopyTo(new Span<byte>(buffer + MessageLayout.Payload, length));
            *(uint*)(buffer + MessageLayout.PayloadLength) = (uint)length;
        }
        else
        {
            if (n.Number == Sys.Connect) words[5] = Host.Call(Sys.Fcntl, entry.Socket, 3);
            words[6] = 0;
        }
        entry.Attempts = 0;
        CopyMessage(buffer, buffer + MessageLayout.Size);
        entry.Collected = true;
        if (n.Number == Sys.Connect && StandingAnswers.Connect(ref entry, words[5], out nint connected)) Release(trap, connected);
        else Deliver(trap);
    }

    /// <summary>The call as the server is told it: a reply takes its place in the buffer, and it may have to be told once more.</summary>
    private static void CopyMessage(byte* from, byte* to) => new ReadOnlySpan<byte>(from, MessageLayout.Payload + MaxAddress).CopyTo(new Span<byte>(to, MessageLayout.Payload + MaxAddress));

    /// <summary>To the server of the container's session, or aside while that is not ready.</summary>
    private static void Deliver(int trap)
    {
        ref var entry = ref Node.Tasks[trap];
        entry.Parked = !ServerRestart.NetworkReady;
        if (entry.Parked) return;
        long called = Node.Kernel.CallGate(trap, Node.Tasks[entry.Source].Handler);
        if (called != Kernel<LinuxMachine>.Blocked) Release(trap, -Sys.Eacces);
    }

    /// <summary>What was held back goes to the server, which is ready now.</summary>
    public static void Redeliver()
    {
        for (int i = 0; i < Node.MaxTraps; i++)
            if (Node.Tasks[s_first + i].Parked) Deliver(s_first + i);
    }

    /// <summary>The server ended before it answered. Its successor is asked once more, with the same copy of the address and the same socket: not for ever, since the call may be what it ended of.</summary>
    private static bool AskAgain(int trap)
    {
        const int Most = 2;
        ref var entry = ref Node.Tasks[trap];
        if (ServerRestart.NetworkReady || ++entry.Attempts >= Most) return false;
        Undo(ref entry);
        if (!Messages.Sends(entry.Number)) ((long*)(entry.Buffer + MessageLayout.Words))[6] = 1;
        Deliver(trap);
        return true;
    }

    /// <summary>A connection that was made for a call which nobody answered: the caller does not know of it. One that it does know of bears a mark.</summary>
    private static void Undo(ref PortTask entry)
    {
        if (entry.Number != Sys.Connect || Messages.IsDatagram(entry.Socket) || (!entry.Marks && LiveSockets.Marked(entry.Socket))) return;
        Disconnect(entry.Socket);
    }

    public static void Disconnect(int socket)
    {
        ulong* nobody = stackalloc ulong[2];
        nobody[0] = nobody[1] = 0; // AF_UNSPEC
        Host.Call(Sys.Connect, socket, (nint)nobody, 16);
    }

    /// <summary>
    /// A container without any network grant asks for a socket. It gets a descriptor that leads nowhere, so that what it goes on to try, with an address, can be refused and recorded; there
    /// is no socket, and no call on one gets through its filter.
    /// </summary>
    private static void Pretend(int listener, ref SeccompNotification n)
    {
        if (!IsStream(ref n)) { Seccomp.Answer(listener, n.Id, -Sys.Eacces); return; }
        nint nothing = Host.Call(Sys.Eventfd2, 0, Sys.Cloexec | Sys.NonBlock);
        if (nothing < 0) Seccomp.Answer(listener, n.Id, -Sys.Eacces);
        else Give(listener, ref n, (int)nothing);
    }

    /// <summary>A descriptor that was made for the call at hand, as its answer. Which one is known before the process may have it: see <see cref="HandleReceived"/>.</summary>
    private static void Give(int listener, ref SeccompNotification n, int made)
    {
        Node.Given = made;
        nint given = Injection.Give(listener, n.Id, made, (n.Arguments[1] & Sys.Cloexec) != 0);
        if (given < 0) Seccomp.Answer(listener, n.Id, given);
        Node.Close(ref Node.Given);
    }

    /// <summary>sysinfo: what the container may know of the host, and nobody needs to be asked.</summary>
    private static void Tell(int container, int listener, ref SeccompNotification n)
    {
        if (!Seccomp.Valid(listener, n.Id)) return; // whoever asked is gone
        ref var told = ref Node.Tasks[container];
        Seccomp.Answer(listener, n.Id, HostFacts.Told((int)n.Process, n.Arguments[0], told.Facts, told.Limits.MemoryBytes));
    }

    /// <summary>Whether TCP is asked for.</summary>
    private static bool IsStream(ref SeccompNotification n)
    {
        const ulong Stream = 1, TypeMask = 0xF, Tcp = 6;
        return (n.Arguments[1] & TypeMask) == Stream && n.Arguments[2] is 0 or Tcp;
    }

    /// <summary>
    /// A TCP socket of the node's own network. It reaches nobody and nobody reaches it until connect, bind or listen has been decided, so nobody needs to be asked. A datagram socket stands at an
    /// address from the beginning: that one the server makes.
    /// </summary>
    private static void Make(int listener, ref SeccompNotification n)
    {
        nint made = Host.Call(Sys.Socket, Sys.AfInet, (nint)(uint)n.Arguments[1] | Sys.Cloexec, 6);
        if (made >= 0) Host.Call(Sys.Fchown, made, Nobody, Nobody); // as everything of a container's that is not the host's
        if (made < 0) Seccomp.Answer(listener, n.Id, made);
        else Give(listener, ref n, (int)made);
    }

    /// <summary>Copies the address and takes the socket; afterwards the call must still wait, or the process read from may be another.</summary>
    private static long Collect(ref PortTask entry, ref SeccompNotification n)
    {
        if (n.Number is Sys.Connect or Sys.Bind)
        {
            ulong address = n.Arguments[1], length = (uint)n.Arguments[2];
            if (length > MaxAddress) return -Sys.Einval;
            ulong* local = stackalloc ulong[2];
            ulong* remote = stackalloc ulong[2];
            local[0] = (ulong)(entry.Buffer + MessageLayout.Payload);
            local[1] = length;
            remote[0] = address;
            remote[1] = length;
            nint read = Host.Call(Sys.ProcessVmReadv, (nint)n.Process, (nint)local, 1, (nint)remote, 1, 0);
            if (read != (nint)length) return -14; // EFAULT
            *(uint*)(entry.Buffer + MessageLayout.PayloadLength) = (uint)length;
        }
        if (n.Number != Sys.Socket)
        {
            nint socket = Take(ref Node.Tasks[entry.Source], (int)n.Process, (int)n.Arguments[0]);
            entry.Socket = (int)socket;
            if (socket >= 0 && Messages.Sends(n.Number)) socket = (nint)Messages.Collect(ref entry, ref n, Node.Tasks[entry.Source].ThreadDescriptor);
            if (socket < 0) return socket;
        }
        return Seccomp.Valid(entry.TrapListener, n.Id) ? 0 : -Sys.Eintr;
    }

    /// <summary>
    /// Another descriptor for what a container's thread holds at a number. The way to a thread is kept for its next call: it leads to that thread alone, and nowhere (ESRCH) when its number has come to name another one.
    /// </summary>
    private static nint Take(ref PortTask container, int thread, int number)
    {
        const int OneThread = 0x80, Esrch = 3; // PIDFD_THREAD
        if (container.ThreadDescriptor > 0 && container.LastThread == thread)
        {
            nint taken = Host.Call(Sys.PidfdGetfd, container.ThreadDescriptor, number, 0);
            if (taken != -Esrch) return taken;
        }
        nint opened = Host.Call(Sys.PidfdOpen, thread, OneThread);
        if (opened == -Sys.Einval) opened = Host.Call(Sys.PidfdOpen, thread, 0);
        if (opened < 0) return -Sys.Eacces;
        Node.Close(ref container.ThreadDescriptor);
        container.LastThread = thread;
        container.ThreadDescriptor = (int)opened;
        return Host.Call(Sys.PidfdGetfd, opened, number, 0);
    }

    /// <summary>The reply of the server, or its absence: answers the container.</summary>
    public static void Finish(int trap, long result)
    {
        ref var entry = ref Node.Tasks[trap];
        if (result == AbiError.Cancelled && AskAgain(trap)) return;
        long* words = (long*)(entry.Buffer + MessageLayout.Words);
        uint count = *(uint*)(entry.Buffer + MessageLayout.WordCount);
        if (result < 0 || count < 2) { Release(trap, -Sys.Eacces); return; }
        if (words[0] == Send)
        {
            // Nothing lives by a grant here: the next datagram is decided anew.
            bool held = count >= 3 && (words[2] == 0 || Node.Kernel.Find(entry.Container, (int)(words[2] - 1)) != 0) && Messages.Decided(ref entry) && *(uint*)(entry.Buffer + MessageLayout.PayloadLength) == 16;
            if (held) Messages.Send(trap, entry.Buffer + MessageLayout.Payload);
            else Release(trap, -Sys.Eacces);
            return;
        }
        if (count >= 3 && words[2] != 0 && !Bound(ref entry, (int)(words[2] - 1))) { Release(trap, -Sys.Eacces); return; }
        if (words[0] == Value) StandingAnswers.Keep(ref entry);
        if (words[0] == Inject && entry.Descriptor >= 0)
        {
            entry.CloseOnExec = words[1] != 0;
            entry.Gives = true;
            Given(trap, Injection.Give(entry.TrapListener, entry.Notification, entry.Descriptor, entry.CloseOnExec));
            return;
        }
        Release(trap, words[0] == Value ? words[1] : -Sys.Eacces);
    }

    /// <summary>The process has its descriptor, and the answer; or a negative errno why it has not.</summary>
    private static void Given(int trap, nint number)
    {
        if (number >= 0) Node.Tasks[trap].Waiting = false;
        Release(trap, number < 0 ? number : 0);
    }

    /// <summary>
    /// Ties the socket to the grant that the server acted on. The container must hold it still: otherwise what the server did is undone, since the socket is the container's
    /// and may be connected by now.
    /// </summary>
    private static bool Bound(ref PortTask entry, int slot)
    {
        entry.Marks = true;
        if (Node.Kernel.Find(entry.Container, slot) != 0 && (entry.Socket < 0 || LiveSockets.Mark(entry.Socket, entry.Container, slot)) && (entry.Number != Sys.Bind || !Messages.IsDatagram(entry.Socket) || HeardDatagrams.Listen()))
        {
            Node.Tasks[entry.Container].Sockets = true;
            return true;
        }
        if (entry.Socket >= 0) Host.Call(Sys.Shutdown, entry.Socket, 2);
        return false;
    }

    public static void Release(int trap, long answer)
    {
        ref var entry = ref Node.Tasks[trap];
        entry.Answer = answer;
        entry.Over = true;
        if (entry.Descriptor >= 0) { Host.Call(Sys.Close, entry.Descriptor); entry.Descriptor = -1; }
        Messages.Forget(ref entry);
        if (entry.Socket >= 0) { Host.Call(Sys.Close, entry.Socket); entry.Socket = -1; }
        entry.Parked = false;
        if (entry.Waiting) Seccomp.Answer(entry.TrapListener, entry.Notification, answer);
        entry.Waiting = false;
        entry.Message.Outcome = SendOutcome.None;
        Node.Tasks[entry.Source].InFlight--;
        if (entry.Container != entry.Source) Node.Tasks[entry.Container].InFlight--;
        entry.Source = entry.Container = 0;
        entry.NextTrap = Node.FirstTrap;
        Node.FirstTrap = trap;
    }

    /// <summary>
    /// A successor goes on with what its predecessor had in hand: calls wait for the network server, which is started anew; what was being sent is answered, or, where nobody knows whether it was, the connection is cut;
    /// a call that was only just being looked at is looked at again.
    /// </summary>
    public static void TakeOver()
    {
        Node.FirstTrap = 0;
        for (int trap = s_first + Node.MaxTraps - 1; trap >= s_first; trap--)
        {
            ref var entry = ref Node.Tasks[trap];
            if (entry.Waiting && entry.Over) Seccomp.Answer(entry.TrapListener, entry.Notification, entry.Answer);
            bool goesOn = entry.Waiting && !entry.Over && entry.Collected && Node.Tasks[entry.Source].State == TaskState.Running && Seccomp.Valid(entry.TrapListener, entry.Notification);
            if (goesOn)
            {
                Node.Tasks[entry.Source].InFlight++;
                if (entry.Container != entry.Source) Node.Tasks[entry.Container].InFlight++;
                if (entry.Notification == Node.Received->Id) Node.Received->Id = 0;
                Resume(trap);
                continue;
            }
            entry.Waiting = entry.Parked = entry.Message.Waits = false;
            entry.Over = entry.Gives = false;
            entry.Answer = 0;
            entry.Message.Outcome = SendOutcome.None;
            entry.Descriptor = entry.Socket = -1;
            entry.Message.PassedCount = 0;
            entry.Source = entry.Container = 0;
            entry.NextTrap = Node.FirstTrap;
            Node.FirstTrap = trap;
        }
    }

    private static void Resume(int trap)
    {
        const int ConnectionReset = 104;
        ref var entry = ref Node.Tasks[trap];
        ref var message = ref entry.Message;
        entry.Attempts = 0;
        if (entry.Gives) { Given(trap, Injection.GiveOnce(entry.TrapListener, entry.Notification, entry.Thread, entry.Descriptor, entry.CloseOnExec)); return; }
        entry.Descriptor = -1; // the server's
        if (message.Outcome == SendOutcome.Known) { Release(trap, message.Result); return; }
        if (message.Outcome == SendOutcome.Unknown)
        {
            if (message.Stream) Host.Call(Sys.Shutdown, entry.Socket, 2);
            Release(trap, message.Stream ? -ConnectionReset : message.Length);
            return;
        }
        if (message.Waits) { Node.Watch(entry.Socket, Node.Sending, trap, Sys.EpollOut); return; }
        if (Messages.Sends(entry.Number) && !Messages.Decided(ref entry)) { Messages.Send(trap, null); return; }
        CopyMessage(entry.Buffer + MessageLayout.Size, entry.Buffer);
        Undo(ref entry);
        if (!Messages.Sends(entry.Number)) ((long*)(entry.Buffer + MessageLayout.Words))[6] = 1;
        entry.Parked = true;
    }

    /// <summary>The call that the predecessor had only just been given.</summary>
    public static void HandleReceived()
    {
        int container = Node.ReceivedOf;
        ref var received = ref *Node.Received;
        int listener = Node.Tasks[container].Listener;
        bool waits = received.Id != 0 && Node.Tasks[container].State == TaskState.Running && Node.Tasks[container].Kind == PortKind.Container && Seccomp.Valid(listener, received.Id);
        if (waits && Node.Given > 0)
        {
            nint given = Injection.GiveOnce(listener, received.Id, (int)received.Process, Node.Given, (received.Arguments[1] & Sys.Cloexec) != 0);
            if (given < 0) Seccomp.Answer(listener, received.Id, given);
        }
        else if (waits) Handle(container, ref received);
        Node.Close(ref Node.Given);
        received.Id = 0;
    }

    /// <summary>A task ended: the calls in flight from it, or counted by its grants, are withdrawn, so that a late reply reaches nobody.</summary>
    public static void Withdraw(int ended)
    {
        for (int i = 0; i < Node.MaxTraps && Node.Tasks[ended].InFlight > 0; i++)
        {
            int task = s_first + i;
            if (Node.Tasks[task].Container != ended && Node.Tasks[task].Source != ended) continue;
            Node.Kernel.Withdraw(task);
            Release(task, -Sys.Eintr);
        }
    }
}
