using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Ports.Linux.Sandbox;

namespace Eyrie.Microkernel.Ports.Linux;

public enum PortKind : byte { None, Native, Container, Trap, GateCall, Thread }

/// <summary>What the hosted port holds for a task or a thread, at the object's index. Thread: one of a native task beside its first; the listener and the process are the task's.</summary>
public unsafe struct PortTask
{
    public const int MaxGroup = 128, MaxKept = 3;

    public PortKind Kind;
    /// <summary>The message buffer. A trap's is the kernel's own memory; a native task's and its threads' are shared with it.</summary>
    public byte* Buffer;
    public int Listener, PidDescriptor, ProcessId;
    /// <summary>The notification that waits for an answer: native (its own call) and trap (the container's call).</summary>
    public ulong Notification;
    public bool Waiting;
    /// <summary>Native, thread, gate call or container, in a call that waits: when it ends without a message, in nanoseconds of the monotonic clock; 0: never.</summary>
    public long Deadline;
    /// <summary>Trap, gate call: listener and task it came from (of a container that waits to serve: the task alone), the container whose grants count for it; next free trap.</summary>
    public int TrapListener, Source, Container, NextTrap;
    /// <summary>Trap: held back until its server is ready; and how often it was given to a server that ended before it answered.</summary>
    public bool Parked;
    public int Attempts;
    /// <summary>Container: the task whose world this one's process entered; 0: it has its own.</summary>
    public int Joined;
    /// <summary>Container: which system calls its processes reach, all of them alike.</summary>
    public CallClass Classes;
    /// <summary>Container: what its processes are told of the host.</summary>
    public HostFact Facts;
    /// <summary>Container: trapped calls in flight from it, or that are counted by its grants.</summary>
    public int InFlight;
    /// <summary>Trap: a descriptor on its way, or -1; and the container's socket that the call is about, or -1.</summary>
    public int Descriptor, Socket;
    /// <summary>Trap: number of the call.</summary>
    public int Number;
    /// <summary>Trap: everything that the call is about has been copied.</summary>
    public bool Collected;
    /// <summary>Trap: its answer is known and stands in Answer; what it held is being closed.</summary>
    public bool Over;
    /// <summary>Trap: its answer is the descriptor, which the process may have already; and whether that closes at exec.</summary>
    public bool Gives, CloseOnExec;
    /// <summary>Trap: the mark of its socket may be of this very call.</summary>
    public bool Marks;
    /// <summary>Trap: its caller has been answered on account of a signal, and what it asked for goes on.</summary>
    public bool Interrupted;
    /// <summary>Trap: it has waited through one look for signals.</summary>
    public bool Looked;
    /// <summary>Trap: the call is about a Unix socket's path; and the process that makes it, its place among the <see cref="Children"/> + 1, or 0: it waits for one.</summary>
    public bool OfPath;
    public int Hand;
    /// <summary>Container: names that were made for it in crowded file systems in memory (<see cref="Linux.Hand.Crowded"/>).</summary>
    public int Crowded;
    /// <summary>Container: its user and group, as the other end of a Unix socket is told, once they have been asked for.</summary>
    public bool SenderKnown;
    public uint SenderUser, SenderGroup;
    /// <summary>Trap: what the call sends.</summary>
    public TrappedMessage Message;
    /// <summary>Thread, trap, gate call, and container that waits to serve: the host's thread; and, of the last two, where its message is.</summary>
    public int Thread;
    public ulong Address;
    /// <summary>Gate call: the slot it goes through, the container it goes to, and what it is answered once it has been reported (0: not at all).</summary>
    public int Slot, Server;
    public long Answer;
    /// <summary>Container: gate calls in flight from it, and to it.</summary>
    public int Calls, Callers;
    /// <summary>Container: when it was last reported that nobody serves a gate, in nanoseconds of the monotonic clock, and the slot.</summary>
    public long Unserved;
    public int UnservedSlot;
    /// <summary>Container: the thread whose socket call came last, and a pidfd of it; 0 or -1: none.</summary>
    public int LastThread, ThreadDescriptor;
    /// <summary>Container: some socket of it lives by a grant.</summary>
    public bool Sockets;
    /// <summary>Container: gate its trapped calls go to, and the notification for its end (object indices).</summary>
    public int Handler, ExitNotification;
    public TaskState State;
    /// <summary>Container: its launch, under way or the one that failed last.</summary>
    public Launch Launch;
    /// <summary>Container: what Take gives for it; whether it stands in its notification's list of changed tasks, and the next there.</summary>
    public int Token, NextChanged;
    public bool Changed;
    public int Code;
    public bool OutOfMemory;
    /// <summary>Container: its processes stand still, and none enters it.</summary>
    public bool Paused;
    /// <summary>Container: descriptors that the kernel holds for whoever started it; 0: none.</summary>
    public fixed int Kept[MaxKept];
    /// <summary>Container: the limits of its control group, and the group's name.</summary>
    public Limits Limits;
    /// <summary>Container whose quotas no control group enforces: what was seen of it last.</summary>
    public Usage Seen;
    public int GroupLength;
    public fixed byte Group[MaxGroup];
}

/// <summary>struct seccomp_notif (linux/seccomp.h).</summary>
public unsafe struct SeccompNotification
{
    public ulong Id;
    public uint Process, Flags;
    public int Number;
    public uint Architecture;
    public ulong Instruction;
    public fixed ulong Arguments[6];
}
