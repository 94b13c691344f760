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
    /// <summary>Gate: serving task. Otherwise the port's.</summary>
    public int Link;
    /// <summary>Gate: label. Factory: byte limit. Dataspace: bytes. Scheduling context: shares. Descriptor: host handle.</summary>
    public long A;
    /// <summary>Factory: bytes used. Dataspace: the port's handle. Scheduling context: limit in thousandths of a CPU.</summary>
    public long B;
    /// <summary>Factory: process limit.</summary>
    public long C;
    /// <summary>Factory: processes promised to factories made from it.</summary>
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

/// <summary>The IPC side of a task; one for every task object, found by the object's index.</summary>
public struct TaskRecord
{
    public bool Alive;
    public IpcState Ipc;
    public int FirstCapability;
    /// <summary>Head and tail of the callers queued at this server.</summary>
    public int QueueHead, QueueTail;
    /// <summary>Next in the queue this task stands in.</summary>
    public int QueueNext;
    /// <summary>The server this task called (Queued, AwaitingReply).</summary>
    public int Server;
    /// <summary>Head of the callers this server owes a reply; and the next one in that list.</summary>
    public int FirstOwed, NextOwed;
    /// <summary>Number of this task's calls, over every use of the record: a reply to an earlier one reaches nobody.</summary>
    public uint Sequence;
    /// <summary>Label of the gate this task called through.</summary>
    public long Label;
    /// <summary>The message that this task sends wants no reply.</summary>
    public bool OneWay;
    /// <summary>
    /// Slots that the last message filled, from the first on. They are this task's for good with its next IPC, which says that it has taken the message; when it ends before, or begins anew, they are empty again.
    /// </summary>
    public int BroughtFirst, BroughtCount;
}
