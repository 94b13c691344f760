using Eyrie.Microkernel.Abi;

namespace Eyrie.Microkernel.Client;

/// <summary>The sets that containers hold in the kernel.</summary>
public interface ICapabilitySets
{
    /// <summary>The capability set of a container, read back from the kernel: entry lines, ordinally sorted.</summary>
    Task<IReadOnlyList<string>> ReadCapabilitiesAsync(string containerId, CancellationToken cancellationToken);

    /// <summary>Adds and revokes entries of a running container. Revoking closes the connections that the entry allowed.</summary>
    Task ChangeCapabilitiesAsync(string containerId, IReadOnlyList<string> add, IReadOnlyList<string> revoke, CancellationToken cancellationToken);
}

/// <summary>
/// MettEagle, the container service of one node's microkernel. Every call is one request of the container protocol;
/// a refusal is a <see cref="ContainerServiceException"/> with a specific <see cref="ContainerError"/> and nothing half made.
/// </summary>
public interface IContainerService : ICapabilitySets, IAsyncDisposable
{
    /// <summary>Makes a container: its factory, task, capability set and network session. Nothing runs yet.</summary>
    Task CreateAsync(ContainerSpec spec, CancellationToken cancellationToken);

    /// <summary>Starts the container's program. Returns when the program's first instruction is due (exec succeeded).</summary>
    /// <param name="containerId">The container.</param>
    /// <param name="cancellationToken">Ends the waiting, not what was begun.</param>
    /// <param name="arguments">Of a container that was prepared: what is executed in place of what it was created with; null: that.</param>
    /// <param name="environment">The same for its environment.</param>
    Task StartAsync(string containerId, CancellationToken cancellationToken, IReadOnlyList<string>? arguments = null, IReadOnlyList<string>? environment = null);

    /// <summary>Sends a Linux signal number (SIGTERM 15, SIGKILL 9) to the container's first process.</summary>
    Task SignalAsync(string containerId, int signal, CancellationToken cancellationToken);

    /// <summary>Has every process of a running container stand still; meanwhile none can be added to it (<see cref="ContainerError.WrongState"/>). Killing it and deleting it work as ever.</summary>
    /// <exception cref="ContainerServiceException"><see cref="ContainerError.WrongState"/>: it does not run, or stands still already. <see cref="ContainerError.HostFailure"/>: the host has no control groups for it.</exception>
    Task PauseAsync(string containerId, CancellationToken cancellationToken);

    /// <summary>Has a container that stands still go on.</summary>
    /// <exception cref="ContainerServiceException"><see cref="ContainerError.WrongState"/>: it does not stand still.</exception>
    Task ResumeAsync(string containerId, CancellationToken cancellationToken);

    /// <summary>Kills what is left of a container, revokes everything it held and gives its quota back. Idempotent.</summary>
    Task DeleteAsync(string containerId, CancellationToken cancellationToken);

    /// <summary>Every container this service knows, with its state; also how a restarted node agent finds them again.</summary>
    Task<IReadOnlyList<ContainerStatus>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Runs a further program in a running container: same world, same capability set, no more. It ends with the container, and with this connection.</summary>
    Task<IExecution> ExecAsync(string containerId, ExecSpec spec, CancellationToken cancellationToken);

    /// <summary>Shows what a running container writes from now on, and gives its stdin where <see cref="ContainerSpec.OpenInput"/> keeps one open.</summary>
    Task<IAttachment> AttachAsync(string containerId, CancellationToken cancellationToken);

    /// <summary>End of file on a container's stdin, once everybody who is attached has closed theirs.</summary>
    /// <exception cref="ContainerServiceException"><see cref="ContainerError.WrongState"/>: it is closed already, or the container has a terminal.</exception>
    Task CloseInputAsync(string containerId, CancellationToken cancellationToken);

    /// <summary>Goes on writing a container's log in the file of its name: a new one, when the old one was given another name. Until the answer the old one is written.</summary>
    Task ReopenLogAsync(string containerId, CancellationToken cancellationToken);

    /// <summary>Replaces the table of services and their ready endpoints that the network server resolves with.</summary>
    /// <param name="services">Service ports.</param>
    /// <param name="cancellationToken">Ends the waiting, not what was begun.</param>
    /// <param name="closed">Addresses of pods that accept only whom they name: the entry <c>connect any</c> does not reach them. At most about 2,000.</param>
    /// <param name="hosts">Addresses that names outside have at the time, each <c>host NAME ADDRESS ...</c>: what <c>connect tcp host NAME PORTS</c> leads to.</param>
    Task SetServicesAsync(IReadOnlyList<ServiceEntry> services, CancellationToken cancellationToken, IReadOnlyList<string>? closed = null, IReadOnlyList<string>? hosts = null);

    /// <summary>CPU time, memory and process count of one container.</summary>
    Task<ContainerStatistics> StatisticsAsync(string containerId, CancellationToken cancellationToken);

    /// <summary>
    /// Exits and denials as they happen, pushed by the service; ends with an exception when the connection is lost.
    /// An exit that happened while nobody listened is seen in <see cref="ListAsync"/>.
    /// </summary>
    IAsyncEnumerable<ContainerEvent> EventsAsync(CancellationToken cancellationToken);
}

/// <summary>What a container is made from. Paths are relative to the node root that the kernel was started with.</summary>
public sealed record ContainerSpec
{
    /// <summary>Unique on the node, at most 63 characters of [a-z0-9-].</summary>
    public required string Id { get; init; }
    /// <summary>Image layers, lowest first, each an unpacked directory, e.g. <c>images/layers/sha256-abc</c>.</summary>
    public required IReadOnlyList<string> Layers { get; init; }
    /// <summary>Directory of the container's own writable layer (made by the service), or null: the root is read-only.</summary>
    public string? Writable { get; init; }
    /// <summary>Directories and files to mount into the root, in order.</summary>
    public IReadOnlyList<MountSpec> Mounts { get; init; } = [];
    /// <summary>Program and arguments; the first is looked up in PATH of <see cref="Environment"/> inside the root.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }
    /// <summary>NAME=value strings.</summary>
    public IReadOnlyList<string> Environment { get; init; } = [];
    public string WorkingDirectory { get; init; } = "/";
    public string Hostname { get; init; } = "";
    public uint UserId { get; init; }
    public uint GroupId { get; init; }
    public IReadOnlyList<uint> Groups { get; init; } = [];
    /// <summary>Whether the program gets a terminal: then all it writes comes from there, and there is no stderr.</summary>
    public bool Terminal { get; init; }
    /// <summary>Size of the terminal when the program begins.</summary>
    public WindowSize? WindowSize { get; init; }
    /// <summary>Whether its stdin stays open for <see cref="IContainerService.AttachAsync"/>; otherwise it reads from nothing. A terminal is always open.</summary>
    public bool OpenInput { get; init; }
    /// <summary>
    /// Finishes the sandbox when the container is created: root, mounts, limits, identity, filter. A process waits in it, and the start only executes (<see cref="SandboxPool"/>).
    /// </summary>
    public bool Prepared { get; init; }
    /// <summary>File that stdout and stderr are appended to in CRI log format (made by the service).</summary>
    public required string LogPath { get; init; }
    /// <summary>The pod's IPv4 address, e.g. 127.64.16.5.</summary>
    public required string PodAddress { get; init; }
    /// <summary>The pod's private localhost, e.g. 127.80.16.5.</summary>
    public required string PodLoopback { get; init; }
    /// <summary>Who it is to those whose gates it calls, <c>NAMESPACE/POD/CONTAINER</c>, at most 240 letters without spaces; empty: nobody.</summary>
    public string Subject { get; init; } = "";
    /// <summary>The capability set: entry lines (ARCHITECTURE.md, "Capability entries").</summary>
    public required IReadOnlyList<string> Capabilities { get; init; }
}

/// <summary>One mount. An empty <see cref="Source"/> is a tmpfs of <see cref="SizeBytes"/> (0: half of the memory quota).</summary>
public sealed record MountSpec(string Source, string Target, bool ReadOnly, long SizeBytes = 0);

public enum ContainerState { Created, Running, Exited }

/// <summary>State of one container. <see cref="ExitCode"/> is 128 + signal when killed by a signal.</summary>
public sealed record ContainerStatus(string Id, ContainerState State, int ExitCode, bool OutOfMemory, DateTimeOffset? StartedAt, DateTimeOffset? FinishedAt, int ProcessId);

/// <summary>Bytes and processes taken from the node's root factory; objects and capabilities that the kernel can still make.</summary>
public sealed record KernelStatistics(long BytesUsed, long ProcessesPromised, int ObjectsLeft, int CapabilitiesLeft)
{
    /// <summary>Limits that control groups of the host enforce.</summary>
    public LimitKinds EnforcedLimits { get; init; } = LimitKinds.All;
}

public sealed record ContainerStatistics(TimeSpan Cpu, long MemoryBytes, int Processes)
{
    /// <summary>Of the memory, files in the page cache that the host may take back at once.</summary>
    public long IdleFileBytes { get; init; }
    /// <summary>Bytes that it has read from and written to block devices. On a host without control groups of the second version what a program of an exec did counts as long as that runs.</summary>
    public long DiskReadBytes { get; init; }
    public long DiskWrittenBytes { get; init; }
    /// <summary>Whom it has connected to, by the grants it holds and has used; at most 64, and the sum of the others with the entry <c>other</c>.</summary>
    public IReadOnlyList<PeerCounts> Peers { get; init; } = [];
    /// <summary>What it works with, as cAdvisor has it.</summary>
    public long WorkingSetBytes => Math.Max(0, MemoryBytes - IdleFileBytes);
}

/// <summary>Connections to whom one grant leads, and datagrams with an address: from the container's beginning, or that of the network server if that is later.</summary>
/// <param name="Entry">The grant.</param>
/// <param name="Failed">Nobody was there, or refused.</param>
public sealed record PeerCounts(string Entry, long Made, long Failed);

/// <summary>A service port as the network server sees it. Endpoints are the ready ones, address and target port.</summary>
public sealed record ServiceEntry(string Namespace, string Name, string ClusterAddress, int Port, string PortName, IReadOnlyList<ServiceEndpoint> Endpoints)
{
    /// <summary>TCP otherwise.</summary>
    public bool Udp { get; init; }
    /// <summary>How long a pod's connections stay with the endpoint that the last one had; zero: they are spread.</summary>
    public TimeSpan Affinity { get; init; }
}

public sealed record ServiceEndpoint(string Address, int Port);

public abstract record ContainerEvent(string ContainerId);

public sealed record ContainerExited(string ContainerId, int ExitCode, bool OutOfMemory) : ContainerEvent(ContainerId);

/// <summary>What became of a use: refused; let through by an audit alone; allowed by a grant (told of audited containers alone); allowed, and nobody of this node serves the gate.</summary>
public enum UseVerdict { Denied, Audited, Granted, Unserved }

/// <summary>
/// Something was tried without a grant, or a container that is audited used something. <see cref="MissingEntry"/> is the entry line that would allow it; <see cref="Count"/> is how often
/// since the last event for the same container and entry.
/// </summary>
public sealed record CapabilityDenied(string ContainerId, string Operation, string Target, string MissingEntry, int Count) : ContainerEvent(ContainerId)
{
    public UseVerdict Verdict { get; init; }
    /// <summary>Name of the thread that tried, a space, path of its executable, as the host's kernel has them: at most 128 printable ASCII letters, chosen by the container; empty: unknown.</summary>
    public string Program { get; init; } = "";
}

public enum ContainerError
{
    InvalidRequest = 1, VersionMismatch, UnknownContainer, AlreadyExists, WrongState, ImageMissing, ProgramNotFound, NotExecutable,
    WrongArchitecture, QuotaExhausted, InvalidCapability, PathEscapes, HostFailure, NeedsRestart, MemoryExhausted,
}

public sealed class ContainerServiceException(ContainerError error, string message) : Exception(message)
{
    public ContainerError Error { get; } = error;
}
