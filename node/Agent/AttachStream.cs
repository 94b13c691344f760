using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Grpc.Core;

namespace Eyrie.Node;

/// <summary>
/// One attach: what a running container writes from now on, until it ends, and its input and terminal where its manifest gives it one (<c>stdin</c>, <c>tty</c>). With
/// <c>stdinOnce</c> the container's input ends with the first who was attached to it.
/// </summary>
public static class AttachStream
{
    private const uint Output = 1, Error = 2;
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(1);

    public static async Task ServeAsync(IContainerService containers, StreamRequest request, PodWorker pod, IAsyncStreamReader<StreamFrame> incoming, FrameWriter frames, CancellationToken cancellationToken)
    {
        if (pod.Target(request.Container) is not { } target)
        {
            await frames.FailAsync($"container {request.Container} of pod {pod.Name} is not running");
            return;
        }
        IAttachment attached;
        try
        {
            attached = await containers.AttachAsync(target.Id, cancellationToken);
        }
        catch (Exception exception) when (exception is ContainerServiceException or IOException)
        {
            await frames.FailAsync($"container {request.Container} of pod {pod.Name}: {exception.Message}");
            return;
        }
        await using var attachment = attached;
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bool terminal = ContainerSpecs.Flag(target.Spec, "tty"), once = request.Attach.Stdin && ContainerSpecs.Flag(target.Spec, "stdinOnce");
        async Task EndInputAsync()
        {
            if (!once || terminal) return;
            once = false;
            if (attachment.Input is { } input) await input.DisposeAsync();
            await CloseInputAsync(containers, target.Id);
        }
        var feeding = StreamInput.FeedAsync(incoming, attachment, request.Attach.Stdin, terminal && once, EndInputAsync, null, cancellationToken);
        var output = new OutputCopy(frames, over.Token);
        output.Begin(attachment.Output, Output);
        if (attachment.Error is { } error) output.Begin(error, Error);
        if (await Task.WhenAny(output.Ended, feeding) == feeding) await EndInputAsync(); // the client has gone
        else
        {
            await output.DrainAsync(Drain, feeding);
            await over.CancelAsync();
            await frames.WriteAsync(new StreamFrame { Result = new StreamResult() });
            await frames.CompleteAsync();
            await Task.WhenAny(feeding, Task.Delay(Streams.Goodbye, cancellationToken));
        }
    }

    private static async Task CloseInputAsync(IContainerService containers, string id)
    {
        try
        {
            await containers.CloseInputAsync(id, CancellationToken.None);
        }
        catch (Exception exception) when (exception is IOException or ContainerServiceException { Error: ContainerError.WrongState or ContainerError.UnknownContainer })
        {
            // Another has closed it, or the container has ended.
        }
    }
}
