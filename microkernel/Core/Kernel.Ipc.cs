using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Core;

// Synchronous IPC: a call blocks until its one reply, a message sent one way until it is taken; a server takes them in order of arrival and owes each caller a reply exactly once.
public unsafe partial struct Kernel<TMachine>
{
    /// <summary>The result that <see cref="Ipc"/> gives when the task is blocked and will be resumed later.</summary>
    public const long Blocked = long.MinValue;

    /// <summary>ipc: see <see cref="IpcOperation"/>. Returns a result now, or <see cref="Blocked"/>.</summary>
    /// <param name="task">Who asks.</param>
    /// <param name="operation">What for.</param>
    /// <param name="argument">Call, Send: gate slot. Reply, ReplyWait: the caller's handle from the message; a caller that is gone is no error of the server.</param>
    public long Ipc(int task, IpcOperation operation, long argument)
    {
        Confirm(task);
        switch (operation)
        {
            case IpcOperation.Call or IpcOperation.Send:
                int gate = Decode(task, (int)argument, ObjectKind.Gate, Rights.Call);
                return gate < 0 ? gate : CallGate(task, gate, oneWay: operation == IpcOperation.Send);
            case IpcOperation.Reply:
                return Reply(task, argument);
            case IpcOperation.ReplyWait:
                long replied = Reply(task, argument);
                return replied is 0 or AbiError.NoCaller ? Wait(task) : replied;
            case IpcOperation.Wait:
                return Wait(task);
            default:
                return AbiError.InvalidArgument;
        }
    }

    /// <summary>A call through a gate that the port has found for the task (an exception goes to the task's handler this way).</summary>
    /// <param name="task">Who calls.</param>
    /// <param name="gate">The gate.</param>
    /// <param name="oneWay">Nobody is to reply: the task goes on when the message has been taken, or at once where the server waits for one.</param>
    public long CallGate(int task, int gate, bool oneWay = false)
    {
        int server = Objects[gate].Link;
        if (!Tasks[server].Alive || server == task) return AbiError.Cancelled;
        bool receiving = Tasks[server].Ipc == IpcState.Receiving;
        int refused = Carried(task, out var carried);
        if (refused == 0 && receiving) refused = Room(server, ref carried);
        if (refused < 0) return refused;
        Tasks[task].Server = server;
        Tasks[task].OneWay = oneWay;
        Tasks[task].Sequence = (Tasks[task].Sequence + 1) & int.MaxValue;
        Tasks[task].Label = Objects[gate].A;
        if (receiving)
        {
            Deliver(task, server, ref carried);
            Tasks[server].Ipc = IpcState.Running;
            TMachine.Resume(server, 0);
            return oneWay ? 0 : Blocked;
        }
        Tasks[task].Ipc = IpcState.Queued;
        Tasks[task].QueueNext = 0;
        if (Tasks[server].QueueTail != 0) Tasks[Tasks[server].QueueTail].QueueNext = task;
        else Tasks[server].QueueHead = task;
        Tasks[server].QueueTail = task;
        return Blocked;
    }

    /// <summary>The message that came first and can be given to this server; who sent one that cannot is told why.</summary>
    private long Wait(int server)
    {
        while (Tasks[server].QueueHead is var caller and not 0)
        {
            Tasks[server].QueueHead = Tasks[caller].QueueNext;
            if (Tasks[server].QueueHead == 0) Tasks[server].QueueTail = 0;
            int refused = Carried(caller, out var carried);
            if (refused == 0) refused = Room(server, ref carried);
            if (refused < 0) { Finish(caller, refused); continue; }
            Deliver(caller, server, ref carried);
            if (Tasks[caller].OneWay) Finish(caller, 0);
            return 0;
        }
        Tasks[server].Ipc = IpcState.Receiving;
        return Blocked;
    }

    private void Deliver(int caller, int server, ref CarriedCapabilities carried)
    {
        Copy(caller, server);
        Give(caller, server, ref carried);
        *(long*)(TMachine.MessageBuffer(server) + MessageLayout.Label) = Tasks[caller].Label;
        TMachine.TransferDescriptor(caller, server);
        *(long*)(TMachine.MessageBuffer(server) + MessageLayout.Caller) = Tasks[caller].OneWay ? 0 : HandleOf(caller);
        if (Tasks[caller].OneWay)
        {
            Tasks[caller].Ipc = IpcState.Running;
            Tasks[caller].Server = 0;
            return;
        }
        Tasks[caller].Ipc = IpcState.AwaitingReply;
        Tasks[caller].NextOwed = Tasks[server].FirstOwed;
        Tasks[server].FirstOwed = caller;
    }

    /// <summary>Replies to one caller that is owed one by this server: 0, or why it has not been replied to, and is owed the reply still.</summary>
    private long Reply(int server, long handle)
    {
        if (!Owes(server, handle)) return AbiError.NoCaller;
        int caller = (int)(uint)handle;
        int refused = Carried(server, out var carried);
        if (refused == 0) refused = Room(caller, ref carried);
        if (refused < 0) return refused;
        Forget(caller);
        Copy(server, caller);
        Give(server, caller, ref carried);
        TMachine.TransferDescriptor(server, caller);
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

    /// <summary>Names one call of a task: whoever replies to it replies to that call and no later one.</summary>
    public readonly long HandleOf(int caller) => (long)Tasks[caller].Sequence << 32 | (uint)caller;

    /// <summary>Whether the caller that a handle names still waits for this server's reply.</summary>
    public readonly bool Owes(int server, long handle)
    {
        uint caller = (uint)handle;
        return caller > 0 && caller < ObjectCount && Tasks[caller].Ipc == IpcState.AwaitingReply && Tasks[caller].Server == server && HandleOf((int)caller) == handle;
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

    /// <summary>Takes a task out of IPC for good: callers of it are cancelled, it leaves the queue or the reply it waits for, and what came with a message that it has not taken goes.</summary>
    public void CancelIpc(int task)
    {
        Withdraw(task);
        Undo(task);
        ref var record = ref Tasks[task];
        record.Ipc = IpcState.Running;
        while (record.FirstOwed != 0)
        {
            int caller = record.FirstOwed;
            Forget(caller);
            Finish(caller, AbiError.Cancelled);
        }
        while (record.QueueHead != 0)
        {
            int caller = record.QueueHead;
            record.QueueHead = Tasks[caller].QueueNext;
            Finish(caller, AbiError.Cancelled);
        }
        record.QueueTail = 0;
    }

    /// <summary>The time a blocked task gave has passed: it goes on with TimedOut. A task that is not blocked is left alone.</summary>
    public void TimeOut(int task)
    {
        if (Tasks[task].Ipc == IpcState.Running) return;
        Withdraw(task);
        Tasks[task].Ipc = IpcState.Running;
        TMachine.Resume(task, AbiError.TimedOut);
    }

    /// <summary>A caller gave up (it was killed): withdraws the call; its server's reply then reaches nobody.</summary>
    public void Withdraw(int task)
    {
        ref var record = ref Tasks[task];
        if (record.Ipc == IpcState.Queued) Unqueue(task);
        else if (record.Ipc == IpcState.AwaitingReply) Forget(task);
        else return;
        record.Ipc = IpcState.Running;
        record.Server = 0;
    }

    private void Unqueue(int task)
    {
        ref var server = ref Tasks[Tasks[task].Server];
        int previous = 0;
        for (int t = server.QueueHead; t != 0; previous = t, t = Tasks[t].QueueNext)
        {
            if (t != task) continue;
            if (previous == 0) server.QueueHead = Tasks[t].QueueNext;
            else Tasks[previous].QueueNext = Tasks[t].QueueNext;
            if (server.QueueTail == task) server.QueueTail = previous;
            return;
        }
    }
}
