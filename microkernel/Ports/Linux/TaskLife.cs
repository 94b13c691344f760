using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>Start, signals and end of the processes behind task objects.</summary>
public static unsafe class TaskLife
{
    /// <param name="owner">The task that calls; descriptors are taken from it.</param>
    /// <param name="target">The task object to start.</param>
    /// <param name="joined">The running container whose world it enters; 0: it gets one of its own.</param>
    /// <param name="description">What to start.</param>
    /// <param name="handler">Gate for trapped calls.</param>
    /// <param name="exit">Notification of its end.</param>
    /// <param name="stage">Where it failed.</param>
    /// <param name="error">Negative errno of that stage.</param>
    public static long Start(int owner, int target, int joined, StartDescription description, int handler, int exit, out LaunchStage stage, out int error)
    {
        stage = LaunchStage.None;
        error = 0;
        ref var port = ref Node.Tasks[target];
        if (port.Kind != PortKind.None || port.State != TaskState.Created) return AbiError.WrongState;
        if (joined != 0 && (Node.Tasks[joined].Kind != PortKind.Container || Node.Tasks[joined].State != TaskState.Running || Node.Tasks[joined].Joined != 0)) return AbiError.WrongState;
        var group = description.Bytes(StartTag.ControlGroup);
        nint limited = joined != 0 ? 0 : ControlGroup.Make(group, description.Number(StartTag.Memory, 0), description.Number(StartTag.Processes, 0),
            description.Number(StartTag.CpuLimit, 0), description.Number(StartTag.CpuShares, 0));
        if (limited < 0)
        {
            ControlGroup.Remove(group);
            stage = LaunchStage.ControlGroup;
            error = (int)limited;
            return AbiError.HostFailure;
        }
        var child = new Launcher.Child
        {
            Joined = joined == 0 ? -1 : Node.Tasks[joined].PidDescriptor, OwnProcesses = Node.OwnProcesses,
            Description = description, RootPath = Node.RootPath, EmptyNetwork = Node.EmptyNetwork, Filter = Node.ContainerFilter, FilterLength = Node.ContainerFilterLength,
        };
        int callerPid = Node.Tasks[owner].PidDescriptor;
        child.Output = (int)Host.Call(Sys.PidfdGetfd, callerPid, (nint)description.Number(StartTag.Output, 1), 0);
        child.Error = (int)Host.Call(Sys.PidfdGetfd, callerPid, (nint)description.Number(StartTag.Error, 2), 0);
        long input = description.Number(StartTag.Input, -1);
        child.Input = input < 0 ? -1 : (int)Host.Call(Sys.PidfdGetfd, callerPid, (nint)input, 0);
        var launched = Launcher.Start(ref child);
        if (child.Input >= 0) Host.Call(Sys.Close, child.Input);
        if (child.Output >= 0) Host.Call(Sys.Close, child.Output);
        if (child.Error >= 0) Host.Call(Sys.Close, child.Error);
        if (launched.Result < 0)
        {
            if (joined == 0) ControlGroup.Remove(group);
            stage = launched.Stage;
            error = launched.Result;
            return AbiError.HostFailure;
        }
        port.Kind = PortKind.Container;
        port.Listener = launched.Listener;
        port.PidDescriptor = launched.PidDescriptor;
        port.ProcessId = launched.ProcessId;
        port.State = TaskState.Running;
        port.Handler = handler;
        port.ExitNotification = exit;
        Node.Kernel.Hold(handler);
        Node.Kernel.Hold(exit);
        port.Joined = joined;
        port.GroupLength = joined != 0 ? 0 : group.Length;
        for (int i = 0; i < port.GroupLength; i++) port.Group[i] = group[i];
        Seccomp.WakeOnSameCore(port.Listener);
        Node.Watch(port.Listener, Node.Listener, target);
        Node.Watch(port.PidDescriptor, Node.Process, target);
        return 0;
    }

    /// <summary>The node's own group, a slash, and one name: no description leads anywhere else in the host's tree.</summary>
    public static bool GroupName(ReadOnlySpan<byte> group)
    {
        if (group.Length > PortTask.MaxGroup) return false;
        int at = 0;
        for (; Node.GroupPrefix[at] != 0; at++)
            if (at >= group.Length || group[at] != Node.GroupPrefix[at]) return false;
        if (at >= group.Length - 1 || group[at] != '/' || group[at + 1] == '.') return false;
        for (at++; at < group.Length; at++)
            if (group[at] is not ((>= (byte)'a' and <= (byte)'z') or (>= (byte)'A' and <= (byte)'Z') or (>= (byte)'0' and <= (byte)'9') or (byte)'.' or (byte)'_' or (byte)'-')) return false;
        return true;
    }

    public static long Signal(int target, int signal)
    {
        ref var port = ref Node.Tasks[target];
        if (port.State != TaskState.Running) return AbiError.WrongState;
        return Host.Call(Sys.PidfdSendSignal, port.PidDescriptor, signal, 0, 0) < 0 ? AbiError.HostFailure : 0;
    }

    /// <summary>The first process ended, and with it its whole namespace.</summary>
    public static void Ended(int task)
    {
        ref var port = ref Node.Tasks[task];
        if (port.State != TaskState.Running) return;
        int status = 0;
        if (Host.Call(Sys.Wait4, port.ProcessId, (nint)(&status), 0, 0) < 0) return;
        bool killed = (status & 0x7f) != 0;
        port.Code = killed ? status & 0x7f : status >> 8 & 0xff;
        port.State = killed ? TaskState.Killed : TaskState.Exited;
        if (port.Kind == PortKind.Container)
        {
            Traps.Withdraw(task);
            if (port.GroupLength > 0) fixed (byte* g = port.Group)
            {
                var group = new ReadOnlySpan<byte>(g, port.GroupLength);
                port.OutOfMemory = ControlGroup.OutOfMemory(group);
                ControlGroup.Remove(group);
            }
            port.GroupLength = 0;
        }
        Host.Call(Sys.Close, port.Listener);
        Host.Call(Sys.Close, port.PidDescriptor);
        if (port.Kind != PortKind.Container) { Boot.ServerEnded(task); return; }
        SignalEvent(port.ExitNotification);
        Node.Kernel.Release(port.Handler);
        Node.Kernel.Release(port.ExitNotification);
        port.Handler = port.ExitNotification = 0;
    }

    /// <summary>The task object is gone: nothing of it may go on running.</summary>
    public static void Release(int task)
    {
        ref var port = ref Node.Tasks[task];
        if (port.State == TaskState.Running && port.Kind == PortKind.Container)
        {
            Host.Call(Sys.Kill, port.ProcessId, 9);
            Ended(task);
        }
        port = default;
    }

    /// <summary>The eventfd behind a notification object, made when first asked for.</summary>
    public static nint EventOf(int notification)
    {
        ref var record = ref Node.Kernel.Objects[notification];
        if (record.A == 0)
        {
            nint made = Host.Call(Sys.Eventfd2, 0, Sys.Cloexec | Sys.NonBlock);
            if (made < 0) return made;
            record.A = made;
        }
        return (nint)record.A;
    }

    public static void SignalEvent(int notification)
    {
        nint handle = EventOf(notification);
        long one = 1;
        if (handle > 0) Host.Call(Sys.Write, handle, (nint)(&one), 8);
    }
}
