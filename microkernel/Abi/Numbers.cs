namespace Eyrie.Microkernel.Abi;

/// <summary>System-call numbers of the microkernel. The hosted port reserves 1000 to 1015 of Linux's numbers for them.</summary>
public static class Call
{
    /// <summary>ipc(operation, gate slot): message in and out through the message buffer.</summary>
    public const int Ipc = 1000;
    /// <summary>create(factory slot, kind, destination slot, a, b): name in the payload of the message buffer.</summary>
    public const int Create = 1001;
    /// <summary>map(source slot, target task slot, destination slot, rights): rights only shrink.</summary>
    public const int Map = 1002;
    /// <summary>unmap(task slot, slot, mode): see <see cref="UnmapMode"/>.</summary>
    public const int Unmap = 1003;
    /// <summary>inspect(task slot, first slot): capability records into the payload; result is the number of records.</summary>
    public const int Inspect = 1004;
    /// <summary>start(task slot): start description in the payload.</summary>
    public const int Start = 1005;
    /// <summary>control(task slot, operation, argument): see <see cref="TaskOperation"/>.</summary>
    public const int Control = 1006;
    /// <summary>notification(slot, operation): see <see cref="NotificationOperation"/>.</summary>
    public const int Notification = 1007;
    /// <summary>descriptor(slot, operation, a, b): see <see cref="DescriptorOperation"/>.</summary>
    public const int Descriptor = 1008;
    /// <summary>log(slot): payload is the line.</summary>
    public const int Log = 1009;
    /// <summary>statistics(task slot): three words, CPU in microseconds, memory in bytes, processes.</summary>
    public const int Statistics = 1010;
    /// <summary>version(): <see cref="AbiVersion"/>.</summary>
    public const int Version = 1015;

    public const int First = 1000, Last = 1015;
    public const int AbiVersion = 1;
}

public enum ObjectKind : byte { None, Task, Gate, Factory, Notification, SchedulingContext, Log, Descriptor }

/// <summary>What a holder may do with an object. A derived capability never has more.</summary>
[System.Flags]
public enum Rights : byte { None = 0, Read = 1, Write = 2, Execute = 4, Call = 8, Control = 16, Map = 32, All = 63 }

/// <summary>Results below zero.</summary>
public static class AbiError
{
    public const int NoCapability = -1, WrongKind = -2, MissingRights = -3, QuotaExhausted = -4, SlotTaken = -5, InvalidArgument = -6,
        Cancelled = -7, TableFull = -8, NoCaller = -9, TooLarge = -10, WrongState = -11, HostFailure = -12, UnknownCall = -13;
}

/// <summary>ReplyValue takes the caller in the second, the value in the third and the slot + 1 of the grant acted on (0: none) in the fourth argument, and leaves the buffer alone.</summary>
public enum IpcOperation { Call = 0, ReplyWait = 1, Wait = 2, Reply = 3, ReplyValue = 4 }

public enum UnmapMode { Self = 0, Derived = 1 }

public enum TaskOperation { Signal = 0, Status = 1, Destroy = 2 }

/// <summary>Words of a task's status: state, exit code or signal, out of memory, process id.</summary>
public enum TaskState { Created = 0, Running = 1, Exited = 2, Killed = 3 }

public enum NotificationOperation { Signal = 0, Descriptor = 1 }

/// <summary>Open: path in the payload, beneath the directory; a = Linux open flags. Result: the file descriptor that the task has now.</summary>
public enum DescriptorOperation { Open = 0, Take = 1 }

/// <summary>
/// The message buffer shared by a task and the kernel: 64 KiB. Offset 0: word count (u32), 4: payload length (u32), 8: label (u64) of the gate a
/// message came through, 16: capability slot + 1 or 0 (u32) of a transferred descriptor, 20: handle of the caller to reply to (u32), 32: sixteen words (u64), 160: payload.
/// </summary>
public static class MessageLayout
{
    public const int Size = 65536, WordCount = 0, PayloadLength = 4, Label = 8, Descriptor = 16, Caller = 20, Words = 32, MaxWords = 16, Payload = 160;
    public const int MaxPayload = Size - Payload;
    /// <summary>Number of the file descriptor a native task finds its message buffer at.</summary>
    public const int BufferDescriptor = 3;
}

/// <summary>Fields of a start description: tag (u16), length (u32), bytes; repeated in any order, lists in order of appearance.</summary>
public static class StartTag
{
    /// <summary>Path of an image layer beneath the node root, lowest first.</summary>
    public const int Layer = 1;
    /// <summary>Directory beneath the node root for the container's own files; upper and work are made in it.</summary>
    public const int Scratch = 2;
    /// <summary>u8: 1 makes the root read-only once mount points exist.</summary>
    public const int ReadOnlyRoot = 3;
    /// <summary>u8 read-only, i64 size, source NUL target NUL. An empty source is a tmpfs of that size.</summary>
    public const int Mount = 4;
    /// <summary>A directory of the root that stays writable when the root is read-only.</summary>
    public const int WritablePath = 5;
    public const int Argument = 6, Environment = 7, WorkingDirectory = 8, Hostname = 9;
    /// <summary>u32 each.</summary>
    public const int UserId = 10, GroupId = 11, Group = 12;
    /// <summary>i64: bytes, processes, thousandths of a CPU, shares. 0: no limit.</summary>
    public const int Memory = 13, Processes = 14, CpuLimit = 15, CpuShares = 16;
    /// <summary>u32: file descriptor number in the calling task for stdout and stderr.</summary>
    public const int Output = 17, Error = 18;
    /// <summary>u32: slot (in the caller's space) of the gate that trapped calls go to; and of the notification signalled when the task ends.</summary>
    public const int Handler = 19, ExitNotification = 20;
    /// <summary>Name of the control group, [a-z0-9-].</summary>
    public const int ControlGroup = 21;
    /// <summary>u32: slot (in the caller's space) of a running container's task. The new process enters the world of that task and counts as one of its processes; layers, mounts and limits are not given.</summary>
    public const int Join = 22;
    /// <summary>u32: file descriptor number in the calling task for stdin; absent: /dev/null.</summary>
    public const int Input = 23;
    /// <summary>u8: 1 says that descriptors 0 to 2 are a terminal, which becomes the controlling one.</summary>
    public const int Terminal = 24;
}

/// <summary>
/// One record of inspect: slot (i32), kind (u8), rights (u8), name length (u16), two numbers (i64) and the name. Factory: bytes and processes;
/// scheduling context: shares and thousandths of a CPU; of a running container as the host enforces them.
/// </summary>
public static class InspectLayout
{
    public const int Slot = 0, Kind = 4, Rights = 5, NameLength = 6, First = 8, Second = 16, Header = 24;
}

/// <summary>Slots that a server finds filled when it starts.</summary>
public static class BootSlot
{
    public const int Factory = 1, NodeRoot = 2, NetworkTask = 3, SelfTask = 4, NetworkControl = 5, Log = 6, FirstFree = 64;
    /// <summary>File descriptor of the container protocol's listening socket in MettEagle.</summary>
    public const int ListeningDescriptor = 4;
}
