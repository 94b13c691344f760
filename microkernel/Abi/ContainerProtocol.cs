namespace Eyrie.Microkernel.Abi;

/// <summary>
/// The container protocol: frames over a local stream socket. A frame is: length of what follows (u32), request id (u32), version (u16), type (u16), then fields
/// as in a start description: tag (u16), length (u32), bytes. Little endian. A response has the request's id and type with <see cref="Response"/> set; events have id 0.
/// </summary>
public static class ContainerProtocol
{
    public const int Version = 1, Header = 12, MaxFrame = 61440;
    public const int Create = 1, Start = 2, Signal = 3, Delete = 4, List = 5, ReadCapabilities = 6, ChangeCapabilities = 7, SetServices = 8, Statistics = 9, Subscribe = 10, Execute = 11, ExecutionSignal = 12, KernelStatistics = 13, Attach = 14, CloseInput = 15, ReopenLog = 16, Pause = 17, Resume = 18;
    public const int Response = 0x8000, ExitEvent = 0x4001, DeniedEvent = 0x4002, ExecutionEvent = 0x4003;

    // Fields beside those of StartTag.
    public const int Id = 100, LogPath = 101, PodAddress = 102, PodLoopback = 103, Capability = 104, Revoked = 105, SignalNumber = 106, Error = 107, Message = 108;
    /// <summary>Container: id, state (u32), code (i32), out of memory (u8), process id (u32), started and finished (i64 unix milliseconds, 0: not).</summary>
    public const int Container = 109;
    /// <summary>Service port as text: <c>namespace/name port cluster-address address:port ...</c>, with <c>@seconds</c> before the endpoints for session affinity; and a u8 that says more frames of the same table follow.</summary>
    public const int Service = 110, More = 111;
    /// <summary>u32: number of an execution, never used twice.</summary>
    public const int Execution = 117;
    /// <summary>u8: 1 keeps the container's stdin open for those who attach; otherwise it reads from nothing.</summary>
    public const int OpenInput = 118;
    /// <summary>u8: 1 finishes the container's sandbox when it is created; it waits there until it is started, which may then say what to execute.</summary>
    public const int Prepared = 121;
    public const int Numbers = 112, Operation = 113, Target = 114, Entry = 115, Count = 116;
    /// <summary>Of a <see cref="DeniedEvent"/>: <c>denied</c>, <c>audited</c> (no grant allows it, an audit let it through) or <c>granted</c> (of audited containers alone); and the thread's name, a space, the path of its executable.</summary>
    public const int Verdict = 118, Program = 119;
    /// <summary>Of Create: who the container is to those that it calls, <c>NAMESPACE/POD/CONTAINER</c>; at most 240 bytes without spaces.</summary>
    public const int Subject = 122;
    /// <summary>Of Statistics, text <c>made failed entry</c>: connections to whom a grant leads; the entry <c>other</c> is the sum of grants that are not told apart.</summary>
    public const int Peer = 123;
    /// <summary>Of SetServices, a line <c>closed address ...</c>: pods that accept only whom they name, so that <c>connect any</c> does not reach them.</summary>
    public const int Closed = 120;
}

/// <summary>Refusals of the container protocol.</summary>
public static class ContainerErrorCode
{
    public const int None = 0, InvalidRequest = 1, VersionMismatch = 2, UnknownContainer = 3, AlreadyExists = 4, WrongState = 5, ImageMissing = 6, ProgramNotFound = 7,
        NotExecutable = 8, WrongArchitecture = 9, QuotaExhausted = 10, InvalidCapability = 11, PathEscapes = 12, HostFailure = 13;
    /// <summary>The container runs without the class of system calls that the entry brings (<see cref="CallClasses"/>): it takes effect when the container is started anew.</summary>
    public const int NeedsRestart = 14;
    /// <summary>The memory quota was used up before the program was executed.</summary>
    public const int MemoryExhausted = 15;
}

/// <summary>Calls of the network server's control gate (label 0), word 0; and the slot it signals denials through.</summary>
public static class NetworkControl
{
    /// <summary>word 1: label; payload: pod address, loopback address, then a line <c>slot entry</c> for each grant; replaces the session.</summary>
    public const int SetSession = 1;
    /// <summary>word 1: label.</summary>
    public const int RemoveSession = 2;
    /// <summary>word 1: 1 for the first part, word 2: 1 for the last; payload: lines as in <see cref="ContainerProtocol.Service"/>.</summary>
    public const int SetServices = 3;
    /// <summary>Reply payload: a line <c>label count verdict operation address port thread-name executable entry</c> for each kind of use since the last call.</summary>
    /// <remarks>Word 1 of the reply: 1 from a server that was not told <see cref="Known"/> yet, so that it has none of the sessions.</remarks>
    public const int TakeDenials = 4;
    /// <summary>It has all sessions and services now.</summary>
    public const int Known = 5;
    /// <summary>word 1: label. Reply payload: lines as in <see cref="ContainerProtocol.Peer"/>.</summary>
    public const int Peers = 6;
    public const int DenialSlot = 7;
}
