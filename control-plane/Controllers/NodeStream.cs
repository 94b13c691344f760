using System.Runtime.CompilerServices;
using Eyrie.Node.Contract.V1;
using Grpc.Core;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>One exec, attach or port-forward on its way to a node. Disposing it ends it; the process of an exec is then killed.</summary>
public interface INodeStream : IAsyncDisposable
{
    /// <summary>Sends a frame; from several callers at once, one after the other.</summary>
    /// <exception cref="NodeUnreachableException">The node has gone, or has ended the stream.</exception>
    Task WriteAsync(StreamFrame frame, CancellationToken cancellationToken);

    /// <summary>What the node sends, to its last frame.</summary>
    /// <exception cref="NodeUnreachableException">The node has gone.</exception>
    IAsyncEnumerable<StreamFrame> ReadAllAsync(CancellationToken cancellationToken);
}

/// <summary>The control plane's end of the call that a node opened for a stream.</summary>
internal sealed class NodeStream(IAsyncStreamReader<StreamFrame> fromNode, IServerStreamWriter<StreamFrame> toNode) : INodeStream
{
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when nobody wants the stream any more: the call may end.</summary>
    public Task Over => _over.Task;

    public async Task WriteAsync(StreamFrame frame, CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            if (_over.Task.IsCompleted) throw new NodeUnreachableException("the stream has ended");
            await toNode.WriteAsync(frame, cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or RpcException or InvalidOperationException)
        {
            throw new NodeUnreachableException("the node ended the stream: " + exception.Message);
        }
        finally
        {
            _writing.Release();
        }
    }

    public async IAsyncEnumerable<StreamFrame> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (await NextAsync(cancellationToken)) yield return fromNode.Current;
    }

    private async Task<bool> NextAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await fromNode.MoveNext(cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or RpcException)
        {
            throw new NodeUnreachableException("the node lost the stream: " + exception.Message);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // After this no write is under way and none will begin: the call's writer may not be used once the call has ended.
        await _writing.WaitAsync();
        _over.TrySetResult();
        _writing.Release();
    }
}
