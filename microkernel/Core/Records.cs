using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Core;

/// <summary>One kernel object. References count the capabilities to it; at zero it is destroyed and its factory gets the charge back.</summary>
public unsafe struct ObjectRecord
{
    public const int MaxName = 240;

    public ObjectKind Kind;
    public int Factory;
    public int References;
    /// <summary>The port's for good: it stays without any capability.</summary>
    public bool Pinned;
    public int NextFree;
    /// <summary>Gate: serving task. Thread: the task whose it is. Otherwise the port's.</summary>
    public int Link;
    /// <summary>Gate: label. Factory: byte limit. Dataspace, thread: bytes. Scheduling context: shares. Descriptor: host handle.</summary>
    public long A;
    /// <summary>Factory: bytes used. Dataspace, thread: the port's handle. Scheduling context: limit in thousandths of a CPU.</summary>
    public long B;
    /// <summary>Factory: limit of processes and threads.</summary>
    public long C;
    /// <summary>Factory: threads made from it, and processes promised to factories made from it.</summary>
    public long D;
    public int NameLength;
    public fixed byte Name[MaxName];
}

/// <summary>One capability: a slot of a task that refers to an object with rights; and its place in the mapping database.</summary>
public struct CapabilityRecord
{
    public int Task;
    public int Slot;
    public int Object;
    public Rights Rights;
    public int Parent, FirstChild, NextSibling, PreviousSibling;
    public int NextInBucket;
    public int NextInTask, PreviousInTask;
    public int NextFree;
    /// <summary>It came with the message that its holder has in hand: see <see cref="TaskRecord.BroughtCount"/>.</summary>
    public bool Brought;
}

public enum IpcState : byte { Running, Queued, AwaitingReply, Receiving }

/// <summary>The IPC side of a thread, found by the object's index. A task's is that of its first thread, which is there as long as the task; and of what all its threads have in common.</summary>
public struct TaskRecord
{
    /// <summary>Of a task.</summary>
    public bool Alive;
    public IpcState Ipc;
    /// <summary>Of a task.</summary>
    public int FirstCapability;
    /// <summary>Of a task: head and tail of the callers that wait until one of its threads takes them; and the threads that wait for a caller, the last one first.</summary>
    public int QueueHead, QueueTail, FirstReceiver;
    /// <summary>Next among those, as a caller (Queued) or as who waits for one (Receiving).</summary>
    public int QueueNext;
    /// <summary>Of a task: its threads beside the first; and the next one of the same task.</summary>
    public int FirstThread, NextThread;
    /// <summary>Queued: the task that was called. AwaitingReply: the thread that has taken the call.</summary>
    public int Server;
    /// <summary>Head of the callers this thread owes a reply; and the next one in that list.</summary>
    public int FirstOwed, NextOwed;
    /// <summary>Number of this thread's calls, over every use of the record: a reply to an earlier one reaches nobody.</summary>
    public uint Sequence;
    /// <summary>Label of the gate this thread called through.</summary>
    public long Label;
    /// <summary>The message that this thread sends wants no reply.</summary>
    public bool OneWay;
    /// <summary>
    /// Slots that the last message filled, from the first on. They are the task's for good with this thread's next IPC, which says that it has taken the message; when it ends before, or begins anew, they are empty again.
    /// </summary>
    public int BroughtFirst, BroughtCount;
}
