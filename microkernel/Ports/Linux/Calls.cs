using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>The ABI's calls, one case each: from the registers and the message buffer of a native task to the core.</summary>
public static unsafe class Calls
{
    public static void Take(int task)
    {
        int listener = Node.Tasks[task].Listener;
        var n = new SeccompNotification();
        if (!Seccomp.Receive(listener, ref n)) return;
        if (n.Number == Call.Ipc && (IpcOperation)n.Arguments[0] == IpcOperation.ReplyValue)
        {
            // From any thread of the task: does not touch the notification that another one may wait with.
            bool replied = Node.Kernel.ReplyValue(task, (long)n.Arguments[1], (long)n.Arguments[2], (long)n.Arguments[3]);
            Seccomp.AnswerRaw(listener, n.Id, replied ? 0 : AbiError.NoCaller);
            return;
        }
        int thread = Threads.Of(task, (int)n.Process);
        ref var entry = ref Node.Tasks[thread];
        if (entry.Waiting)
        {
            // It has one place for a call that waits. The host's thread there is alive: only its death could end the wait, and that of one is that of all.
            Seccomp.AnswerRaw(listener, n.Id, AbiError.Busy);
            return;
        }
        entry.Notification = n.Id;
        entry.Waiting = true;
        long result = Dispatch(task, thread, ref n);
        bool answered = !entry.Waiting && entry.Notification == n.Id; // of a thread that has deleted itself neither is left
        if (result == Kernel<LinuxMachine>.Blocked || answered) return;
        entry.Waiting = false;
        Seccomp.AnswerRaw(listener, n.Id, result);
    }

    private static long Dispatch(int task, int thread, ref SeccompNotification n)
    {
        byte* buffer = Node.Tasks[thread].Buffer;
        int a = (int)n.Arguments[0], b = (int)n.Arguments[1], c = (int)n.Arguments[2];
        switch (n.Number)
        {
            case Call.Ipc:
                return Deadlines.Ipc(thread, (IpcOperation)a, (long)n.Arguments[1], (long)n.Arguments[2]);
            case Call.Create:
                int nameLength = (int)Length(buffer);
                return b is < 0 or > (int)ObjectKind.Thread ? AbiError.InvalidArgument : Node.Kernel.Create(task, a, (ObjectKind)b, c, (long)n.Arguments[3], (long)n.Arguments[4], buffer + MessageLayout.Payload, nameLength);
            case Call.Map:
                return n.Arguments[3] > (ulong)Rights.All ? AbiError.InvalidArgument : Node.Kernel.Map(task, a, b, c, (Rights)n.Arguments[3]);
            case Call.Unmap:
                return (UnmapMode)c is UnmapMode.Self or UnmapMode.Derived ? Node.Kernel.Unmap(task, a, b, (UnmapMode)c) : AbiError.InvalidArgument;
            case Call.Inspect:
                return Inspect(task, a, buffer);
            case Call.Start:
                return Start(task, a, buffer);
            case Call.Control:
                return Control(task, thread, ref n, buffer);
            case Call.Notification:
                return Notification(task, thread, a, (NotificationOperation)b);
            case Call.Descriptor:
                return Open(task, thread, a, (DescriptorOperation)b, c, buffer);
            case Call.Log:
                return Log(task, a, buffer);
            case Call.Statistics:
                return Statistics(task, a, buffer);
            case Call.Caller:
                if (!Node.Kernel.Owes(task, (long)n.Arguments[0])) return AbiError.NoCaller;
                int described = CallerProgram.Describe(a, buffer + MessageLayout.Payload);
                *(uint*)(buffer + MessageLayout.PayloadLength) = (uint)described;
                return described;
            case Call.Redirect:
                int gate = Node.Kernel.Redirect(task, a, b);
                if (gate < 0) return gate;
                GateCalls.Redirected(gate);
                return 0;
            case Call.Version:
                return Call.AbiVersion;
            default:
                return AbiError.UnknownCall;
        }
    }

    private const int MaxLine = 1024;

    private static uint Length(byte* buffer)
    {
        uint length = *(uint*)(buffer + MessageLayout.PayloadLength);
        return length > MessageLayout.MaxPayload ? MessageLayout.MaxPayload : length;
    }

    /// <summary>Records of a capability space; layout in <see cref="InspectLayout"/>. Numbers of quotas are those in force on the host.</summary>
    private static long Inspect(int task, int taskSlot, byte* buffer)
    {
        int target = taskSlot < 0 ? task : Node.Kernel.Decode(task, taskSlot, ObjectKind.Task, Rights.Control);
        if (target < 0) return target;
        ref var port = ref Node.Tasks[target];
        byte* at = buffer + MessageLayout.Payload;
        byte* end = buffer + MessageLayout.Size;
        int count = 0;
        for (int c = Node.Kernel.Tasks[target].FirstCapability; c != 0; c = Node.Kernel.Capabilities[c].NextInTask)
        {
            ref var capability = ref Node.Kernel.Capabilities[c];
            ref var record = ref Node.Kernel.Objects[capability.Object];
            if (end - at < InspectLayout.Header + record.NameLength) return AbiError.TooLarge;
            long first = record.A, second = record.Kind == ObjectKind.SchedulingContext ? record.B : record.C;
            if (port.GroupLength > 0 && record.Kind is ObjectKind.Factory or ObjectKind.SchedulingContext) InForce(ref port, record.Kind, ref first, ref second);
            *(int*)(at + InspectLayout.Slot) = capability.Slot;
            at[InspectLayout.Kind] = (byte)record.Kind;
            at[InspectLayout.Rights] = (byte)capability.Rights;
            *(ushort*)(at + InspectLayout.NameLength) = (ushort)record.NameLength;
            *(long*)(at + InspectLayout.First) = first;
            *(long*)(at + InspectLayout.Second) = second;
            for (int i = 0; i < record.NameLength; i++) at[InspectLayout.Header + i] = record.Name[i];
            at += InspectLayout.Header + record.NameLength;
            count++;
        }
        *(uint*)(buffer + MessageLayout.PayloadLength) = (uint)(at - buffer - MessageLayout.Payload);
        return count;
    }

    /// <summary>The numbers of a quota, as asked for, become those that the host enforces.</summary>
    private static void InForce(ref PortTask port, ObjectKind kind, ref long first, ref long second)
    {
        bool memory = kind == ObjectKind.Factory;
        var asked = memory ? new Limits { MemoryBytes = first, Processes = second } : new Limits { Shares = first, CpuMilli = second };
        Limits found;
        fixed (byte* group = port.Group) found = ControlGroup.Enforced(new ReadOnlySpan<byte>(group, port.GroupLength), asked);
        first = memory ? found.MemoryBytes : found.Shares;
        second = memory ? found.Processes : found.CpuMilli;
    }

    private static long Start(int task, int slot, byte* buffer)
    {
        int target = Node.Kernel.Decode(task, slot, ObjectKind.Task, Rights.Control);
        if (target < 0) return target;
        // A copy of the kernel's own: what is checked is what is used, whatever the task's other threads write meanwhile.
        int length = (int)Length(buffer);
        new ReadOnlySpan<byte>(buffer + MessageLayout.Payload, length).CopyTo(new Span<byte>(Node.StartCopy, MessageLayout.MaxPayload));
        var description = new StartDescription(Node.StartCopy, length);
        if (!description.Valid()) return AbiError.InvalidArgument;
        if (Node.Tasks[target].State == TaskState.Prepared) return TaskLife.Execute(target, new ReadOnlySpan<byte>(Node.StartCopy, length));
        if (!TaskLife.GroupName(description.Bytes(StartTag.ControlGroup))) return AbiError.InvalidArgument;
        int handler = Node.Kernel.Decode(task, (int)description.Number(StartTag.Handler, -1), ObjectKind.Gate, Rights.Map);
        if (handler < 0) return handler;
        int exit = Node.Kernel.Decode(task, (int)description.Number(StartTag.ExitNotification, -1), ObjectKind.Notification, Rights.Write);
        if (exit < 0) return exit;
        int joined = 0;
        if (description.Count(StartTag.Join) > 0)
        {
            joined = Node.Kernel.Decode(task, (int)description.Number(StartTag.Join, -1), ObjectKind.Task, Rights.Control);
            if (joined < 0) return joined;
        }
        if (joined == 0)
        {
            int directory = Node.Kernel.Decode(task, (int)description.Number(StartTag.Directory, -1), ObjectKind.Descriptor, Rights.Read | Rights.Write);
            if (directory < 0) return directory;
            if (Node.Kernel.Objects[directory].A != Node.Root) return AbiError.InvalidArgument; // the one directory that this port opens anew in a container's mount namespace
        }
        long* words = (long*)(buffer + MessageLayout.Words);
        long result = TaskLife.Start(task, target, joined, description, handler, exit, out var stage, out int error);
        words[0] = (long)stage;
        words[1] = error;
        *(uint*)(buffer + MessageLayout.WordCount) = 2;
        return result;
    }

    private static long Control(int task, int thread, ref SeccompNotification n, byte* buffer)
    {
        int slot = (int)n.Arguments[0], argument = (int)n.Arguments[2];
        var operation = (TaskOperation)(int)n.Arguments[1];
        int target = Node.Kernel.Decode(task, slot, ObjectKind.Thread, Rights.Control);
        if (target >= 0) return Threads.Control(task, thread, target, operation, (int)n.Process, buffer);
        if (target == AbiError.WrongKind) target = Node.Kernel.Decode(task, slot, ObjectKind.Task, Rights.Control);
        if (target < 0) return target;
        switch (operation)
        {
            case TaskOperation.Signal:
                return TaskLife.Signal(target, argument);
            case TaskOperation.Status:
                long* words = (long*)(buffer + MessageLayout.Words);
                ref var port = ref Node.Tasks[target];
                words[0] = (long)port.State;
                words[1] = port.Code;
                words[2] = port.OutOfMemory ? 1 : 0;
                words[3] = port.ProcessId;
                words[4] = (long)port.Launch.Stage;
                words[5] = port.Launch.Result;
                *(uint*)(buffer + MessageLayout.WordCount) = 6;
                return 0;
            case TaskOperation.Destroy:
                if (Node.Tasks[target].State is TaskState.Running or TaskState.Starting or TaskState.Prepared) return AbiError.WrongState;
                Node.Kernel.DestroyTask(target);
                return 0;
            case TaskOperation.Ready:
                return ServerRestart.Ready(target);
            case TaskOperation.Terminal:
                return Terminal(thread, ref Node.Tasks[target].Launch, argument == 1);
            case TaskOperation.Pause or TaskOperation.Resume:
                return TaskLife.Pause(target, operation == TaskOperation.Pause);
            case TaskOperation.Kept or TaskOperation.LetGo:
                return Kept(thread, ref Node.Tasks[target], operation, argument);
            default:
                return AbiError.InvalidArgument;
        }
    }

    /// <summary>A descriptor that was named when the task was started: another one for whoever asks, or closed.</summary>
    private static long Kept(int thread, ref PortTask target, TaskOperation operation, int which)
    {
        if (which is < 0 or >= PortTask.MaxKept || target.Kept[which] <= 0) return AbiError.WrongState;
        if (operation == TaskOperation.LetGo)
        {
            Host.Call(Sys.Close, target.Kept[which]);
            target.Kept[which] = 0;
            return 0;
        }
        return Given(thread, target.Kept[which]);
    }

    /// <summary>Another descriptor for the same, in the task that calls.</summary>
    public static long Given(int thread, nint descriptor)
    {
        nint number = Seccomp.Inject(Node.Tasks[Node.Kernel.Space(thread)].Listener, Node.Tasks[thread].Notification, (int)descriptor, true);
        return number < 0 ? AbiError.HostFailure : number;
    }

    /// <summary>Given once where it is not kept, so that the end of the program's side is seen by whoever shows it and by nobody else.</summary>
    private static long Terminal(int thread, ref Launch launch, bool keep)
    {
        if (launch.Terminal <= 0) return AbiError.WrongState;
        long number = Given(thread, launch.Terminal);
        if (number >= 0 && !keep) Launcher.CloseTerminal(ref launch);
        return number;
    }

    private static long Notification(int task, int thread, int slot, NotificationOperation operation)
    {
        if (operation is not (NotificationOperation.Signal or NotificationOperation.Descriptor or NotificationOperation.Take)) return AbiError.InvalidArgument;
        int o = Node.Kernel.Decode(task, slot, ObjectKind.Notification, operation == NotificationOperation.Signal ? Rights.Write : Rights.Read);
        if (o < 0) return o;
        if (operation == NotificationOperation.Take) return Changes.Take(o);
        nint handle = TaskLife.EventOf(o);
        if (handle < 0) return AbiError.HostFailure;
        if (operation == NotificationOperation.Signal) { TaskLife.SignalEvent(o); return 0; }
        return Given(thread, handle);
    }

    /// <summary>The memory of a dataspace.</summary>
    private static long Memory(int task, int thread, int slot)
    {
        int o = Node.Kernel.Decode(task, slot, ObjectKind.Dataspace, Rights.Read | Rights.Write);
        if (o < 0) return o;
        return MadeMemory(o) ? Given(thread, (nint)Node.Kernel.Objects[o].B) : AbiError.HostFailure;
    }

    /// <summary>The memory behind a dataspace or a thread, made when first asked for. Its size is sealed (fcntl(2)): what was charged is all there is.</summary>
    public static bool MadeMemory(int o)
    {
        const int AllowSealing = 2, AddSeals = 1033, SealShrinkGrow = 7; // and F_SEAL_SEAL
        ref var record = ref Node.Kernel.Objects[o];
        if (record.B != 0) return true;
        nint made;
        fixed (byte* name = "dataspace"u8) made = Host.Call(Sys.MemfdCreate, (nint)name, 1 | AllowSealing);
        if (made < 0) return false;
        if (Host.Call(Sys.Ftruncate, made, (nint)record.A) < 0 || Host.Call(Sys.Fcntl, made, AddSeals, SealShrinkGrow) < 0) { Host.Call(Sys.Close, made); return false; }
        record.B = made;
        return true;
    }

    /// <summary>Opens a path beneath a directory capability. Writing needs its write right.</summary>
    private static long Open(int task, int thread, int slot, DescriptorOperation operation, int flags, byte* buffer)
    {
        const int Known = Sys.WriteOnly | Sys.ReadWrite | Sys.Create | Sys.Exclusive | Sys.Truncate | Sys.Append | Sys.NonBlock | Sys.Directory | Sys.NoFollow | Sys.Cloexec;
        if (operation == DescriptorOperation.Memory) return Memory(task, thread, slot);
        if (operation != DescriptorOperation.Open || (flags & ~Known) != 0) return AbiError.InvalidArgument;
        Rights needed = (flags & (Sys.WriteOnly | Sys.ReadWrite | Sys.Create | Sys.Truncate)) != 0 ? Rights.Write : Rights.Read;
        int o = Node.Kernel.Decode(task, slot, ObjectKind.Descriptor, needed);
        if (o < 0) return o;
        var path = new ReadOnlySpan<byte>(buffer + MessageLayout.Payload, (int)Length(buffer));
        nint directory = (nint)Node.Kernel.Objects[o].A;
        nint file = Beneath.Open(directory, path, flags | Sys.NonBlock); // a FIFO must not hold the kernel up
        *(long*)(buffer + MessageLayout.Words) = file;
        *(uint*)(buffer + MessageLayout.WordCount) = 1;
        if (file < 0) return AbiError.HostFailure;
        long number = Given(thread, file);
        Host.Call(Sys.Close, file);
        return number;
    }

    private static long Log(int task, int slot, byte* buffer)
    {
        int o = Node.Kernel.Decode(task, slot, ObjectKind.Log, Rights.Write);
        if (o < 0) return o;
        nint length = (nint)Length(buffer);
        Host.Call(Sys.Write, 2, (nint)(buffer + MessageLayout.Payload), length > MaxLine ? MaxLine : length);
        return 0;
    }

    private static long Statistics(int task, int slot, byte* buffer)
    {
        long* words = (long*)(buffer + MessageLayout.Words);
        int factory = Node.Kernel.Decode(task, slot, ObjectKind.Factory, Rights.Control);
        if (factory == AbiError.MissingRights) return factory;
        if (factory > 0)
        {
            words[0] = Node.Kernel.Objects[factory].B;
            words[1] = Node.Kernel.Objects[factory].D;
            Node.Kernel.Left(out int objects, out int capabilities);
            words[2] = objects;
            words[3] = capabilities;
            words[4] = (long)ControlGroup.Kinds;
            *(uint*)(buffer + MessageLayout.WordCount) = 5;
            return 0;
        }
        int target = Node.Kernel.Decode(task, slot, ObjectKind.Task, Rights.Control);
        if (target < 0) return target;
        ref var port = ref Node.Tasks[target];
        var used = new Usage();
        fixed (byte* g = port.Group)
            if (port.GroupLength > 0) used = ControlGroup.Used(new ReadOnlySpan<byte>(g, port.GroupLength));
        words[0] = used.CpuMicroseconds;
        words[1] = (ControlGroup.Kinds & LimitKinds.Memory) != 0 ? used.MemoryBytes : port.Seen.MemoryBytes;
        words[2] = (ControlGroup.Kinds & LimitKinds.Processes) != 0 ? used.Processes : port.Seen.Processes;
        words[3] = used.IdleFileBytes;
        words[4] = ControlGroup.Kinds != LimitKinds.None ? used.DiskReadBytes : port.Seen.DiskReadBytes;
        words[5] = ControlGroup.Kinds != LimitKinds.None ? used.DiskWrittenBytes : port.Seen.DiskWrittenBytes;
        *(uint*)(buffer + MessageLayout.WordCount) = 6;
        return 0;
    }
}
