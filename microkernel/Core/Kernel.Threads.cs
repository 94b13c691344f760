using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Core;

// Threads: each waits in IPC on its own and shares the capability space of its task. A task begins with one, which goes by the task's own index and ends with it; every other is an object.
public unsafe partial struct Kernel<TMachine>
{
    /// <summary>The task whose capability space a thread acts in; of a task that one itself.</summary>
    public readonly int Space(int thread) => Objects[thread].Kind == ObjectKind.Thread ? Objects[thread].Link : thread;

    /// <summary>A thread of the port's own, for a call that a task's program makes: it is charged to nobody, stays for good and belongs to no task until it enters one. Returns 0 when there is no room.</summary>
    public int CreateOwnThread(int factory)
    {
        int thread = TakeObject(ObjectKind.Thread, factory);
        if (thread == 0) return 0;
        Objects[thread].References = 1;
        Objects[thread].Pinned = true;
        return thread;
    }

    /// <summary>A thread of the port's own acts for a task from here on. The port sees to it that it leaves before the task is gone.</summary>
    public void Enter(int thread, int task)
    {
        Objects[thread].Link = task;
        Tasks[thread].NextThread = Tasks[task].FirstThread;
        Tasks[task].FirstThread = thread;
    }

    /// <summary>It does so no more, and waits for nobody.</summary>
    public void Leave(int thread)
    {
        Withdraw(thread);
        Unlink(thread);
        Objects[thread].Link = 0;
    }

    /// <summary>A thread's last capability is gone.</summary>
    private void End(int thread)
    {
        CancelThread(thread);
        Unlink(thread);
    }

    /// <summary>Takes a thread out of its task's list, where it is in there still.</summary>
    private void Unlink(int thread)
    {
        int* link = &Tasks[Objects[thread].Link].FirstThread;
        while (*link != 0 && *link != thread) link = &Tasks[*link].NextThread;
        if (*link == thread) *link = Tasks[thread].NextThread;
    }
}
