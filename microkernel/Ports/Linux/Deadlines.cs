using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>Timeouts of native tasks in IPC. There are few such tasks, so the next deadline is looked for among all of them.</summary>
public static unsafe class Deadlines
{
    private const long Longest = 1L << 40; // microseconds; twelve days

    public static long Ipc(int task, IpcOperation operation, long argument, long timeoutMicroseconds)
    {
        bool waits = operation is IpcOperation.Call or IpcOperation.Wait or IpcOperation.ReplyWait;
        if (waits && timeoutMicroseconds is < 0 or > Longest) return AbiError.InvalidArgument;
        Node.Tasks[task].Deadline = waits && timeoutMicroseconds > 0 ? Now() + timeoutMicroseconds * 1000 : 0;
        long result = Node.Kernel.Ipc(task, operation, argument);
        if (result != Kernel<LinuxMachine>.Blocked) Node.Tasks[task].Deadline = 0;
        return result;
    }

    /// <summary>Milliseconds until the next deadline, at least one; -1: there is none.</summary>
    public static int Next()
    {
        long next = 0;
        for (int i = 0; i < Node.NativeCount; i++)
            if (Node.Tasks[Node.Natives[i]].Deadline is var deadline and > 0 && (next == 0 || deadline < next)) next = deadline;
        if (next == 0) return -1;
        long left = (next - Now() + 999_999) / 1_000_000;
        return left < 0 ? 0 : (int)left;
    }

    public static void Expire()
    {
        for (int i = 0; i < Node.NativeCount; i++)
            if (Node.Tasks[Node.Natives[i]].Deadline is var deadline and > 0 && deadline <= Now()) Node.Kernel.TimeOut(Node.Natives[i]);
    }

    /// <summary>Nanoseconds of the monotonic clock.</summary>
    public static long Now()
    {
        long* time = stackalloc long[2];
        Host.Call(Sys.ClockGettime, 1, (nint)time);
        return time[0] * 1_000_000_000 + time[1];
    }
}
