// Generated from abi.json by microkernel/tool abi; a change belongs there.
namespace Eyrie.Microkernel.Abi;

/// <summary>How a program enters the kernel: number and six registers in, result out. A freestanding program has its own, one on .NET calls syscall(2).</summary>
public interface IKernelEntry<TSelf> where TSelf : IKernelEntry<TSelf>
{
    static abstract nint Enter(nint number, nint a, nint b, nint c, nint d, nint e, nint f);
}

/// <summary>The calls of the microkernel; REFERENCE.md has a section for each. What goes through the message buffer is put there by the caller.</summary>
public static class KernelCalls<TEntry> where TEntry : IKernelEntry<TEntry>
{
    /// <summary>Sends and receives messages. A message is the words, payload, descriptor and capabilities of the message buffer; a call waits until its one reply, and a server owes each caller exactly one. Every thread of a task waits on its own: a call is taken by the thread that has waited for the shortest time, replied to by any of the same task, and cancelled with the one that took it. What is sent one way waits until the server takes it, and is not replied to. A capability in a message is derived from the sender's, as by Map: revoking that one revokes it, wherever it has gone.</summary>
    /// <param name="operation">Call, Send, Wait, Reply, ReplyWait (both, in one) or ReplyValue.</param>
    /// <param name="argument">Call, Send: slot of a gate. Reply, ReplyWait, ReplyValue: handle of a caller, from the message.</param>
    /// <param name="value">Call, Send, Wait, ReplyWait: timeout in microseconds, 0 for none. ReplyValue: second word of the reply, whose first is 0. Reply: not read.</param>
    /// <param name="grant">ReplyValue: third word, slot + 1 of the grant acted on, 0 for none; otherwise not read.</param>
    public static long Ipc(IpcOperation operation, long argument, long value, long grant) =>
        TEntry.Enter(Call.Ipc, (nint)operation, (nint)argument, (nint)value, (nint)grant, 0, 0);

    /// <summary>Makes an object and puts a capability with all rights to it into a slot of the caller.</summary>
    /// <param name="factory">Slot of the factory that pays for the object.</param>
    /// <param name="kind">Task, Thread, Gate, Factory, Notification, SchedulingContext, Log or Dataspace.</param>
    /// <param name="destination">Empty slot, 0 or more.</param>
    /// <param name="first">Factory, Dataspace: bytes. SchedulingContext: shares. Gate: label. 0 or more; of other kinds it is not kept.</param>
    /// <param name="second">Factory: processes. SchedulingContext: thousandths of a CPU. Gate: slot of the task that serves it. Thread: slot of the task whose it is. 0 or more; of other kinds it is not kept.</param>
    public static long Create(int factory, ObjectKind kind, int destination, long first, long second) =>
        TEntry.Enter(Call.Create, factory, (nint)kind, destination, (nint)first, (nint)second, 0);

    /// <summary>Derives a capability into a slot of a task. What is derived from it goes when it is unmapped.</summary>
    /// <param name="source">Slot of the capability to derive from.</param>
    /// <param name="task">Slot of the task that gets it.</param>
    /// <param name="destination">Empty slot of that task, 0 or more.</param>
    /// <param name="rights">Rights of the new capability; none that the source lacks.</param>
    public static long Map(int source, int task, int destination, Rights rights) =>
        TEntry.Enter(Call.Map, source, task, destination, (nint)rights, 0, 0);

    /// <summary>Takes a capability, or everything derived from it, away, whoever holds it. What lives by it on the host ends with it: connections, listening sockets.</summary>
    /// <param name="task">Slot of the task that holds the capability; negative: the caller.</param>
    /// <param name="slot">Slot of the capability there.</param>
    /// <param name="mode">Self or Derived.</param>
    public static long Unmap(int task, int slot, UnmapMode mode) =>
        TEntry.Enter(Call.Unmap, task, slot, (nint)mode, 0, 0, 0);

    /// <summary>Reads a capability space: a record of InspectLayout for each capability.</summary>
    /// <param name="task">Slot of the task; negative: the caller.</param>
    public static long Inspect(int task) =>
        TEntry.Enter(Call.Inspect, task, 0, 0, 0, 0, 0);

    /// <summary>Starts the process of a task: in a world of its own, or in that of a running container. The caller goes on at once; the notification behind ExitNotification is signalled when the program has been executed or a step has failed, and again when the task ends. Of a task that is Prepared the second Start executes; the Arguments and the Environment of its description, where it has any, take the place of the first's, and nothing else of it counts.</summary>
    /// <param name="task">Slot of a task that has not been started, or is Prepared.</param>
    public static long Start(int task) =>
        TEntry.Enter(Call.Start, task, 0, 0, 0, 0, 0);

    /// <summary>Acts on a task or a thread. A thread of the host that is no Thread is the first one of its task, which has no object: only one such can be in a call at a time. Bind makes it a Thread of its own, with a message buffer and calls of its own; until it binds to another one, another thread of the host binds to the same, the Thread is deleted or its task is started anew.</summary>
    /// <param name="task">Slot of the task, or of the thread.</param>
    /// <param name="operation">Signal, Status, Destroy, Terminal, Ready, Kept, LetGo, Pause or Resume; of a thread Status or Bind.</param>
    /// <param name="argument">Signal: number of the signal. Terminal: 1 leaves it with the kernel, to be given once more. Kept, LetGo: which, in the order of the description, from 0. Otherwise not read.</param>
    public static long Control(int task, TaskOperation operation, int argument) =>
        TEntry.Enter(Call.Control, task, (nint)operation, argument, 0, 0, 0);

    /// <summary>Signals a notification; or gives the caller a file descriptor that becomes readable when it is signalled (eight bytes: how often); or takes the token of the next task that changed its state and tells so through it.</summary>
    /// <param name="slot">Slot of the notification.</param>
    /// <param name="operation">Signal, Descriptor or Take.</param>
    public static long Notification(int slot, NotificationOperation operation) =>
        TEntry.Enter(Call.Notification, slot, (nint)operation, 0, 0, 0, 0);

    /// <summary>Gives the caller a file descriptor: of a path beneath a directory capability, where neither .. nor a link leads out of the directory, or of the memory of a dataspace.</summary>
    /// <param name="slot">Open: slot of the directory. Memory: slot of the dataspace.</param>
    /// <param name="operation">Open or Memory.</param>
    /// <param name="flags">Open: of open(2): access mode, O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC; the kernel adds O_NONBLOCK and O_CLOEXEC.</param>
    public static long Descriptor(int slot, DescriptorOperation operation, int flags) =>
        TEntry.Enter(Call.Descriptor, slot, (nint)operation, flags, 0, 0, 0);

    /// <summary>Writes a line to the kernel's log.</summary>
    /// <param name="slot">Slot of the log.</param>
    public static long Log(int slot) =>
        TEntry.Enter(Call.Log, slot, 0, 0, 0, 0, 0);

    /// <summary>What a task has used and uses; or what has been taken from a factory and is left of the kernel's tables.</summary>
    /// <param name="slot">Slot of a task or a factory.</param>
    public static long Statistics(int slot) =>
        TEntry.Enter(Call.Statistics, slot, 0, 0, 0, 0, 0);

    /// <summary>Says which program a caller is, of a call that the asking task has not answered yet: for records of who tried what.</summary>
    /// <param name="caller">Handle of a caller, from the message.</param>
    public static long Caller(long caller) =>
        TEntry.Enter(Call.Caller, (nint)caller, 0, 0, 0, 0, 0);

    /// <summary>Gives a gate another server. Who holds the gate keeps it, with its label, and does not notice; calls that are in flight through it are cancelled.</summary>
    /// <param name="gate">Slot of the gate.</param>
    /// <param name="task">Slot of the task that serves it from now on.</param>
    public static long Redirect(int gate, int task) =>
        TEntry.Enter(Call.Redirect, gate, task, 0, 0, 0, 0);

    /// <summary>Sessions between containers, for the programs in them: ordinary Linux processes, from any thread. A container without a `gate` entry cannot make this call (EPERM, which is NoCapability).</summary>
    /// <param name="operation">Find, Call, Wait, Reply, ReplyWait (both, in one) or Who.</param>
    /// <param name="argument">Call: slot of a gate. Reply, ReplyWait, Who: handle of a caller, from the message. Otherwise not read.</param>
    /// <param name="timeout">Call, Wait, ReplyWait: microseconds, 0 for none. Otherwise not read.</param>
    /// <param name="message">Address of a GateMessage. Find: its payload is NAME (of the container's own namespace) or NAMESPACE/NAME. Call: the request, then the reply. Wait: the request that came. Reply: the reply. ReplyWait: the reply, then the next request. Who: gets a payload.</param>
    public static long Gate(GateOperation operation, long argument, long timeout, long message) =>
        TEntry.Enter(Call.Gate, (nint)operation, (nint)argument, (nint)timeout, (nint)message, 0, 0);

    /// <summary>The version of this ABI. It grows when a call, an argument or a layout changes its meaning.</summary>
    public static long Version() =>
        TEntry.Enter(Call.Version, 0, 0, 0, 0, 0, 0);
}
