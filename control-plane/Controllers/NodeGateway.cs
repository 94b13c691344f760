using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Hosting;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Requests to nodes over their sessions, and the answers back to who asked, by request id.</summary>
public sealed class NodeGateway(IRequiredActor<NodeSessionsActor> sessions) : INodeGateway
{
    /// <summary>How long a node, and the actor that holds its session, may take to answer.</summary>
    public TimeSpan Answer { get; init; } = TimeSpan.FromSeconds(10);
    private readonly ConcurrentDictionary<string, (string Node, Channel<NodeMessage> Answers)> _waiting = new();
    private readonly ConcurrentDictionary<string, TaskCompletionSource<INodeStream>> _opening = new();

    /// <summary>An answer came in. False: nobody waits for it.</summary>
    public bool Deliver(NodeMessage message)
    {
        var request = message.Capabilities.RequestId;
        return _waiting.TryGetValue(request, out var waiting) && waiting.Answers.Writer.TryWrite(message);
    }

    /// <summary>A session ended: what was asked of it will not be answered.</summary>
    public void Lost(string node)
    {
        foreach (var waiting in _waiting.Values.Where(waiting => waiting.Node == node)) waiting.Answers.Writer.TryComplete(new NodeUnreachableException($"node {node} lost its connection"));
    }

    public async IAsyncEnumerable<ReadOnlyMemory<byte>> LogsAsync(string nodeName, string podUid, LogOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new LogRequest
        {
            Follow = options.Follow, Previous = options.Previous, TailLines = options.TailLines ?? -1, Timestamps = options.Timestamps, SinceUnixMilliseconds = options.Since?.ToUnixTimeMilliseconds() ?? 0, LimitBytes = options.LimitBytes ?? 0,
        };
        await using var stream = await OpenStreamAsync(nodeName, new StreamRequest { PodUid = podUid, Container = options.Container ?? "", Logs = request }, cancellationToken);
        await foreach (var frame in stream.ReadAllAsync(cancellationToken))
        {
            if (frame.Result is { Error.Length: > 0 } result) throw new NodeUnreachableException(result.Error);
            if (frame.Data.Length > 0) yield return frame.Data.Memory;
        }
    }

    public async Task<IReadOnlyDictionary<string, IReadOnlyList<string>>> ReadCapabilitiesAsync(string nodeName, string podUid, CancellationToken cancellationToken)
    {
        var request = new CapabilitiesRequest { RequestId = Guid.NewGuid().ToString("N"), PodUid = podUid };
        var answers = Wait(request.RequestId, nodeName);
        try
        {
            await SendAsync(nodeName, new ControlMessage { CapabilitiesRequest = request });
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            deadline.CancelAfter(Answer);
            var report = (await answers.Reader.ReadAsync(deadline.Token)).Capabilities;
            if (report.Error.Length > 0) throw new NodeUnreachableException(report.Error);
            return report.Containers.ToDictionary(container => container.Container, container => (IReadOnlyList<string>)container.Entries);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new NodeUnreachableException($"node {nodeName} did not answer within {Answer.TotalSeconds} s");
        }
        finally
        {
            _waiting.TryRemove(request.RequestId, out _);
        }
    }

    public async Task<INodeStream> OpenStreamAsync(string nodeName, StreamRequest request, CancellationToken cancellationToken)
    {
        request.Id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var opened = new TaskCompletionSource<INodeStream>(TaskCreationOptions.RunContinuationsAsynchronously);
        _opening[request.Id] = opened;
        bool taken = false;
        try
        {
            await SendAsync(nodeName, new ControlMessage { StreamRequest = request });
            var stream = await opened.Task.WaitAsync(Answer, cancellationToken);
            taken = true;
            return stream;
        }
        catch (TimeoutException)
        {
            throw new NodeUnreachableException($"node {nodeName} did not open the stream within {Answer.TotalSeconds} s");
        }
        finally
        {
            // A node that comes now is too late; the stream of one that came just then ends.
            _opening.TryRemove(request.Id, out _);
            if (!opened.TrySetCanceled(CancellationToken.None) && !taken) await (await opened.Task).DisposeAsync();
        }
    }

    /// <summary>A node opened the call for a stream. False: nobody waits for it.</summary>
    public bool Opened(string id, INodeStream stream) => _opening.TryRemove(id, out var opened) && opened.TrySetResult(stream);

    private Channel<NodeMessage> Wait(string request, string node)
    {
        var answers = Channel.CreateUnbounded<NodeMessage>();
        _waiting[request] = (node, answers);
        return answers;
    }

    private async Task SendAsync(string node, ControlMessage message)
    {
        var actor = await sessions.GetAsync(CancellationToken.None);
        try
        {
            await actor.Ask<Sent>(new SendToNode(node, message), Answer);
        }
        catch (AskTimeoutException)
        {
            throw new NodeUnreachableException($"the request for node {node} did not reach its session within {Answer.TotalSeconds} s: the control plane is busy or just starting; try again");
        }
    }
}
