using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What the API server asks of a node through the node's session.</summary>
public interface INodeGateway
{
    /// <summary>Streams log bytes of a container. Ends when the log ends (or never, with follow).</summary>
    /// <exception cref="NodeUnreachableException">The node has no session.</exception>
    IAsyncEnumerable<ReadOnlyMemory<byte>> LogsAsync(string nodeName, string podUid, LogOptions options, CancellationToken cancellationToken);

    /// <summary>The capability sets of a pod's containers, read back from the node's kernel: container name to entry lines.</summary>
    /// <exception cref="NodeUnreachableException">The node has no session.</exception>
    Task<IReadOnlyDictionary<string, IReadOnlyList<string>>> ReadCapabilitiesAsync(string nodeName, string podUid, CancellationToken cancellationToken);

    /// <summary>Begins an exec, attach or port-forward.</summary>
    /// <param name="nodeName">Where the pod runs.</param>
    /// <param name="request">What to do; its id is given here.</param>
    /// <param name="cancellationToken">Ends the attempt, not the stream.</param>
    /// <exception cref="NodeUnreachableException">The node has no session, or did not answer.</exception>
    Task<INodeStream> OpenStreamAsync(string nodeName, StreamRequest request, CancellationToken cancellationToken);
}

/// <param name="Container">Container name; null: the only one.</param>
/// <param name="TailLines">null: all.</param>
/// <param name="LimitBytes">null: no limit.</param>
public sealed record LogOptions(string? Container, bool Follow, bool Previous, long? TailLines, bool Timestamps, DateTimeOffset? Since, long? LimitBytes);

/// <summary>The node has no session, or lost it while it answered; or it answered with an error.</summary>
public sealed class NodeUnreachableException(string message) : Exception(message);
