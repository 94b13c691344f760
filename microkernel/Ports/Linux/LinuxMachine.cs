using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>The hosted port's side of the core: a thread blocked in IPC is a seccomp notification without an answer.</summary>
public unsafe struct LinuxMachine : IMachine<LinuxMachine>
{
    public static byte* MessageBuffer(int thread) => Node.Tasks[thread].Buffer;

    public static void Resume(int thread, long result)
    {
        ref var entry = ref Node.Tasks[thread];
        if (entry.Kind == PortKind.Trap) { Traps.Finish(thread, result); return; }
        if (entry.Kind == PortKind.GateCall) { GateCalls.Finish(thread, result); return; }
        if (entry.Kind == PortKind.Container) { GateServers.Resume(thread, result); return; }
        if (!entry.Waiting) return;
        entry.Waiting = false;
        Deadlines.Clear(thread);
        Seccomp.AnswerRaw(Node.Tasks[Node.Kernel.Space(thread)].Listener, entry.Notification, result);
    }

    public static void Release(int objectIndex, ref ObjectRecord record)
    {
        if (record.Kind is ObjectKind.Descriptor or ObjectKind.Notification) Close(ref record.A);
        if (record.Kind == ObjectKind.Thread) Threads.Release(objectIndex);
        if (record.Kind is ObjectKind.Dataspace or ObjectKind.Thread) Close(ref record.B);
        if (record.Kind == ObjectKind.Task) TaskLife.Release(objectIndex);
    }

    /// <summary>The field first: see <see cref="Node.Close"/>.</summary>
    private static void Close(ref long field)
    {
        nint descriptor = (nint)field;
        field = 0;
        if (descriptor > 0) Host.Call(Sys.Close, descriptor);
    }

    public static void Revoked(int task, int slot)
    {
        ref var port = ref Node.Tasks[task];
        if (port.Kind != PortKind.Container || port.State != TaskState.Running) return;
        if (port.Sockets)
        {
            StandingAnswers.Forget(task);
            LiveSockets.Revoke(task, slot);
        }
        if (port.Calls > 0) GateCalls.Revoked(task, slot);
        GateServers.Revoked(task);
    }

    /// <summary>From a trap: the waiting server gets the container's socket as well, which stays with the trap, to act on when it has been decided. From a server: the descriptor it names goes along.</summary>
    public static void TransferDescriptor(int from, int to)
    {
        ref var source = ref Node.Tasks[from];
        ref var target = ref Node.Tasks[to];
        if (source.Kind is PortKind.GateCall or PortKind.Container || target.Kind is PortKind.GateCall or PortKind.Container)
        {
            // Between containers nothing travels but bytes.
            *(uint*)(source.Buffer + MessageLayout.Descriptor) = *(uint*)(target.Buffer + MessageLayout.Descriptor) = 0;
            return;
        }
        if (source.Kind == PortKind.Trap)
        {
            Give(to, source.Socket);
            return;
        }
        int host = -1;
        if (source.Kind is PortKind.Native or PortKind.Thread)
        {
            uint named = *(uint*)(source.Buffer + MessageLayout.Descriptor);
            *(uint*)(source.Buffer + MessageLayout.Descriptor) = 0;
            if (named != 0) host = (int)Host.Call(Sys.PidfdGetfd, Node.Tasks[Node.Kernel.Space(from)].PidDescriptor, (nint)(named - 1), 0);
        }
        if (target.Kind == PortKind.Trap) { target.Descriptor = host; return; }
        Give(to, host);
        if (host >= 0) Host.Call(Sys.Close, host);
    }

    private static void Give(int thread, int descriptor)
    {
        ref var server = ref Node.Tasks[thread];
        nint number = descriptor < 0 ? -1 : Seccomp.Inject(Node.Tasks[Node.Kernel.Space(thread)].Listener, server.Notification, descriptor, true);
        *(uint*)(server.Buffer + MessageLayout.Descriptor) = number < 0 ? 0 : (uint)number + 1;
    }
}
