using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>Start, signals and end of the processes behind task objects.</summary>
public static unsafe class TaskLife
{
    private const int Kill = 9;

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
        if (port.Changed) Changes.Forget(target); // of a launch that failed, and was not asked about
        if (joined != 0 && (Node.Tasks[joined].Kind != PortKind.Container || Node.Tasks[joined].State != TaskState.Running || Node.Tasks[joined].Joined != 0 || Node.Tasks[joined].Paused)) return AbiError.WrongState;
        var group = description.Bytes(StartTag.ControlGroup);
        var limits = new Limits
        {
            MemoryBytes = description.Number(StartTag.Memory, 0), Processes = description.Number(StartTag.Processes, 0),
            CpuMilli = description.Number(StartTag.CpuLimit, 0), Shares = description.Number(StartTag.CpuShares, 0),
        };
        if (joined == 0)
        {
            group.CopyTo(new Span<byte>(Node.MakingGroup, PortTask.MaxGroup));
            Node.MakingLength = group.Length;
        }
        nint limited = joined != 0 ? 0 : ControlGroup.Make(group, limits);
        nint birthplace = limited < 0 ? limited : ControlGroup.Birthplace(group);
        if (birthplace < 0)
        {
            limited = birthplace;
            if (joined == 0) ControlGroup.Remove(group, limits);
            stage = LaunchStage.ControlGroup;
            error = (int)limited;
            return AbiError.HostFailure;
        }
        var classes = joined != 0 ? Node.Tasks[joined].Classes : (CallClass)description.Number(StartTag.CallClasses, 0) & CallClass.All;
        var filter = ContainerFilters.Of(classes, out int filterLength);
        var child = new Launcher.Child
        {
            Birthplace = (int)birthplace, OwnMessages = (classes & CallClass.SharedMemory) != 0, Joined = joined == 0 ? -1 : Node.Tasks[joined].PidDescriptor, OwnProcesses = Node.OwnProcesses,
            Task = target, Description = description, Root = Node.Root, EmptyNetwork = Node.EmptyNetwork, Filter = filter, FilterLength = filterLength,
        };
        if (joined == 0 && description.Number(StartTag.Prepare, 0) != 0 && (child.Late = Late.Allocate()) == null)
        {
            if (birthplace > 0) Host.Call(Sys.Close, birthplace);
            ControlGroup.Remove(group, limits);
            stage = LaunchStage.Handshake;
            error = -Sys.Enomem;
            return AbiError.HostFailure;
        }
        int callerPid = Node.Tasks[owner].PidDescriptor;
        child.TakeStandard(callerPid, description.Number(StartTag.Input, -1), description.Number(StartTag.Output, -1), description.Number(StartTag.Error, -1));
        var launch = new Launch();
        int begun = birthplace != 0 || joined != 0 || !Blanks.Take(ref child, ref launch) ? Launcher.Begin(ref child, ref launch) : 0;
        if (birthplace > 0) Host.Call(Sys.Close, birthplace);
        if (child.Input >= 0) Host.Call(Sys.Close, child.Input);
        if (child.Output >= 0) Host.Call(Sys.Close, child.Output);
        if (child.Error >= 0) Host.Call(Sys.Close, child.Error);
        if (begun < 0)
        {
            if (joined == 0) ControlGroup.Remove(group, limits);
            Late.Free(child.Late);
            stage = launch.Stage;
            error = begun;
            return AbiError.HostFailure;
        }
        Keep(ref port, callerPid, description);
        port.Kind = PortKind.Container;
        port.Launch = launch;
        port.ProcessId = launch.ProcessId;
        port.PidDescriptor = launch.PidDescriptor;
        port.Listener = -1;
        port.Handler = handler;
        port.ExitNotification = exit;
        port.Token = (int)description.Number(StartTag.Token, 0) & int.MaxValue;
        Node.Kernel.Hold(handler);
        Node.Kernel.Hold(exit);
        port.Joined = joined;
        port.Classes = classes;
        port.Facts = (HostFact)description.Number(StartTag.HostFacts, 0) & HostFact.All;
        port.Limits = limits;
        port.OutOfMemory = port.Paused = false;
        port.GroupLength = joined != 0 ? 0 : group.Length;
        for (int i = 0; i < port.GroupLength; i++) port.Group[i] = group[i];
        port.State = TaskState.Starting; // last: without it nothing of this counts
        Node.MakingLength = 0;
        Node.Watch(launch.From, Node.Launching, target);
        return 0;
    }

    /// <summary>Lets a prepared process execute what the description at hand says.</summary>
    public static long Execute(int target, ReadOnlySpan<byte> description)
    {
        ref var port = ref Node.Tasks[target];
        if (port.Changed) return AbiError.WrongState; // whoever has not asked yet does not know that it is prepared
        Late.Write(port.Launch.Late, description);
        port.State = TaskState.Starting;
        Launcher.Go(ref port.Launch); // of a child that is gone the pipe's end tells
        return 0;
    }

    private static void Keep(ref PortTask port, int callerPid, StartDescription description)
    {
        int at = 0, count = 0;
        while (count < PortTask.MaxKept && description.Next(StartTag.Kept, ref at, out byte* value, out int size))
        {
            nint kept = size == 4 ? Host.Call(Sys.PidfdGetfd, callerPid, (nint)(*(uint*)value), 0) : -1;
            port.Kept[count++] = kept < 0 ? 0 : (int)kept;
        }
    }

    private static void CloseKept(ref PortTask port)
    {
        for (int i = 0; i < PortTask.MaxKept; i++)
        {
            Node.Close(ref port.Kept[i]);
        }
    }

    /// <summary>The child of a launch has said something, or executed.</summary>
    public static void Step(int task)
    {
        ref var port = ref Node.Tasks[task];
        if (port.State is not (TaskState.Starting or TaskState.Prepared)) return;
        var progress = Launcher.Step(ref port.Launch);
        if (progress is LaunchProgress.Running or LaunchProgress.Failed) Over(ref port.Launch);
        switch (progress)
        {
            case LaunchProgress.Prepared:
                port.State = TaskState.Prepared;
                Changes.Tell(task);
                break;
            case LaunchProgress.Running:
                port.Listener = port.Launch.Listener;
                port.State = TaskState.Running;
                Seccomp.WakeOnSameCore(port.Listener);
                Node.Watch(port.Listener, Node.Listener, task);
                Changes.Tell(task);
                Ended(task); // if it has already
                Blanks.Fill();
                break;
            case LaunchProgress.Failed:
                Failed(task);
                Blanks.Fill();
                break;
        }
    }

    /// <summary>Nothing is left of a launch; whoever asked for it is told.</summary>
    private static void Failed(int task)
    {
        ref var port = ref Node.Tasks[task];
        Unmake(task);
        Changes.Tell(task);
        LetGo(task);
        CloseKept(ref port);
        port.Kind = PortKind.None;
        port.State = TaskState.Created;
    }

    /// <summary>Of a launch that a predecessor began nobody knows how far it came: there is none.</summary>
    public static void GiveUp(int task)
    {
        ref var launch = ref Node.Tasks[task].Launch;
        Launcher.Abandon(ref launch);
        Over(ref launch);
        launch.Stage = LaunchStage.Handshake;
        launch.Result = -Sys.Eintr;
        Failed(task);
    }

    /// <summary>A child born meanwhile has a copy of the pipe until it executes, so that closing it does not yet end its events.</summary>
    public static void Over(ref Launch launch)
    {
        if (launch.From > 0) Host.Call(Sys.EpollCtl, Node.Epoll, Sys.EpollDelete, launch.From, 0);
        Launcher.ClosePipes(ref launch);
    }

    /// <summary>The control group of a task whose process has gone; it knows best why, when that was for want of memory.</summary>
    private static void Unmake(int task)
    {
        ref var port = ref Node.Tasks[task];
        fixed (byte* g = port.Group)
            if (port.GroupLength > 0)
            {
                var group = new ReadOnlySpan<byte>(g, port.GroupLength);
                if (ControlGroup.OutOfMemory(group))
                {
                    port.Launch.Stage = LaunchStage.Memory;
                    port.Launch.Result = -Sys.Enomem;
                }
                ControlGroup.Remove(group, port.Limits);
            }
        port.GroupLength = 0;
    }

    /// <summary>The process needs its gate no more. The notification stays until the change that was told last has been taken.</summary>
    private static void LetGo(int task)
    {
        ref var port = ref Node.Tasks[task];
        Node.Kernel.Release(port.Handler);
        port.Handler = 0;
        if (!port.Changed) Changes.Forget(task);
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

    /// <summary>Has all processes of a container stand still, or go on.</summary>
    public static long Pause(int target, bool paused)
    {
        ref var port = ref Node.Tasks[target];
        if (port.Kind != PortKind.Container || port.State != TaskState.Running || port.Joined != 0 || port.Paused == paused) return AbiError.WrongState;
        nint result;
        fixed (byte* g = port.Group) result = ControlGroup.Pause(new ReadOnlySpan<byte>(g, port.GroupLength), paused);
        if (result < 0) return AbiError.HostFailure;
        port.Paused = paused;
        return 0;
    }

    /// <summary>Before it is killed: the first version holds the signal back as long as a process stands still.</summary>
    private static void Resume(ref PortTask port)
    {
        if (!port.Paused) return;
        fixed (byte* g = port.Group) ControlGroup.Pause(new ReadOnlySpan<byte>(g, port.GroupLength), false);
        port.Paused = false;
    }

    public static long Signal(int target, int signal)
    {
        ref var port = ref Node.Tasks[target];
        if (port.State != TaskState.Running) return AbiError.WrongState;
        if (signal == Kill) Resume(ref port);
        return Host.Call(Sys.PidfdSendSignal, port.PidDescriptor, signal, 0, 0) < 0 ? AbiError.HostFailure : 0;
    }

    /// <summary>The first process ended, and with it its whole namespace.</summary>
    public static void Ended(int task)
    {
        ref var port = ref Node.Tasks[task];
        if (port.State != TaskState.Running || !Children.Ended(port.Launch.Child, out int status)) return;
        bool killed = (status & 0x7f) != 0;
        port.Code = killed ? status & 0x7f : status >> 8 & 0xff;
        if (port.Kind == PortKind.Container)
        {
            Traps.Withdraw(task);
            GateCalls.Ended(task);
            if (port.Sockets) StandingAnswers.Forget(task);
            Node.Close(ref port.ThreadDescriptor);
            if (port.GroupLength > 0) fixed (byte* g = port.Group)
            {
                var group = new ReadOnlySpan<byte>(g, port.GroupLength);
                port.OutOfMemory |= ControlGroup.OutOfMemory(group);
                ControlGroup.Remove(group, port.Limits);
            }
            port.GroupLength = 0;
            port.Seen = default;
            port.Paused = false;
        }
        Node.Close(ref port.Listener, watched: true);
        Node.Close(ref port.PidDescriptor);
        port.State = killed ? TaskState.Killed : TaskState.Exited; // until here it can be done once more
        Children.GiveBack(port.Launch.Child);
        if (port.Kind != PortKind.Container) { Boot.ServerEnded(task); return; }
        Changes.Tell(task);
        LetGo(task);
    }

    /// <summary>The task object is gone: nothing of it may go on running.</summary>
    public static void Release(int task)
    {
        ref var port = ref Node.Tasks[task];
        if (port.State == TaskState.Running && port.Kind == PortKind.Container)
        {
            Resume(ref port);
            Children.Kill(port.Launch.Child);
            Ended(task);
        }
        if (port.State is TaskState.Starting or TaskState.Prepared)
        {
            Launcher.Abandon(ref port.Launch);
            Over(ref port.Launch);
            Unmake(task);
            LetGo(task);
            Blanks.Fill();
        }
        Changes.Forget(task);
        Deadlines.Clear(task);
        CloseKept(ref port);
        Launcher.CloseTerminal(ref port.Launch); // of a program that has ended the service may fetch it yet: what it wrote is in there
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
