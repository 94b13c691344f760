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
}

/// <summary>A program that was started in a container. Disposing kills what still runs.</summary>
public interface IExecution : IAsyncDisposable
{
    /// <summary>Its stdin; disposing it is end of file (with a terminal: write Ctrl-D instead). null: not asked for.</summary>
    Stream? Input { get; }
    /// <summary>Its stdout, to the end of what it and its children write.</summary>
    Stream Output { get; }
    /// <summary>Its stderr; null with a terminal.</summary>
    Stream? Error { get; }
    /// <summary>Exit code, 128 + signal when a signal ended it. Fails when the connection to the container service is lost.</summary>
    Task<int> Exit { get; }
    /// <summary>Tells the program that its terminal has this size now; nothing without a terminal.</summary>
    void Resize(int columns, int rows);
    /// <exception cref="ContainerServiceException"><see cref="ContainerError.WrongState"/>: it has ended.</exception>
    Task SignalAsync(int signal, CancellationToken cancellationToken);
}
