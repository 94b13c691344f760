using System.Runtime.InteropServices;

namespace Eyrie.Node;

/// <summary>How an agent is told to end.</summary>
public enum EndOfAgent
{
    /// <summary>SIGTERM, as at a shutdown of the host: pods have their grace.</summary>
    Graceful,
    /// <summary>SIGUSR1, SIGINT: pods are killed.</summary>
    AtOnce,
    /// <summary>SIGHUP: pods go on; another agent takes them over.</summary>
    Replaced,
}

public static class EndSignals
{
    /// <summary>SIGUSR1 (signal(7)). Not SIGINT alone: a shell that runs something in the background has it ignored.</summary>
    public const int AtOnce = 10;

    /// <summary>Tells each signal that comes, until disposed.</summary>
    public static IEnumerable<IDisposable> Handle(Action<EndOfAgent> told) =>
        [Handler(PosixSignal.SIGTERM, EndOfAgent.Graceful, told), Handler(PosixSignal.SIGINT, EndOfAgent.AtOnce, told), Handler((PosixSignal)AtOnce, EndOfAgent.AtOnce, told), Handler(PosixSignal.SIGHUP, EndOfAgent.Replaced, told)];

    private static PosixSignalRegistration Handler(PosixSignal signal, EndOfAgent end, Action<EndOfAgent> told) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        told(end);
    });
}
