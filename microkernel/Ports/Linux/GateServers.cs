using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>The serving side of gates: one thread of the container waits, any thread replies. Requests wait in the order they came until somebody takes them.</summary>
public static unsafe class GateServers
{
    public static void Take(int source, int container, ref SeccompNotification n)
    {
        int listener = Node.Tasks[source].Listener;
        long result = Serve(source, container, ref n);
        if (result != Kernel<LinuxMachine>.Blocked) Seccomp.AnswerRaw(listener, n.Id, result);
    }

    private static long Serve(int source, int container, ref SeccompNotification n)
    {
        var operation = (GateOperation)n.Arguments[0];
        if (!Serves(container)) return AbiError.NoCapability;
        Node.Tasks[container].Buffer = GateCalls.ServerBuffer;
        if (operation == GateOperation.Who) return Who(container, (long)n.Arguments[1], (int)n.Process, n.Arguments[3]);
        bool waits = operation is GateOperation.Wait or GateOperation.ReplyWait;
        if (waits) Settle(container);
        if (waits && Node.Tasks[container].Waiting) return AbiError.Busy;
        if (waits && !GateMessages.Writable((int)n.Process, n.Arguments[3])) return AbiError.InvalidArgument;
        if (operation != GateOperation.Wait && !GateMessages.Read((int)n.Process, n.Arguments[3], GateCalls.ServerBuffer)) return AbiError.InvalidArgument;
        if (!Seccomp.Valid(Node.Tasks[source].Listener, n.Id)) return AbiError.InvalidArgument; // whoever was read from is another by now
        if (!waits) return Node.Kernel.Ipc(container, IpcOperation.Reply, (long)n.Arguments[1]);
        ref var server = ref Node.Tasks[container];
        server.Waiting = true;
        server.Notification = n.Id;
        server.Source = source;
        server.Thread = (int)n.Process;
        server.Address = n.Arguments[3];
        Deadlines.Set(container, (long)n.Arguments[2]);
        long result = Node.Kernel.Ipc(container, operation == GateOperation.Wait ? IpcOperation.Wait : IpcOperation.ReplyWait, (long)n.Arguments[1]);
        if (result != Kernel<LinuxMachine>.Blocked) Resume(container, result);
        return Kernel<LinuxMachine>.Blocked;
    }

    /// <summary>Whether a container holds a `gate serve` entry: a gate to itself that it may not call.</summary>
    private static bool Serves(int container)
    {
        for (int c = Node.Kernel.Tasks[container].FirstCapability; c != 0; c = Node.Kernel.Capabilities[c].NextInTask)
        {
            ref var capability = ref Node.Kernel.Capabilities[c];
            if ((capability.Rights & Rights.Call) == 0 && Node.Kernel.Objects[capability.Object].Kind == ObjectKind.Gate && Node.Kernel.Objects[capability.Object].Link == container) return true;
        }
        return false;
    }

    /// <summary>A request is in the buffer, or there will be none.</summary>
    public static void Resume(int container, long result)
    {
        ref var server = ref Node.Tasks[container];
        if (!server.Waiting) return;
        server.Waiting = false;
        Deadlines.Clear(container);
        int listener = Node.Tasks[server.Source].Listener;
        if (result == 0 && !(Seccomp.Valid(listener, server.Notification) && GateMessages.Write(server.Thread, server.Address, server.Buffer, true)))
        {
            Node.Kernel.Disown(container, *(long*)(server.Buffer + MessageLayout.Caller)); // it was taken by nobody
            result = AbiError.InvalidArgument;
        }
        Seccomp.AnswerRaw(listener, server.Notification, result);
    }

    /// <summary>A thread that was killed waits no more.</summary>
    public static void Settle(int container)
    {
        ref var server = ref Node.Tasks[container];
        if (server.Waiting && !Seccomp.Valid(Node.Tasks[server.Source].Listener, server.Notification)) Stop(container, AbiError.Cancelled);
    }

    private static void Stop(int container, long result)
    {
        Node.Kernel.Withdraw(container);
        Resume(container, result);
    }

    /// <summary>Which gate a caller went through, and who it is: the line of its entry, and the name that its container was made with.</summary>
    private static long Who(int container, long handle, int thread, ulong message)
    {
        if (!Node.Kernel.Owes(container, handle)) return AbiError.NoCaller;
        ref var call = ref Node.Tasks[(int)(uint)handle];
        if (call.Kind != PortKind.GateCall) return AbiError.NoCaller;
        ref var gate = ref Node.Kernel.Objects[Node.Kernel.Capabilities[Node.Kernel.Find(call.Container, call.Slot)].Object];
        ref var caller = ref Node.Kernel.Objects[call.Container];
        byte* buffer = GateCalls.ServerBuffer;
        var text = new TextWriter(new Span<byte>(buffer + MessageLayout.Payload, GateMessage.MaxPayload));
        fixed (byte* name = gate.Name) text.Add(new ReadOnlySpan<byte>(name, gate.NameLength));
        text.Add((byte)' ');
        fixed (byte* name = caller.Name) text.Add(new ReadOnlySpan<byte>(name, caller.NameLength));
        *(uint*)(buffer + MessageLayout.WordCount) = 0;
        *(uint*)(buffer + MessageLayout.PayloadLength) = (uint)text.Length;
        return GateMessages.Write(thread, message, buffer, false) ? 0 : AbiError.InvalidArgument;
    }

    /// <summary>A slot of a container is empty: one that serves nothing any more waits for nothing.</summary>
    public static void Revoked(int container)
    {
        if (Node.Tasks[container].Waiting && !Serves(container)) Stop(container, AbiError.NoCapability);
    }

    /// <summary>A task ended: a container's callers are told, and a program that joined one waits no more.</summary>
    public static void Ended(int task)
    {
        int joined = Node.Tasks[task].Joined;
        if (joined != 0 && Node.Tasks[joined].Waiting && Node.Tasks[joined].Source == task) { Stop(joined, AbiError.Cancelled); return; }
        if (joined != 0) return;
        Node.Tasks[task].Waiting = false;
        Deadlines.Clear(task);
        Node.Kernel.CancelIpc(task);
    }
}
