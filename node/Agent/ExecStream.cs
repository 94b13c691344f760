using System.Globalization;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Grpc.Core;

namespace Eyrie.Node;

/// <summary>One exec: a further program in a running container, with the same set, and its input, output and exit code as frames.</summary>
public static class ExecStream
{
    private const uint Output = 1, Error = 2;
    private const byte EndOfTransmission = 4;

    /// <summary>How long output is still taken after the program has ended: a child it left behind may hold it open for ever.</summary>
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(1);

    public static async Task ServeAsync(IContainerService containers, StreamRequest request, PodWorker pod, IAsyncStreamReader<StreamFrame> incoming, FrameWriter frames, CancellationToken cancellationToken)
    {
        if (pod.Target(request.Container) is not { } target)
        {
            await frames.FailAsync(string.Create(CultureInfo.InvariantCulture, $"container {request.Container} of pod {pod.Name} is not running"));
            return;
        }
        var exec = request.Exec;
        var spec = new ExecSpec { Arguments = [.. exec.Command], Stdin = exec.Stdin, Terminal = exec.Tty, WorkingDirectory = target.WorkingDirectory };
        IExecution started;
        try
        {
            started = await containers.ExecAsync(target.Id, spec, cancellationToken);
        }
        catch (Exception exception) when (exception is ContainerServiceException or IOException)
        {
            await frames.WriteAsync(new StreamFrame { Result = new StreamResult { ExitCode = ExitCodes.Of((exception as ContainerServiceException)?.Error), Error = exception.Message } });
            return;
        }
        await using var execution = started;
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var feeding = FeedAsync(incoming, execution, exec.Tty, over.Token);
        var output = Task.WhenAll(frames.CopyAsync(execution.Output, Output, over.Token), execution.Error is { } error ? frames.CopyAsync(error, Error, over.Token) : Task.CompletedTask);
        // The asker's going shows as the end of what it sends with a fault: then the program is killed, by disposing it.
        if (await Task.WhenAny(execution.Exit, feeding) == feeding && !await feeding)
        {
            await over.CancelAsync();
            return;
        }
        int code = await execution.Exit;
        await Task.WhenAny(output, Task.Delay(Drain, cancellationToken));
        await frames.WriteAsync(new StreamFrame { Result = new StreamResult { ExitCode = code } });
        await over.CancelAsync();
    }

    /// <summary>Input and sizes of the terminal, until the asker ends its side.</summary>
    /// <returns>False: the asker has gone.</returns>
    private static async Task<bool> FeedAsync(IAsyncStreamReader<StreamFrame> incoming, IExecution execution, bool terminal, CancellationToken cancellationToken)
    {
        try
        {
            bool open = true;
            while (await incoming.MoveNext(cancellationToken))
            {
                var frame = incoming.Current;
                if (frame.Size is { } size) execution.Resize((int)size.Columns, (int)size.Rows);
                if (execution.Input is not { } input || !open) continue;
                open = await WriteAsync(input, frame, terminal, cancellationToken);
            }
            return false;
        }
        catch (Exception exception) when (exception is RpcException or OperationCanceledException or IOException)
        {
            return false;
        }
    }

    /// <returns>Whether more can be written: the program may have closed its input before it was all sent.</returns>
    private static async Task<bool> WriteAsync(Stream input, StreamFrame frame, bool terminal, CancellationToken cancellationToken)
    {
        try
        {
            if (!frame.Data.IsEmpty) await input.WriteAsync(frame.Data.Memory, cancellationToken);
            if (!frame.End) return true;
            if (terminal) await input.WriteAsync(new[] { EndOfTransmission }, cancellationToken);
            else await input.DisposeAsync();
            return terminal;
        }
        catch (Exception exception) when (exception is IOException or ObjectDisposedException)
        {
            return false;
        }
    }
}

/// <summary>Exit codes that shells give a program that could not be started.</summary>
public static class ExitCodes
{
    /// <summary>127: not found; 126: not executable; 1: anything else.</summary>
    public static int Of(ContainerError? error) => error switch { ContainerError.ProgramNotFound => 127, ContainerError.NotExecutable => 126, _ => 1 };
}
