using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Core;

// Synchronous IPC between threads: a call blocks until its one reply, a message sent one way until it is taken; the threads of a server take them in order of arrival, and the one that took a call owes its caller a reply exactly once, which any of them may give.
public unsafe partial struct Kernel<TMachine>
{
    /// <summary>The result that <see cref="Ipc"/> gives when the thread is blocked and will be resumed later.</summary>
    public const long Blocked = long.MinValue;

    /// <summary>ipc: see <see cref="IpcOperation"/>. Returns a result now, or <see cref="Blocked"/>.</summary>
    /// <param name="thread">Who asks: a thread, or a task for its first one.</param>
    /// <param name="operation">What for.</param>
    /// <param name="argument">Call, Send: gate slot. Reply, ReplyWait: the caller's handle from the message; a caller that is gone is no error of the server.</param>
    public long Ipc(int thread, IpcOperation operation, long argument)
    {
        if (!Tasks[Space(thread)].Alive) return AbiError.Cancelled;
        Confirm(thread);
        switch (operation)
        {
            case IpcOperation.Call or IpcOperation.Send:
                int gate = Decode(Space(thread), (int)argument, ObjectKind.Gate, Rights.Call);
                return gate < 0 ? gate : CallGate(thread, gate, oneWay: operation == IpcOperation.Send);
            case IpcOperation.Reply:
                return Reply(thread, argument);
            case IpcOperation.ReplyWait:
                long replied = Reply(thread, argument);
                return replied is 0 or AbiError.NoCaller ? Wait(thread) : replied;
            case IpcOperation.Wait:
                return Wait(thread);
            default:
                return AbiError.InvalidArgument;
        }
    }

    /// <summary>A call through a gate that the port has found for the thread (an exception goes to the task's handler this way).</summary>
    /// <param name="thread">Who calls.</param>
    /// <param name="gate">The gate.</param>
    /// <param name="oneWay">Nobody is to reply: the thread goes on when the message has been taken, or at once where one of the server's waits for it.</param>
    public long CallGate(int thread, int gate, bool oneWay = false)
    {
        int server = Objects[gate].Link;
        if (!Tasks[server].Alive || server == Space(thread)) return AbiError.Cancelled;
        int receiver = Tasks[server].FirstReceiver;
        int refused = Carried(thread, out var carried);
        if (refused == 0 && receiver != 0) refused = Room(receiver, ref carried);
        if (refused < 0) return refused;
        Tasks[thread].Server = server;
        Tasks[thread].OneWay = oneWay;
        Tasks[thread].Sequence = (Tasks[thread].Sequence + 1) & int.MaxValue;
        Tasks[thread].Label = Objects[gate].A;
        if (receiver != 0)
        {
            Deliver(thread, receiver, ref carried);
            Tasks[server].FirstReceiver = Tasks[receiver].QueueNext;
            Tasks[receiver].Ipc = IpcState.Running;
            TMachine.Resume(receiver, 0);
            return oneWay ? 0 : Blocked;
        }
        Tasks[thread].Ipc = IpcState.Queued;
        Tasks[thread].QueueNext = 0;
        if (Tasks[server].QueueTail != 0) Tasks[Tasks[server].QueueTail].QueueNext = thread;
        else Tasks[server].QueueHead = thread;
        Tasks[server].QueueTail = thread;
        return Blocked;
    }

    /// <summary>The message that came first and can be given to this thread; who sent one that cannot is told why.</summary>
    private long Wait(int thread)
    {
        int server = Space(thread);
        while (Tasks[server].QueueHead is var caller and not 0)
        {
            Tasks[server].QueueHead = Tasks[caller].QueueNext;
            if (Tasks[server].QueueHead == 0) Tasks[server].QueueTail = 0;
            int refused = Carried(caller, out var carried);
            if (refused == 0) refused = Room(thread, ref carried);
            if (refused < 0) { Finish(caller, refused); continue; }
            Deliver(caller, thread, ref carried);
            if (Tasks[caller].OneWay) Finish(caller, 0);
            return 0;
        }
        Receive(thread);
        return Blocked;
    }

    /// <summary>A thread waits for a message; also one that did so before the port's predecessor ended.</summary>
    public void Receive(int thread)
    {
        Tasks[thread].Ipc = IpcState.Receiving;
        Tasks[thread].QueueNext = Tasks[Space(thread)].FirstReceiver;
        Tasks[Space(thread)].FirstReceiver = thread;
    }

    private void Deliver(int caller, int receiver, ref CarriedCapabilities carried)
    {
        Copy(caller, receiver);
        Give(caller, receiver, ref carried);
        *(long*)(TMachine.MessageBuffer(receiver) + MessageLayout.Label) = Tasks[caller].Label;
        TMachine.TransferDescriptor(caller, receiver);
        *(long*)(TMachine.MessageBuffer(receiver) + MessageLayout.Caller) = Tasks[caller].OneWay ? 0 : HandleOf(caller);
        if (Tasks[caller].OneWay)
        {
            Tasks[caller].Ipc = IpcState.Running;
            Tasks[caller].Server = 0;
            return;
        }
        Tasks[caller].Ipc = IpcState.AwaitingReply;
        Tasks[caller].Server = receiver;
        Tasks[caller].NextOwed = Tasks[receiver].FirstOwed;
        Tasks[receiver].FirstOwed = caller;
    }

    /// <summary>Replies to one caller that is owed one by this thread's task: 0, or why it has not been replied to, and is owed the reply still.</summary>
    private long Reply(int thread, long handle)
    {
        if (!Owes(thread, handle)) return AbiError.NoCaller;
        int caller = (int)(uint)handle;
        int refused = Carried(thread, out var carried);
        if (refused == 0) refused = Room(caller, ref carried);
        if (refused < 0) return refused;
        Forget(caller);
        Copy(thread, caller);
        Give(thread, caller, ref carried);
        TMachine.TransferDescriptor(thread, caller);
        Finish(caller, 0);
        return 0;
    }

    /// <summary>Replies with words (0, value) and nothing else, without the server's buffer: safe from any thread of the server.</summary>
    public bool ReplyValue(int server, long handle, long value, long grant)
    {
        if (!Owes(server, handle)) return false;
        int caller = (int)(uint)handle;
        Forget(caller);
        byte* buffer = TMachine.MessageBuffer(caller);
        *(uint*)(buffer + MessageLayout.WordCount) = 3;
        *(uint*)(buffer + MessageLayout.PayloadLength) = 0;
        *(uint*)(buffer + MessageLayout.TakenCount) = 0;
        ((long*)(buffer + MessageLayout.Words))[0] = 0;
        ((long*)(buffer + MessageLayout.Words))[1] = value;
        ((long*)(buffer + MessageLayout.Words))[2] = grant;
        Finish(caller, 0);
        return true;
    }

    /// <summary>A message could not be given to its server after all: its caller is cancelled.</summary>
    public void Disown(int server, long handle)
    {
        if (!Owes(server, handle)) return;
        Forget((int)(uint)handle);
        Finish((int)(uint)handle, AbiError.Cancelled);
    }

    /// <summary>Names one call of a thread: whoever replies to it replies to that call and no later one.</summary>
    public readonly long HandleOf(int caller) => (long)Tasks[caller].Sequence << 32 | (uint)caller;

    /// <summary>Whether the caller that a handle names still waits for a reply of this server, a task or any of its threads.</summary>
    public readonly bool Owes(int server, long handle)
    {
        uint caller = (uint)handle;
        return caller > 0 && caller < ObjectCount && Tasks[caller].Ipc == IpcState.AwaitingReply && Space(Tasks[caller].Server) == Space(server) && HandleOf((int)caller) == handle;
    }

    private void Forget(int caller)
    {
        int* link = &Tasks[Tasks[caller].Server].FirstOwed;
        while (*link != caller) link = &Tasks[*link].NextOwed;
        *link = Tasks[caller].NextOwed;
        Tasks[caller].NextOwed = 0;
    }

    private void Finish(int caller, long result)
    {
        Tasks[caller].Ipc = IpcState.Running;
        Tasks[caller].Server = 0;
        TMachine.Resume(caller, result);
    }

    /// <summary>Copies words and payload; lengths are read once, since a sender shares its buffer with its own threads.</summary>
    private static void Copy(int from, int to)
    {
        byte* source = TMachine.MessageBuffer(from);
        byte* target = TMachine.MessageBuffer(to);
        uint words = *(uint*)(source + MessageLayout.WordCount);
        uint length = *(uint*)(source + MessageLayout.PayloadLength);
        if (words > MessageLayout.MaxWords) words = MessageLayout.MaxWords;
        if (length > MessageLayout.MaxPayload) length = MessageLayout.MaxPayload;
        *(uint*)(target + MessageLayout.WordCount) = words;
        *(uint*)(target + MessageLayout.PayloadLength) = length;
        for (uint i = 0; i < words; i++)
            ((long*)(target + MessageLayout.Words))[i] = ((long*)(source + MessageLayout.Words))[i];
        for (uint i = 0; i < length; i++)
            target[MessageLayout.Payload + i] = source[MessageLayout.Payload + i];
    }

    /// <summary>Takes a task with all its threads out of IPC: callers of it are cancelled, they leave the queue or the reply they wait for, and what came with messages that they have not taken goes. Nobody tells its first thread.</summary>
    public void CancelIpc(int task)
    {
        CancelThread(task);
        for (int next, thread = Tasks[task].FirstThread; thread != 0; thread = next)
        {
            next = Tasks[thread].NextThread; // one of the port's may leave
            CancelThread(thread);
        }
        ref var record = ref Tasks[task];
        while (record.QueueHead != 0)
        {
            int caller = record.QueueHead;
            record.QueueHead = Tasks[caller].QueueNext;
            Finish(caller, AbiError.Cancelled);
        }
        record.QueueTail = 0;
    }

    /// <summary>A thread waits for nobody any more, and nobody for it. One that is an object of its own is told.</summary>
    private void CancelThread(int thread)
    {
        bool told = Tasks[thread].Ipc != IpcState.Running && Objects[thread].Kind == ObjectKind.Thread;
        Withdraw(thread);
        Undo(thread);
        while (Tasks[thread].FirstOwed is var caller and not 0)
        {
            Forget(caller);
            Finish(caller, AbiError.Cancelled);
        }
        if (told) TMachine.Resume(thread, AbiError.Cancelled);
    }

    /// <summary>The time a blocked thread gave has passed: it goes on with TimedOut. One that is not blocked is left alone.</summary>
    public void TimeOut(int thread)
    {
        if (Tasks[thread].Ipc == IpcState.Running) return;
        Withdraw(thread);
        TMachine.Resume(thread, AbiError.TimedOut);
    }

    /// <summary>A thread gave up what it waited for (it was killed): its server's reply then reaches nobody.</summary>
    public void Withdraw(int thread)
    {
        ref var record = ref Tasks[thread];
        if (record.Ipc == IpcState.Queued) Unqueue(thread);
        else if (record.Ipc == IpcState.AwaitingReply) Forget(thread);
        else if (record.Ipc == IpcState.Receiving) Unlist(ref Tasks[Space(thread)].FirstReceiver, thread);
        record.Ipc = IpcState.Running;
        record.Server = 0;
    }

    private void Unlist(ref int head, int thread)
    {
        if (head == thread) { head = Tasks[thread].QueueNext; return; }
        int previous = head;
        while (Tasks[previous].QueueNext != thread) previous = Tasks[previous].QueueNext;
        Tasks[previous].QueueNext = Tasks[thread].QueueNext;
    }

    private void Unqueue(int thread)
    {
        ref var server = ref Tasks[Tasks[thread].Server];
        int previous = 0;
        for (int t = server.QueueHead; t != 0; previous = t, t = Tasks[t].QueueNext)
        {
            if (t != thread) continue;
            if (previous == 0) server.QueueHead = Tasks[t].QueueNext;
            else Tasks[previous].QueueNext = Tasks[t].QueueNext;
            if (server.QueueTail == thread) server.QueueTail = previous;
            return;
        }
    }
}
