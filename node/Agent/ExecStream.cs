using System.Globalization;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Grpc.Core;

namespace Eyrie.Node;

/// <summary>One exec: a further program in a running container, with the same set, and its input, output and exit code as frames.</summary>
public static class ExecStream
{
    private const uint Output = 1, Error = 2;

    /// <summary>How long output is waited for after the program has ended: a child it left behind may hold it open for ever. A slow reader is waited for without end.</summary>
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(1);

    public static async Task ServeAsync(IContainerService containers, StreamRequest request, PodWorker pod, IAsyncStreamReader<StreamFrame> incoming, FrameWriter frames, CancellationToken cancellationToken)
    {
        if (pod.Target(request.Container) is not { } target)
        {
            await frames.FailAsync(string.Create(CultureInfo.InvariantCulture, $"container {request.Container} of pod {pod.Name} is not running"));
            return;
        }
        var exec = request.Exec;
        var (size, reading) = exec.Tty ? await StreamInput.FirstSizeAsync(incoming, cancellationToken) : (null, null);
        var spec = new ExecSpec { Arguments = [.. exec.Command], Stdin = exec.Stdin, Terminal = exec.Tty, WindowSize = size, WorkingDirectory = target.WorkingDirectory };
        IExecution started;
        try
        {
            started = await containers.ExecAsync(target.Id, spec, cancellationToken);
        }
        catch (Exception exception) when (exception is ContainerServiceException or IOException)
        {
            await frames.WriteAsync(new StreamFrame { Result = ExecFailures.Of(exec.Command[0], exception) });
            return;
        }
        await using var execution = started;
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var feeding = StreamInput.FeedAsync(incoming, execution, exec.Stdin, exec.Tty, () => exec.Tty ? Task.CompletedTask : execution.Input!.DisposeAsync().AsTask(), reading, cancellationToken);
        var output = new OutputCopy(frames, over.Token);
        output.Begin(execution.Output, Output);
        if (execution.Error is { } error) output.Begin(error, Error);
        if (await Task.WhenAny(execution.Exit, feeding) == feeding) return; // the asker has gone: disposing the execution kills what still runs
        int code = await execution.Exit;
        await output.DrainAsync(Drain, feeding);
        await over.CancelAsync();
        await frames.WriteAsync(new StreamFrame { Result = new StreamResult { ExitCode = code } });
        await frames.CompleteAsync();
        await Task.WhenAny(feeding, Task.Delay(Streams.Goodbye, cancellationToken));
    }
}

/// <summary>Why a program was not started, with the exit code that a shell gives. Pure.</summary>
public static class ExecFailures
{
    private const int Other = 1, CannotExecute = 126, NotFound = 127;

    public static StreamResult Of(string program, Exception exception) => (exception as ContainerServiceException)?.Error switch
    {
        ContainerError.ProgramNotFound => new StreamResult { ExitCode = NotFound, Error = $"exec: \"{program}\": no such program in the container's image and PATH" },
        ContainerError.NotExecutable => new StreamResult { ExitCode = CannotExecute, Error = $"exec: \"{program}\": permission denied: the file is not executable" },
        ContainerError.WrongState or ContainerError.UnknownContainer => new StreamResult { Error = "the container is not running" },
        _ => new StreamResult { ExitCode = Other, Error = $"exec: \"{program}\": {exception.Message}" },
    };
}
