using System.Threading;
using Eyrie.Freestanding;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>
/// The processes that the kernel has made. They are the keeper's children (<see cref="Keeper"/>), which notes how each has ended before it lets go of its number; so a number names one process for as long as it
/// stands here without an end.
/// </summary>
public static unsafe class Children
{
    public const int Max = 8192;
    private const int Free = 0, Lives = 1, Over = 2;

    private struct Child
    {
        public int Process, State, Status, Task;
    }

    private static Child* s_table;
    private static int s_highest, s_next;

    /// <summary>An eventfd that the keeper writes when something has ended.</summary>
    public static int Ends;

    public static bool Initialize()
    {
        s_table = (Child*)Node.Allocate((long)Max * sizeof(Child));
        Ends = (int)Host.Call(Sys.Eventfd2, 0, Sys.Cloexec | Sys.NonBlock);
        return s_table != null && Ends >= 0;
    }

    /// <summary>A place for a process that is about to be made for a task; -1: there is none.</summary>
    public static int Take(int task)
    {
        for (int i = 0; i < Max; i++)
        {
            int at = (s_next + i) % Max;
            if (s_table[at].State != Free) continue;
            s_table[at].Process = 0;
            s_table[at].Task = task;
            if (at >= s_highest) s_highest = at + 1;
            s_next = at + 1;
            Volatile.Write(ref s_table[at].State, Lives);
            return at;
        }
        return -1;
    }

    /// <summary>It is this task's from now on.</summary>
    public static void Belong(int child, int task) => s_table[child].Task = task;

    /// <summary>Where the host writes the number of the process, before that has run (CLONE_PARENT_SETTID).</summary>
    public static int* Number(int child) => &s_table[child].Process;

    /// <summary>The place is nobody's any more.</summary>
    public static void GiveBack(int child) => Volatile.Write(ref s_table[child].State, Free);

    /// <summary>The keeper: a child has ended, and its number is still its own.</summary>
    public static void Ended(int process, int status)
    {
        for (int i = 0; i < s_highest; i++)
        {
            if (s_table[i].Process != process || s_table[i].State != Lives) continue;
            s_table[i].Status = status;
            Volatile.Write(ref s_table[i].State, Over);
            return;
        }
    }

    /// <summary>Tells the kernel to look.</summary>
    public static void Tell()
    {
        long one = 1;
        Host.Call(Sys.Write, Ends, (nint)(&one), 8);
    }

    /// <summary>Whether it has ended, and how (wait4(2)). It keeps its place.</summary>
    public static bool Ended(int child, out int status)
    {
        bool over = Volatile.Read(ref s_table[child].State) == Over;
        status = over ? s_table[child].Status : 0;
        return over;
    }

    /// <summary>Kills it, and does not wait.</summary>
    public static void Signal(int child)
    {
        if (Volatile.Read(ref s_table[child].State) == Lives && s_table[child].Process > 0) Host.Call(Sys.Kill, s_table[child].Process, 9);
    }

    /// <summary>Kills it and waits until the keeper has noted its end. It keeps its place. One whose place was given back already, by a predecessor that ended right then, has ended long ago.</summary>
    public static int Kill(int child)
    {
        int status = 0;
        if (s_table[child].State == Free) return status;
        if (!Ended(child, out status) && s_table[child].Process > 0) Host.Call(Sys.Kill, s_table[child].Process, 9);
        int* poll = stackalloc int[4];
        long count;
        while (!Ended(child, out status))
        {
            poll[0] = Ends;
            poll[2] = Keeper.Process;
            poll[1] = poll[3] = Sys.EpollIn;
            Host.Call(Sys.Poll, (nint)poll, 2, -1);
            if (poll[3] >> 16 != 0) Host.Call(Sys.ExitGroup, Orphan.End()); // nobody notes anything any more
            Host.Call(Sys.Read, Ends, (nint)(&count), 8);
        }
        Tell(); // others may have ended meanwhile
        return status;
    }

    /// <summary>Tasks whose process has ended, one after the other, and calls whose hand has.</summary>
    public static void Look()
    {
        long count;
        Host.Call(Sys.Read, Ends, (nint)(&count), 8);
        for (int i = 0; i < s_highest; i++)
        {
            if (s_table[i].State != Over) continue;
            if (Node.Tasks[s_table[i].Task].Kind == PortKind.Trap) PathSockets.Ended(s_table[i].Task, i);
            else if (Is(i, Node.Tasks[s_table[i].Task])) TaskLife.Ended(s_table[i].Task);
        }
    }

    private static bool Is(int child, in PortTask port) => port.Kind == PortKind.Trap ? port.Hand == child + 1 : port.State == Abi.TaskState.Running && port.Launch.Child == child;

    /// <summary>A successor: what no task knows was being made when its predecessor ended.</summary>
    public static void EndUnknown()
    {
        for (int i = 0; i < s_highest; i++)
        {
            if (s_table[i].State == Free) continue;
            if (Is(i, Node.Tasks[s_table[i].Task])) continue;
            if (s_table[i].Process != 0) Kill(i);
            GiveBack(i);
        }
    }
}
