using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Ports.Linux;

public enum PortKind : byte { None, Native, Container, Trap }

/// <summary>What the hosted port holds for a task object, at the object's index.</summary>
public unsafe struct PortTask
{
    public const int MaxGroup = 128;

    public PortKind Kind;
    /// <summary>The message buffer. A trap's is the kernel's own memory; a native task's is shared with it.</summary>
    public byte* Buffer;
    public int Listener, PidDescriptor, ProcessId;
    /// <summary>The notification that waits for an answer: native (its own call) and trap (the container's call).</summary>
    public ulong Notification;
    public bool Waiting;
    /// <summary>Trap: listener and container it belongs to; next free trap.</summary>
    public int TrapListener, Container, NextTrap;
    /// <summary>Trap: a descriptor on its way, or -1.</summary>
    public int Descriptor;
    /// <summary>Container: gate its trapped calls go to, and the notification for its end (object indices).</summary>
    public int Handler, ExitNotification;
    public TaskState State;
    public int Code;
    public bool OutOfMemory;
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
