// Generated from abi.json by microkernel/tool abi; a change belongs there.
namespace Eyrie.Microkernel.Abi;

/// <summary>System-call numbers of the microkernel. The hosted port reserves First to Last of Linux's numbers for them.</summary>
public static class Call
{
    public const int First = 1000, Last = 1015;
    public const int AbiVersion = 4;

    /// <summary>Sends and receives messages. A message is the words, payload, descriptor and capabilities of the message buffer; a call waits until its one reply, and a server owes each caller exactly one. Every thread of a task waits on its own: a call is taken by the thread that has waited for the shortest time, replied to by any of the same task, and cancelled with the one that took it. What is sent one way waits until the server takes it, and is not replied to. A capability in a message is derived from the sender's, as by Map: revoking that one revokes it, wherever it has gone.</summary>
    public const int Ipc = 1000;
    /// <summary>Makes an object and puts a capability with all rights to it into a slot of the caller.</summary>
    public const int Create = 1001;
    /// <summary>Derives a capability into a slot of a task. What is derived from it goes when it is unmapped.</summary>
    public const int Map = 1002;
    /// <summary>Takes a capability, or everything derived from it, away, whoever holds it. What lives by it on the host ends with it: connections, listening sockets.</summary>
    public const int Unmap = 1003;
    /// <summary>Reads a capability space: a record of InspectLayout for each capability.</summary>
    public const int Inspect = 1004;
    /// <summary>Starts the process of a task: in a world of its own, or in that of a running container. The caller goes on at once; the notification behind ExitNotification is signalled when the program has been executed or a step has failed, and again when the task ends. Of a task that is Prepared the second Start executes; the Arguments and the Environment of its description, where it has any, take the place of the first's, and nothing else of it counts.</summary>
    public const int Start = 1005;
    /// <summary>Acts on a task or a thread. A thread of the host that is no Thread is the first one of its task, which has no object: only one such can be in a call at a time. Bind makes it a Thread of its own, with a message buffer and calls of its own; until it binds to another one, another thread of the host binds to the same, the Thread is deleted or its task is started anew.</summary>
    public const int Control = 1006;
    /// <summary>Signals a notification; or gives the caller a file descriptor that becomes readable when it is signalled (eight bytes: how often); or takes the token of the next task that changed its state and tells so through it.</summary>
    public const int Notification = 1007;
    /// <summary>Gives the caller a file descriptor: of a path beneath a directory capability, where neither .. nor a link leads out of the directory, or of the memory of a dataspace.</summary>
    public const int Descriptor = 1008;
    /// <summary>Writes a line to the kernel's log.</summary>
    public const int Log = 1009;
    /// <summary>What a task has used and uses; or what has been taken from a factory and is left of the kernel's tables.</summary>
    public const int Statistics = 1010;
    /// <summary>Says which program a caller is, of a call that the asking task has not answered yet: for records of who tried what.</summary>
    public const int Caller = 1011;
    /// <summary>Gives a gate another server. Who holds the gate keeps it, with its label, and does not notice; calls that are in flight through it are cancelled.</summary>
    public const int Redirect = 1013;
    /// <summary>Sessions between containers, for the programs in them: ordinary Linux processes, from any thread. A container without a `gate` entry cannot make this call (EPERM, which is NoCapability).</summary>
    public const int Gate = 1012;
    /// <summary>The version of this ABI. It grows when a call, an argument or a layout changes its meaning.</summary>
    public const int Version = 1015;
}

/// <summary>Results below zero.</summary>
public static class AbiError
{
    /// <summary>The slot is empty.</summary>
    public const int NoCapability = -1;
    /// <summary>The object behind the slot is of another kind.</summary>
    public const int WrongKind = -2;
    /// <summary>The capability lacks a right that the call needs.</summary>
    public const int MissingRights = -3;
    /// <summary>The factory that pays has too little left.</summary>
    public const int QuotaExhausted = -4;
    /// <summary>The destination slot holds a capability already.</summary>
    public const int SlotTaken = -5;
    /// <summary>An argument is outside of what this page gives for it.</summary>
    public const int InvalidArgument = -6;
    /// <summary>The other side of the message is gone.</summary>
    public const int Cancelled = -7;
    /// <summary>The kernel has no free object or capability left.</summary>
    public const int TableFull = -8;
    /// <summary>Nobody waits for this reply (any more).</summary>
    public const int NoCaller = -9;
    /// <summary>The answer does not fit the message buffer.</summary>
    public const int TooLarge = -10;
    /// <summary>The object is in a state in which this is not possible.</summary>
    public const int WrongState = -11;
    /// <summary>The host refused; the words of the message buffer say what.</summary>
    public const int HostFailure = -12;
    /// <summary>No call has this number.</summary>
    public const int UnknownCall = -13;
    /// <summary>The time given has passed.</summary>
    public const int TimedOut = -15;
    /// <summary>No running container of this node serves the gate.</summary>
    public const int NoServer = -16;
    /// <summary>The receiver takes no such number of capabilities: it keeps too few slots for them, one of those is taken, or its factory has too little left.</summary>
    public const int NotTaken = -17;
    /// <summary>Another thread of the host that is the same Thread, or is none as the caller is, waits in a call; only ReplyValue may be made beside it.</summary>
    public const int Busy = -14;
}

/// <summary>Kinds of kernel objects.</summary>
public enum ObjectKind : byte
{
    None = 0,
    Task = 1,
    Gate = 2,
    Factory = 3,
    Notification = 4,
    SchedulingContext = 5,
    Log = 6,
    Descriptor = 7,
    Dataspace = 8,
    Thread = 9,
}

/// <summary>What a holder may do with an object. A derived capability never has more.</summary>
[System.Flags]
public enum Rights : byte
{
    None = 0,
    Read = 1,
    Write = 2,
    Execute = 4,
    Call = 8,
    Control = 16,
    Map = 32,
    All = 63,
}

/// <summary>Classes of host system calls that a container reaches beyond those every program needs. Each follows from the capability set; one whose right is not in the set is not there.</summary>
[System.Flags]
public enum CallClass : byte
{
    None = 0,
    Network = 1,
    Processes = 2,
    Files = 4,
    SharedMemory = 8,
    Gates = 16,
    Threads = 32,
    All = 63,
}

/// <summary>What a container may know of the host beyond what every process finds out: memory (its size and use), load (what its processors do), drivers (what its kernel was built with and drives).</summary>
[System.Flags]
public enum HostFact : byte
{
    None = 0,
    Memory = 1,
    Load = 2,
    Drivers = 4,
    All = 7,
}

/// <summary>Operations of gate.</summary>
public enum GateOperation
{
    Find = 0,
    Call = 1,
    Wait = 2,
    Reply = 3,
    ReplyWait = 4,
    Who = 5,
}

/// <summary>Kinds of limits that the host enforces for containers. What is missing is watched by the kernel (memory, processes) or not held at all (CPU).</summary>
[System.Flags]
public enum LimitKinds : byte
{
    None = 0,
    Memory = 1,
    Processes = 2,
    Cpu = 4,
    All = 7,
}

/// <summary>Operations of ipc.</summary>
public enum IpcOperation
{
    Call = 0,
    ReplyWait = 1,
    Wait = 2,
    Reply = 3,
    ReplyValue = 4,
    Send = 5,
}

/// <summary>Self removes a capability and everything derived from it; Derived removes what is derived and leaves the capability.</summary>
public enum UnmapMode
{
    Self = 0,
    Derived = 1,
}

/// <summary>Operations of control, on a task; Status and Bind on a thread.</summary>
public enum TaskOperation
{
    Signal = 0,
    Status = 1,
    Destroy = 2,
    Terminal = 3,
    Ready = 4,
    Kept = 5,
    LetGo = 6,
    Pause = 7,
    Resume = 8,
    Bind = 9,
}

/// <summary>First word of a task's status; then exit code or signal, out of memory (0 or 1), process id, and of a launch that failed the stage and the negative errno of the host.</summary>
public enum TaskState
{
    Created = 0,
    Running = 1,
    Exited = 2,
    Killed = 3,
    Starting = 4,
    Prepared = 5,
}

/// <summary>First word of a thread's status: nobody is it (any more), it runs, its message waits for a server, it waits for a reply, or for a message; then how many callers it owes a reply.</summary>
public enum ThreadState
{
    Unbound = 0,
    Running = 1,
    Queued = 2,
    AwaitingReply = 3,
    Receiving = 4,
}

/// <summary>Operations of notification.</summary>
public enum NotificationOperation
{
    Signal = 0,
    Descriptor = 1,
    Take = 2,
}

/// <summary>Operations of descriptor.</summary>
public enum DescriptorOperation
{
    Open = 0,
    Memory = 1,
}

/// <summary>The message buffer that a thread shares with the kernel: offsets in bytes, little endian. WordCount and PayloadLength (u32) say how much of the message holds; Label (u64) is that of the gate a message came through; Descriptor (u32) is the number of a file descriptor that goes along, plus 1, or 0; Caller (u64) is the handle to reply to, never the same for two calls, and 0 of a message that wants no reply; then MaxWords words (u64), capabilities and the payload. A sender puts into CapabilityCount (u32) how many capabilities go along, which is 0 again once they have, and into Capabilities for each the slot (i32) and the rights (u32) that the receiver gets. A receiver keeps TakeCount (u32) empty slots for them from TakeFirst (i32) on, and finds in TakenCount (u32) how many the message has filled.</summary>
public static class MessageLayout
{
    /// <summary>Bytes of the buffer.</summary>
    public const int Size = 65536;
    public const int WordCount = 0;
    public const int PayloadLength = 4;
    public const int Label = 8;
    public const int Descriptor = 16;
    public const int CapabilityCount = 20;
    public const int Caller = 24;
    public const int Words = 32;
    public const int MaxWords = 16;
    public const int Capabilities = 160;
    public const int MaxCapabilities = 4;
    public const int TakeFirst = 192;
    public const int TakeCount = 196;
    public const int TakenCount = 200;
    public const int Payload = 208;
    /// <summary>Size - Payload.</summary>
    public const int MaxPayload = 65328;
    /// <summary>Number of the file descriptor that a native task finds the message buffer of its first thread at.</summary>
    public const int BufferDescriptor = 3;
}

/// <summary>A message of gate, Size bytes of the calling program's own memory, whole at every call: offsets in bytes, little endian. WordCount and PayloadLength (u32) say how much of it holds; Label (u64) is, at the server, the number of the caller's session, which no other session ever has; Caller (u64) is the handle to reply to, once; then MaxWords words (u64) and the payload. Descriptors and capabilities do not travel.</summary>
public static class GateMessage
{
    public const int Size = 4096;
    public const int WordCount = 0;
    public const int PayloadLength = 4;
    public const int Label = 8;
    public const int Caller = 16;
    public const int Words = 24;
    public const int MaxWords = 8;
    public const int Payload = 88;
    /// <summary>Size - Payload.</summary>
    public const int MaxPayload = 4008;
    /// <summary>Calls in flight from one container.</summary>
    public const int MaxCalls = 16;
    /// <summary>Calls in flight to one container.</summary>
    public const int MaxCallers = 64;
}

/// <summary>Fields of a start description: tag (u16), length (u32), bytes; repeated in any order, lists in order of appearance.</summary>
public static class StartTag
{
    /// <summary>Path of an image layer beneath Directory, lowest first.</summary>
    public const int Layer = 1;
    /// <summary>Directory beneath Directory for the container's own files; it holds root, upper and work.</summary>
    public const int Scratch = 2;
    /// <summary>U8: 1 makes the root read-only once mount points exist.</summary>
    public const int ReadOnlyRoot = 3;
    /// <summary>U8 read-only, i64 bytes, source NUL target NUL; an empty source is a tmpfs of that size.</summary>
    public const int Mount = 4;
    /// <summary>A directory of the root that stays writable when the root is read-only.</summary>
    public const int WritablePath = 5;
    /// <summary>The program, then its arguments.</summary>
    public const int Argument = 6;
    /// <summary>NAME=value.</summary>
    public const int Environment = 7;
    /// <summary>Path in the root.</summary>
    public const int WorkingDirectory = 8;
    /// <summary>At most 64 bytes.</summary>
    public const int Hostname = 9;
    /// <summary>U32.</summary>
    public const int UserId = 10;
    /// <summary>U32.</summary>
    public const int GroupId = 11;
    /// <summary>U32, at most 32 of them.</summary>
    public const int Group = 12;
    /// <summary>I64, bytes; 0: no limit.</summary>
    public const int Memory = 13;
    /// <summary>I64; 0: no limit.</summary>
    public const int Processes = 14;
    /// <summary>I64, thousandths of a CPU; 0: no limit.</summary>
    public const int CpuLimit = 15;
    /// <summary>I64; 0: the host's default.</summary>
    public const int CpuShares = 16;
    /// <summary>U32: file descriptor number in the calling task for stdout.</summary>
    public const int Output = 17;
    /// <summary>U32: the same for stderr.</summary>
    public const int Error = 18;
    /// <summary>U32: slot of the gate that trapped calls go to.</summary>
    public const int Handler = 19;
    /// <summary>U32: slot of the notification signalled when the task runs, could not be started, or has ended.</summary>
    public const int ExitNotification = 20;
    /// <summary>Name of the control group: the node's own, a slash, and a name of [A-Za-z0-9._-].</summary>
    public const int ControlGroup = 21;
    /// <summary>U32: slot of a running container's task. The new process enters the world of that task and counts as one of its processes; layers, mounts and limits are not given.</summary>
    public const int Join = 22;
    /// <summary>U32: file descriptor number in the calling task for stdin; absent: /dev/null.</summary>
    public const int Input = 23;
    /// <summary>U8: 1 gives the process a terminal of its world's own /dev/pts, as descriptors 0 to 2 and as the controlling one; no other descriptors are given then.</summary>
    public const int Terminal = 24;
    /// <summary>U16 columns, u16 rows of the terminal when the program begins.</summary>
    public const int WindowSize = 27;
    /// <summary>U32 below 2^31: what Take gives for this task.</summary>
    public const int Token = 26;
    /// <summary>U8: CallClass bits that the process may reach for as long as it runs; absent: none. A process that joins has those of the task it joins.</summary>
    public const int CallClasses = 28;
    /// <summary>U8: 1 builds everything but executes nothing: the task is Prepared then, and Start with a second description lets it go. Not of a task that joins.</summary>
    public const int Prepare = 29;
    /// <summary>U32: file descriptor number in the calling task, at most three of them; the kernel holds a copy of each as long as the task object is there, for Kept. Not of a task that joins.</summary>
    public const int Kept = 30;
    /// <summary>A file or directory of the root that code may be run from; with one or more, code runs from nowhere else.</summary>
    public const int Executable = 31;
    /// <summary>U8 read-only, then the path of a device that the node offers; it stands at the same path in the container.</summary>
    public const int Device = 33;
    /// <summary>A directory of the root below which names may be made, changed and removed; with one or more, that can be done nowhere else, whatever may be written.</summary>
    public const int Creatable = 34;
    /// <summary>U8: HostFact bits; of facts that are not among them /proc and sysinfo(2) tell what the container was promised, zeros or nothing. A process that joins is told what the task it joins is.</summary>
    public const int HostFacts = 35;
    /// <summary>U32: slot of the directory capability that layers, scratch and mount sources are beneath.</summary>
    public const int Directory = 25;
}

/// <summary>One record of inspect, offsets in bytes: slot (i32), kind (u8), rights (u8), name length (u16), two numbers (i64) and the name. Factory: bytes and processes; scheduling context: shares and thousandths of a CPU; of a running container as the host enforces them.</summary>
public static class InspectLayout
{
    public const int Slot = 0;
    public const int Kind = 4;
    public const int Rights = 5;
    public const int NameLength = 6;
    public const int First = 8;
    public const int Second = 16;
    public const int Header = 24;
}

/// <summary>An answer to connect that holds until the network server knows something new: word 3 of its reply is the number of what it knows (u32, not 0), and the payload is the first eight bytes of a struct sockaddr_in for the address to connect from and for each endpoint, of which any will do. Until then the kernel connects by it without asking, for the same container and address, as long as the grant is held. The number, and how many connections the kernel has made so, stand in memory behind the server's message buffer that both share: offsets in bytes from the buffer's end, little endian.</summary>
public static class StandingAnswer
{
    /// <summary>U32: the server changes it before it answers whoever told it something.</summary>
    public const int Number = 0;
    /// <summary>U32 for each session (the label of its gate) and in it each grant (slot): connections made.</summary>
    public const int Made = 4096;
    public const int Sessions = 4096;
    /// <summary>Grants of a session, below which a slot is counted.</summary>
    public const int Slots = 512;
    /// <summary>Made + 4 * Sessions * Slots.</summary>
    public const int Size = 8392704;
    /// <summary>An answer with more of them does not stand.</summary>
    public const int MaxEndpoints = 32;
}

/// <summary>Slots that a native task finds filled when it starts, each where its job needs it.</summary>
public static class BootSlot
{
    public const int Factory = 1;
    public const int NodeRoot = 2;
    public const int NetworkTask = 3;
    public const int SelfTask = 4;
    public const int NetworkControl = 5;
    public const int Log = 6;
    /// <summary>Gates to the node's further tasks, in order; a task has none to itself.</summary>
    public const int FirstPeer = 8;
    /// <summary>From here on nothing is filled.</summary>
    public const int FirstFree = 64;
    /// <summary>File descriptor of the container protocol's listening socket in MettEagle.</summary>
    public const int ListeningDescriptor = 4;
}
