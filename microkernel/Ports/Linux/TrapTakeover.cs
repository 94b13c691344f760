using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>Trapped calls of containers whose kernel was killed: a successor answers each once.</summary>
public static unsafe class TrapTakeover
{
    /// <summary>
    /// A successor goes on with what its predecessor had in hand: calls wait for the network server, which is started anew; what was being sent is answered, or, where nobody knows whether it was, the connection is cut;
    /// a call that was only just being looked at is looked at again.
    /// </summary>
    public static void TakeOver()
    {
        Node.FirstTrap = Traps.InUse = Interrupts.Kept = 0;
        for (int trap = Traps.First + Node.MaxTraps - 1; trap >= Traps.First; trap--)
        {
            ref var entry = ref Node.Tasks[trap];
            if (entry.Waiting && entry.Over) Seccomp.Answer(entry.TrapListener, entry.Notification, entry.Answer);
            bool goesOn = entry.Waiting && !entry.Over && entry.Collected && Node.Tasks[entry.Source].State == TaskState.Running && Seccomp.Valid(entry.TrapListener, entry.Notification);
            if (goesOn)
            {
                Traps.InUse++;
                Node.Kernel.Enter(trap, entry.Container);
                entry.Interrupted = entry.Looked = false;
                Node.Tasks[entry.Source].InFlight++;
                if (entry.Container != entry.Source) Node.Tasks[entry.Container].InFlight++;
                if (entry.Notification == Node.Received->Id) Node.Received->Id = 0;
                Resume(trap);
                continue;
            }
            if (entry.Interrupted) TrappedSockets.Undo(ref entry); // its caller was told that it may ask once more
            entry.Waiting = entry.Parked = entry.Message.Waits = entry.Interrupted = false;
            entry.Over = entry.Gives = entry.OfPath = false;
            entry.Hand = 0; // what was its is ended with all that is unknown
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
        if (entry.Gives) { Injection.Given(trap, Injection.GiveOnce(entry.TrapListener, entry.Notification, entry.Thread, entry.Descriptor, entry.CloseOnExec)); return; }
        if (entry.OfPath) { PathSockets.Resume(trap); return; }
        entry.Descriptor = -1; // the server's
        if (message.Outcome == SendOutcome.Known) { Traps.Release(trap, message.Result); return; }
        if (message.Outcome == SendOutcome.Unknown)
        {
            if (message.Stream) Host.Call(Sys.Shutdown, entry.Socket, 2);
            Traps.Release(trap, message.Stream ? -ConnectionReset : message.Length);
            return;
        }
        if (message.Waits) { Node.Watch(entry.Socket, Node.Sending, trap, Sys.EpollOut); return; }
        if (Messages.Sends(entry.Number) && !Messages.Decided(ref entry)) { Messages.Send(trap, null); return; }
        Traps.CopyMessage(entry.Buffer + MessageLayout.Size, entry.Buffer);
        TrappedSockets.Undo(ref entry);
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
        else if (waits) Traps.Handle(container, ref received);
        Node.Close(ref Node.Given);
        received.Id = 0;
    }
}
