using System;
using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>The kernel's one loop: trapped calls, ended processes, and the signal to stop. Nothing in it waits for anything else.</summary>
public static unsafe class EventLoop
{
    private const int Batch = 64;

    public static int Run()
    {
        byte* events = stackalloc byte[Batch * 12];
        while (!Node.Stopping)
        {
            nint count = Host.Call(Sys.EpollWait, Node.Epoll, (nint)events, Batch, Sooner(Deadlines.Next(), Sooner(WatchedLimits.Next(), Interrupts.Next())));
            Deadlines.Expire();
            Interrupts.Look(idle: count == 0);
            WatchedLimits.Look();
            for (int i = 0; i < count; i++)
            {
                uint what = *(uint*)(events + i * 12);
                ulong data = *(ulong*)(events + i * 12 + 4);
                int task = (int)(uint)data;
                switch (data >> 32)
                {
                    case Node.Ends:
                        Children.Look();
                        break;
                    case Node.Launching:
                        TaskLife.Step(task);
                        break;
                    case Node.Listener:
                        if (Node.Tasks[task].State != TaskState.Running) break;
                        if ((what & Sys.EpollIn) == 0) Leave(task);
                        else if (Node.Tasks[task].Kind == PortKind.Native) Calls.Take(task);
                        else Traps.Take(task);
                        break;
                    case Node.Sending:
                        Messages.Continue(task);
                        break;
                    case Node.Datagrams:
                        HeardDatagrams.Take();
                        break;
                    case Node.Orphaned:
                        return Orphan.End();
                    default:
                        Node.Stopping = true;
                        break;
                }
            }
        }
        return Stop();
    }

    /// <summary>Nobody is left to call at a listener: it is watched no more. It is asked once more, since a server that was started anew meanwhile, because its end was told in the same batch, has another one.</summary>
    private static void Leave(int task)
    {
        int* poll = stackalloc int[2];
        poll[0] = Node.Tasks[task].Listener;
        poll[1] = Sys.EpollIn;
        Host.Call(Sys.Poll, (nint)poll, 1, 0);
        if ((poll[1] >> 16 & Sys.EpollHup) != 0) Host.Call(Sys.EpollCtl, Node.Epoll, Sys.EpollDelete, Node.Tasks[task].Listener, 0);
    }

    /// <summary>Of two spans of which -1 is for ever.</summary>
    private static int Sooner(int one, int other) => one < 0 || (other >= 0 && other < one) ? other : one;

    /// <summary>Ends every process and removes every control group, containers first.</summary>
    private static int Stop()
    {
        for (int task = 1; task < Node.MaxObjects; task++)
            if (Node.Tasks[task].Kind == PortKind.Container) TaskLife.Release(task);
        Blanks.End();
        End(Node.MettEagle);
        End(Node.Network);
        ControlGroup.Close(Boot.Text(Node.GroupPrefix));
        return 0;
    }

    private static void End(int task)
    {
        if (Node.Tasks[task].State != TaskState.Running) return;
        Children.Kill(Node.Tasks[task].Launch.Child);
    }
}
