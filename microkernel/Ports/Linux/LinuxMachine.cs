using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>The hosted port's side of the core: a task blocked in IPC is a seccomp notification without an answer.</summary>
public unsafe struct LinuxMachine : IMachine<LinuxMachine>
{
    public static byte* MessageBuffer(int task) => Node.Tasks[task].Buffer;

    public static void Resume(int task, long result)
    {
        ref var entry = ref Node.Tasks[task];
        if (entry.Kind == PortKind.Trap) { Traps.Finish(task, result); return; }
        if (entry.Kind == PortKind.GateCall) { GateCalls.Finish(task, result); return; }
        if (entry.Kind == PortKind.Container) { GateServers.Resume(task, result); return; }
        if (!entry.Waiting) return;
        entry.Waiting = false;
        Deadlines.Clear(task);
        Seccomp.AnswerRaw(entry.Listener, entry.Notification, result);
    }

    public static void Release(int objectIndex, ref ObjectRecord record)
    {
        if (record.Kind is ObjectKind.Descriptor or ObjectKind.Notification) Close(ref record.A);
        if (record.Kind == ObjectKind.Dataspace) Close(ref record.B);
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
            Give(ref target, source.Socket);
            return;
        }
        int host = -1;
        if (source.Kind == PortKind.Native)
        {
            uint named = *(uint*)(source.Buffer + MessageLayout.Descriptor);
            *(uint*)(source.Buffer + MessageLayout.Descriptor) = 0;
            if (named != 0) host = (int)Host.Call(Sys.PidfdGetfd, source.PidDescriptor, (nint)(named - 1), 0);
        }
        if (target.Kind == PortKind.Trap) { target.Descriptor = host; return; }
        Give(ref target, host);
        if (host >= 0) Host.Call(Sys.Close, host);
    }

    private static void Give(ref PortTask server, int descriptor)
    {
        nint number = descriptor < 0 ? -1 : Seccomp.Inject(server.Listener, server.Notification, descriptor, true);
        *(uint*)(server.Buffer + MessageLayout.Descriptor) = number < 0 ? 0 : (uint)number + 1;
    }
}
