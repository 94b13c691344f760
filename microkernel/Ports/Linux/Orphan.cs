using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// A kernel whose keeper has ended ends everything and then itself. Most of it has ended already (PR_SET_PDEATHSIG), but a container's first process can have made its parent's end no signal to itself (prctl(2); nor
/// is it one to a thread that executes).
/// </summary>
public static unsafe class Orphan
{
    private const int Longest = 5000, Kill = 9, Failed = 1; // milliseconds

    /// <summary>The exit code.</summary>
    public static int End()
    {
        int* poll = stackalloc int[2];
        poll[1] = Sys.EpollIn;
        for (int task = 1; task < Node.MaxObjects; task++)
        {
            ref var port = ref Node.Tasks[task];
            if (port.Kind != PortKind.Container) continue;
            if (port.State == TaskState.Running) TaskLife.Signal(task, Kill);
            else if (port.State is TaskState.Starting or TaskState.Prepared) Host.Call(Sys.PidfdSendSignal, port.PidDescriptor, Kill, 0, 0);
        }
        for (int task = 1; task < Node.MaxObjects; task++)
        {
            ref var port = ref Node.Tasks[task];
            if (port.Kind != PortKind.Container || port.State is not (TaskState.Running or TaskState.Starting or TaskState.Prepared)) continue;
            poll[0] = port.PidDescriptor;
            Host.Call(Sys.Poll, (nint)poll, 1, Longest);
            fixed (byte* group = port.Group)
                if (port.GroupLength > 0) ControlGroup.Discard(new ReadOnlySpan<byte>(group, port.GroupLength));
        }
        ControlGroup.Close(Boot.Text(Node.GroupPrefix));
        return Failed;
    }
}
