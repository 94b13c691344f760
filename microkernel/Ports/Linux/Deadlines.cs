using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>Timeouts of IPC. Tasks in a call with one stand in a list, and there are few: the next deadline is looked for among all of them.</summary>
public static unsafe class Deadlines
{
    public const long Longest = 1L << 40; // microseconds; twelve days

    private const int Most = Node.MaxNatives + GateCalls.Max + 2048;
    private static int* s_timed;
    private static int s_count;

    public static bool Initialize() => (s_timed = (int*)Node.Allocate(Most * sizeof(int))) != null;

    /// <summary>The call that a task begins ends after so many microseconds; 0: never.</summary>
    public static void Set(int task, long timeoutMicroseconds)
    {
        Clear(task);
        if (timeoutMicroseconds == 0 || s_count == Most) return;
        Node.Tasks[task].Deadline = Now() + timeoutMicroseconds * 1000;
        s_timed[s_count++] = task;
    }

    /// <summary>After a predecessor: only these tasks wait still, each for as long as it meant to.</summary>
    public static void Keep(delegate*<int, bool> waits)
    {
        s_count = 0;
        for (int task = 1; task < Node.MaxObjects; task++)
        {
            ref var deadline = ref Node.Tasks[task].Deadline;
            if (deadline == 0) continue;
            if (waits(task) && s_count < Most) s_timed[s_count++] = task;
            else deadline = 0;
        }
    }

    public static void Clear(int task)
    {
        if (Node.Tasks[task].Deadline == 0) return;
        Node.Tasks[task].Deadline = 0;
        int at = 0;
        while (s_timed[at] != task) at++;
        s_timed[at] = s_timed[--s_count];
    }

    public static long Ipc(int task, IpcOperation operation, long argument, long timeoutMicroseconds)
    {
        bool waits = operation is IpcOperation.Call or IpcOperation.Send or IpcOperation.Wait or IpcOperation.ReplyWait;
        if (waits && timeoutMicroseconds is < 0 or > Longest) return AbiError.InvalidArgument;
        Set(task, waits ? timeoutMicroseconds : 0);
        long result = Node.Kernel.Ipc(task, operation, argument);
        if (result != Kernel<LinuxMachine>.Blocked) Clear(task);
        return result;
    }

    /// <summary>Milliseconds until the next deadline, at least one; -1: there is none.</summary>
    public static int Next()
    {
        long next = 0;
        for (int i = 0; i < s_count; i++)
            if (Node.Tasks[s_timed[i]].Deadline is var deadline && (next == 0 || deadline < next)) next = deadline;
        if (next == 0) return -1;
        long left = (next - Now() + 999_999) / 1_000_000;
        return left < 0 ? 0 : (int)left;
    }

    public static void Expire()
    {
        if (s_count == 0) return;
        long now = Now();
        for (int i = s_count - 1; i >= 0; i--)
        {
            if (i >= s_count || Node.Tasks[s_timed[i]].Deadline > now) continue;
            int task = s_timed[i];
            Clear(task);
            Node.Kernel.TimeOut(task);
        }
    }

    /// <summary>Nanoseconds of the monotonic clock.</summary>
    public static long Now()
    {
        long* time = stackalloc long[2];
        Host.Call(Sys.ClockGettime, 1, (nint)time);
        return time[0] * 1_000_000_000 + time[1];
    }
}
