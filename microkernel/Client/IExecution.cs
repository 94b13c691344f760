namespace Eyrie.Microkernel.Client;

/// <summary>A further program to run in a running container.</summary>
public sealed record ExecSpec
{
    /// <summary>Program and arguments; the first is looked up in PATH of the environment inside the container's root.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }
    /// <summary>NAME=value strings; empty: the container's own.</summary>
    public IReadOnlyList<string> Environment { get; init; } = [];
    public string WorkingDirectory { get; init; } = "/";
    /// <summary>null: the container's own identity.</summary>
    public uint? UserId { get; init; }
    /// <summary>null: the container's own; given together with <see cref="UserId"/>.</summary>
    public uint? GroupId { get; init; }
    /// <summary>Whether <see cref="IExecution.Input"/> is wanted; otherwise the program reads from nothing.</summary>
    public bool Stdin { get; init; }
    /// <summary>Whether it gets a terminal. Everything it writes is then in <see cref="IExecution.Output"/>.</summary>
    public bool Terminal { get; init; }
    /// <summary>Size of the terminal when the program begins; null: 0 by 0, until <see cref="IShown.Resize"/>.</summary>
    public WindowSize? WindowSize { get; init; }
}

/// <summary>Size of a terminal in characters.</summary>
public readonly record struct WindowSize(ushort Columns, ushort Rows);

/// <summary>The streams of a program in a container.</summary>
public interface IShown : IAsyncDisposable
{
    /// <summary>Its stdin; null: it has none, or it was not asked for. With a terminal, write Ctrl-D for end of file.</summary>
    Stream? Input { get; }
    /// <summary>What it writes to stdout, or to its terminal, until it and its children have ended.</summary>
    Stream Output { get; }
    /// <summary>Its stderr; null with a terminal.</summary>
    Stream? Error { get; }
    /// <summary>Tells the program that its terminal has this size now; nothing without a terminal.</summary>
    void Resize(int columns, int rows);
}

/// <summary>
/// A container's own program as seen from now on. Disposing lets go of it and changes nothing for it; disposing <see cref="IShown.Input"/> neither, since others may be attached:
/// <see cref="IContainerService.CloseInputAsync"/> is its end of file. A container whose output is not read waits.
/// </summary>
public interface IAttachment : IShown;

/// <summary>A program that was started in a container. Disposing kills what still runs.</summary>
public interface IExecution : IShown
{
    /// <summary>Exit code, 128 + signal when a signal ended it. Fails when the connection to the container service is lost.</summary>
    Task<int> Exit { get; }
    /// <exception cref="ContainerServiceException"><see cref="ContainerError.WrongState"/>: it has ended.</exception>
    Task SignalAsync(int signal, CancellationToken cancellationToken);
}
