using Eyrie.Node.Contract.V1;
using Grpc.Core;

namespace Eyrie.Node;

/// <summary>One attach: what a running container writes from now on, until it ends. A container's own program has no input, so none is taken.</summary>
public static class AttachStream
{
    private const uint Output = 1;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

    public static async Task ServeAsync(StreamRequest request, PodWorker pod, IAsyncStreamReader<StreamFrame> incoming, FrameWriter frames, CancellationToken cancellationToken)
    {
        if (pod.Target(request.Container) is not { } target || pod.LogFile(request.Container, false) is not { } log)
        {
            await frames.FailAsync($"container {request.Container} of pod {pod.Name} is not running");
            return;
        }
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var sending = Task.CompletedTask;
        void Send(NodeMessage chunk) => sending = AfterAsync(sending, new StreamFrame { Channel = Output, Data = chunk.LogChunk.Data });
        async Task AfterAsync(Task before, StreamFrame frame)
        {
            await before;
            await frames.WriteAsync(frame);
        }
        var following = LogReader.ReadAsync(log, new LogRequest { Follow = true }, Send, over.Token);
        var gone = GoneAsync(incoming, cancellationToken);
        while (!gone.IsCompleted && !following.IsCompleted && pod.Target(request.Container)?.Id == target.Id) await Task.WhenAny(gone, following, Task.Delay(Look, cancellationToken));
        if (gone.IsCompleted) return;
        await Task.Delay(Look, cancellationToken); // the last lines of a container that has just ended
        await over.CancelAsync();
        await sending;
        await frames.WriteAsync(new StreamFrame { Result = new StreamResult() });
        await frames.CompleteAsync();
        await Task.WhenAny(gone, Task.Delay(Streams.Goodbye, cancellationToken));
    }

    private static async Task GoneAsync(IAsyncStreamReader<StreamFrame> incoming, CancellationToken cancellationToken)
    {
        try
        {
            while (await incoming.MoveNext(cancellationToken)) { } // input that nobody reads
        }
        catch (Exception exception) when (exception is RpcException or OperationCanceledException or IOException)
        {
            // Gone without a goodbye.
        }
    }
}
