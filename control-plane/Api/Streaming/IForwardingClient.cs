namespace Eyrie.ControlPlane.Api.Streaming;

/// <summary>The client's side of a port-forward, whatever carries it.</summary>
public interface IForwardingClient : IAsyncDisposable
{
    /// <summary>Connections as the client makes them; ends when it has gone.</summary>
    IAsyncEnumerable<IForwardedConnection> AcceptAsync(CancellationToken cancellationToken);
}

/// <summary>One connection to a port of the pod.</summary>
public interface IForwardedConnection
{
    int Port { get; }

    /// <summary>What the client sends, to its end.</summary>
    IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAllAsync(CancellationToken cancellationToken);

    Task WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>The pod sends nothing more.</summary>
    /// <param name="error">Why the connection failed; empty: it did not.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    Task EndAsync(string error, CancellationToken cancellationToken);
}
