using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// A container's trapped call becomes an exception IPC: words are the call's number and arguments, the payload is the socket address
/// as it was copied once (what is checked is what is used), the descriptor is the container's socket. Of a connect, word 5 is the socket's status flags (fcntl(2)); word 6 is 1 when a server that has ended may have carried
/// the call out. Each call in flight is to the core a thread of the container's task, of a pool that is made once.
/// </summary>
public static unsafe class Traps
{
    /// <summary>Exception reply, word 0: a value or negative errno; or inject the descriptor that comes with it (word 1: 1 = close on exec).</summary>
    private const long Value = 0, Inject = 1;
    /// <summary>Or send the message that waits to the address in the payload.</summary>
    private const long Send = 2;

    private const int MaxAddress = 128;

    /// <summary>The traps' indices follow each other from here.</summary>
    public static int First;
    /// <summary>How many of them stand for a call.</summary>
    public static int InUse;

    public static bool Initialize(int factory)
    {
        for (int i = 0; i < Node.MaxTraps; i++)
        {
            int trap = Node.Kernel.CreateOwnThread(factory);
            if (trap <= 0 || (i > 0 && trap != First + i)) return false; // one after the other, in a kernel that has made little yet
            if (i == 0) First = trap;
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

    public static void Handle(int container, ref SeccompNotification n)
    {
        int listener = Node.Tasks[container].Listener;
        if (n.Number == Call.Gate) { GateCalls.Take(container, Node.Tasks[container].Joined != 0 ? Node.Tasks[container].Joined : container, ref n); return; }
        if (n.Number == Sys.Sysinfo) { Tell(Node.Tasks[container].Joined != 0 ? Node.Tasks[container].Joined : container, listener, ref n); return; }
        bool networked = (Node.Tasks[container].Classes & CallClass.Network) != 0;
        if (n.Number == Sys.Socket && (int)n.Arguments[0] == Sys.AfUnix) { TrappedSockets.MakeUnix(container, ref n); return; }
        if (n.Number == Sys.Socket && !networked) { TrappedSockets.Pretend(listener, ref n); return; }
        if (n.Number == Sys.Socket && TrappedSockets.IsStream(ref n)) { TrappedSockets.Make(listener, ref n); return; }
        int trap = Node.FirstTrap;
        if (trap == 0) { Seccomp.Answer(listener, n.Id, -Sys.Eagain); return; }
        Node.FirstTrap = Node.Tasks[trap].NextTrap;
        InUse++;
        ref var entry = ref Node.Tasks[trap];
        entry.TrapListener = listener;
        entry.Notification = n.Id;
        entry.Source = container;
        entry.Container = Node.Tasks[container].Joined != 0 ? Node.Tasks[container].Joined : container;
        entry.Descriptor = entry.Socket = -1;
        entry.Number = n.Number;
        entry.Thread = (int)n.Process;
        entry.Collected = entry.Marks = entry.Over = entry.Gives = entry.Interrupted = entry.Looked = false;
        entry.Waiting = true;
        Node.Kernel.Enter(trap, entry.Container);
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
            if (networked && PathSockets.Takes(ref entry)) { PathSockets.Begin(trap); return; }
            if (n.Number == Sys.Connect && Interrupts.Join(trap)) return;
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
    public static void CopyMessage(byte* from, byte* to) => new ReadOnlySpan<byte>(from, MessageLayout.Payload + MaxAddress).CopyTo(new Span<byte>(to, MessageLayout.Payload + MaxAddress));

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
            if (Node.Tasks[First + i].Parked) Deliver(First + i);
    }

    /// <summary>The server ended before it answered. Its successor is asked once more, with the same copy of the address and the same socket: not for ever, since the call may be what it ended of.</summary>
    private static bool AskAgain(int trap)
    {
        const int Most = 2;
        ref var entry = ref Node.Tasks[trap];
        if (entry.Interrupted)
        {
            TrappedSockets.Undo(ref entry); // whoever waited for it asks anew, or does not
            return false;
        }
        if (ServerRestart.NetworkReady || ++entry.Attempts >= Most) return false;
        TrappedSockets.Undo(ref entry);
        if (!Messages.Sends(entry.Number)) ((long*)(entry.Buffer + MessageLayout.Words))[6] = 1;
        Deliver(trap);
        return true;
    }

    /// <summary>sysinfo: what the container may know of the host, and nobody needs to be asked.</summary>
    private static void Tell(int container, int listener, ref SeccompNotification n)
    {
        if (!Seccomp.Valid(listener, n.Id)) return; // whoever asked is gone
        ref var told = ref Node.Tasks[container];
        Seccomp.Answer(listener, n.Id, HostFacts.Told((int)n.Process, n.Arguments[0], told.Facts, told.Limits.MemoryBytes));
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
            nint socket = TrappedSockets.Take(ref Node.Tasks[entry.Source], (int)n.Process, (int)n.Arguments[0]);
            entry.Socket = (int)socket;
            if (socket >= 0 && Messages.Sends(n.Number)) socket = (nint)Messages.Collect(ref entry, ref n, Node.Tasks[entry.Source].ThreadDescriptor);
            if (socket < 0) return socket;
        }
        return Seccomp.Valid(entry.TrapListener, n.Id) ? 0 : -Sys.Eintr;
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
        if (count >= 3 && words[2] != 0 && !TrappedSockets.Bound(ref entry, (int)(words[2] - 1))) { Release(trap, -Sys.Eacces); return; }
        if (words[0] == Value) StandingAnswers.Keep(ref entry);
        if (words[0] == Inject && entry.Descriptor >= 0)
        {
            entry.CloseOnExec = words[1] != 0;
            entry.Gives = true;
            Injection.Given(trap, Injection.Give(entry.TrapListener, entry.Notification, entry.Descriptor, entry.CloseOnExec));
            return;
        }
        Release(trap, words[0] == Value ? words[1] : -Sys.Eacces);
    }

    public static void Release(int trap, long answer)
    {
        ref var entry = ref Node.Tasks[trap];
        entry.Answer = answer;
        entry.Over = true;
        if (entry.Descriptor >= 0) { Host.Call(Sys.Close, entry.Descriptor); entry.Descriptor = -1; }
        Messages.Forget(ref entry);
        PathSockets.Forget(ref entry);
        if (entry.Socket >= 0) { Host.Call(Sys.Close, entry.Socket); entry.Socket = -1; }
        entry.Parked = false;
        if (entry.Waiting) Seccomp.Answer(entry.TrapListener, entry.Notification, answer);
        entry.Waiting = false;
        Node.Kernel.Leave(trap);
        entry.Message.Outcome = SendOutcome.None;
        Node.Tasks[entry.Source].InFlight--;
        if (entry.Container != entry.Source) Node.Tasks[entry.Container].InFlight--;
        entry.Source = entry.Container = 0;
        if (entry.Interrupted) Interrupts.Kept--;
        entry.Interrupted = false;
        entry.NextTrap = Node.FirstTrap;
        Node.FirstTrap = trap;
        InUse--;
    }

    /// <summary>A task ended: the calls in flight from it, or counted by its grants, are withdrawn, so that a late reply reaches nobody.</summary>
    public static void Withdraw(int ended)
    {
        for (int i = 0; i < Node.MaxTraps && Node.Tasks[ended].InFlight > 0; i++)
        {
            int task = First + i;
            if (Node.Tasks[task].Container != ended && Node.Tasks[task].Source != ended) continue;
            Release(task, -Sys.Eintr);
        }
    }
}
