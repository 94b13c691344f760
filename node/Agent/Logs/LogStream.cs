using Eyrie.Node.Contract.V1;
using Google.Protobuf;
using Grpc.Core;

namespace Eyrie.Node.Logs;

/// <summary>One request for a log. Who asks and takes nothing holds up nobody but itself.</summary>
public static class LogStream
{
    private const uint Output = 1;

    public static async Task ServeAsync(StreamRequest request, PodWorker pod, IAsyncStreamReader<StreamFrame> incoming, FrameWriter frames, CancellationToken cancellationToken)
    {
        if (pod.Log(request.Container, request.Logs.Previous) is not { } log)
        {
            await frames.FailAsync($"container {request.Container} has no {(request.Logs.Previous ? "previous " : "")}log yet");
            return;
        }
        var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var gone = GoneAsync(incoming, over);
        var reader = new LogReader(log.Path, request.Logs, log.Running, piece => frames.WriteAsync(new StreamFrame { Channel = Output, Data = ByteString.CopyFrom(piece.Span) }));
        try
        {
            await reader.ReadAsync(over.Token);
            await frames.WriteAsync(new StreamFrame { Result = new StreamResult() });
        }
        catch (FileNotFoundException exception)
        {
            await frames.FailAsync(exception.Message);
        }
        await frames.CompleteAsync();
        await Task.WhenAny(gone, Task.Delay(Streams.Goodbye, cancellationToken));
    }

    private static async Task GoneAsync(IAsyncStreamReader<StreamFrame> incoming, CancellationTokenSource over)
    {
        try
        {
            while (await incoming.MoveNext(over.Token)) { }
        }
        catch (Exception exception) when (exception is RpcException or OperationCanceledException or IOException)
        {
            // Gone without a goodbye.
        }
        await over.CancelAsync();
    }
}
