using Eyrie.Freestanding;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Core;

namespace Eyrie.Microkernel.Ports.Linux;

/// <summary>Threads of native tasks that are objects: which thread of the host is which, and the message buffer of each.</summary>
public static unsafe class Threads
{
    /// <summary>What a thread of the host is to the core: the object that it has bound to, or its task, whose first thread every other counts as.</summary>
    public static int Of(int task, int hostThread)
    {
        for (int thread = Node.Kernel.Tasks[task].FirstThread; thread != 0; thread = Node.Kernel.Tasks[thread].NextThread)
            if (Node.Tasks[thread].Thread == hostThread) return thread;
        return task;
    }

    /// <summary>Acts on a thread that is an object.</summary>
    /// <param name="task">Whose thread calls.</param>
    /// <param name="caller">What that thread is to the core.</param>
    /// <param name="thread">The one in question.</param>
    /// <param name="operation">What to do.</param>
    /// <param name="hostThread">The thread of the host that calls.</param>
    /// <param name="buffer">The caller's message buffer.</param>
    public static long Control(int task, int caller, int thread, TaskOperation operation, int hostThread, byte* buffer)
    {
        ref var record = ref Node.Kernel.Tasks[thread];
        if (operation == TaskOperation.Bind) return Bind(task, caller, thread, hostThread);
        if (operation != TaskOperation.Status) return AbiError.InvalidArgument;
        long* words = (long*)(buffer + MessageLayout.Words);
        words[0] = (long)(record.Ipc switch
        {
            IpcState.Queued => ThreadState.Queued,
            IpcState.AwaitingReply => ThreadState.AwaitingReply,
            IpcState.Receiving => ThreadState.Receiving,
            _ => Node.Tasks[thread].Thread == 0 ? ThreadState.Unbound : ThreadState.Running,
        });
        words[1] = 0;
        for (int owed = record.FirstOwed; owed != 0; owed = Node.Kernel.Tasks[owed].NextOwed) words[1]++;
        *(uint*)(buffer + MessageLayout.WordCount) = 2;
        return 0;
    }

    private static long Bind(int task, int caller, int thread, int hostThread)
    {
        ref var entry = ref Node.Tasks[thread];
        if (Node.Kernel.Space(thread) != task) return AbiError.InvalidArgument;
        if (thread == caller || entry.Waiting) return AbiError.WrongState;
        if (!Calls.MadeMemory(thread)) return AbiError.HostFailure;
        if (entry.Buffer == null)
        {
            nint mapped = Host.Call(Sys.Mmap, 0, MessageLayout.Size, 3, 1, (nint)Node.Kernel.Objects[thread].B);
            if (mapped < 0) return AbiError.HostFailure;
            entry.Buffer = (byte*)mapped;
        }
        long number = Calls.Given(caller, (nint)Node.Kernel.Objects[thread].B);
        if (number < 0) return number;
        if (caller != task) Node.Tasks[caller].Thread = 0;
        entry.Kind = PortKind.Thread;
        entry.Thread = hostThread;
        return number;
    }

    /// <summary>A task's process has ended: its threads are nobody, and nobody waits for an answer.</summary>
    public static void Unbind(int task)
    {
        for (int thread = Node.Kernel.Tasks[task].FirstThread; thread != 0; thread = Node.Kernel.Tasks[thread].NextThread)
        {
            Node.Tasks[thread].Waiting = false;
            Node.Tasks[thread].Thread = 0;
            Deadlines.Clear(thread);
        }
    }

    /// <summary>The object is gone: whoever was it counts as the first thread of its task.</summary>
    public static void Release(int thread)
    {
        ref var entry = ref Node.Tasks[thread];
        Deadlines.Clear(thread);
        byte* buffer = entry.Buffer;
        entry.Buffer = null; // first: whoever takes over may do it once more, and takes nothing else away then
        if (buffer != null) Host.Call(Sys.Munmap, (nint)buffer, MessageLayout.Size);
        entry = default;
    }
}
