using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Google.Protobuf;
using Eyrie.Node.Logs;
using Grpc.Core;
using Grpc.Net.Client;

namespace Eyrie.Node;

/// <summary>exec, attach, port-forward and logs: one call to the control plane each, opened when it asks.</summary>
public sealed class Streams(NodeOptions options, KernelProcess kernel, HttpClient client)
{
    /// <summary>How long the control plane may take to read the last frames of a stream.</summary>
    public static readonly TimeSpan Goodbye = TimeSpan.FromSeconds(60);

    private readonly GrpcChannel _channel = GrpcChannel.ForAddress(options.Server, new GrpcChannelOptions { HttpClient = client });

    /// <summary>Serves one stream to its end. Whatever fails is told as its result.</summary>
    public async Task RunAsync(StreamRequest request, PodWorker? pod)
    {
        using var ends = new CancellationTokenSource();
        using var call = new NodeSessions.NodeSessionsClient(_channel).Stream(new Metadata { { "stream-id", request.Id } }, cancellationToken: ends.Token);
        await using var frames = new FrameWriter(call.RequestStream);
        try
        {
            await ServeAsync(request, pod, call.ResponseStream, frames, ends.Token);
            await frames.CompleteAsync();
            // The control plane ends the call when it has read everything; to go before would take the last frames away.
            ends.CancelAfter(Goodbye);
            while (await call.ResponseStream.MoveNext(ends.Token)) { }
        }
        catch (Exception exception) when (exception is RpcException or OperationCanceledException or IOException or InvalidOperationException)
        {
            // Whoever asked has gone. What was started has ended with ServeAsync.
        }
        catch (Exception exception)
        {
            Console.Error.WriteLine($"eyrie-node: a stream to pod {pod?.Name} failed: {exception}");
            throw;
        }
        await ends.CancelAsync();
    }

    private async Task ServeAsync(StreamRequest request, PodWorker? pod, IAsyncStreamReader<StreamFrame> incoming, FrameWriter frames, CancellationToken cancellationToken)
    {
        if (pod is null)
        {
            await frames.FailAsync($"the pod does not run on node {options.Name}");
            return;
        }
        switch (request.WhatCase)
        {
            case StreamRequest.WhatOneofCase.Exec: await ExecStream.ServeAsync(kernel.Service, request, pod, incoming, frames, cancellationToken); break;
            case StreamRequest.WhatOneofCase.PortForward: await new PortForwardStream(pod, frames).ServeAsync(incoming, cancellationToken); break;
            case StreamRequest.WhatOneofCase.Logs: await LogStream.ServeAsync(request, pod, incoming, frames, cancellationToken); break;
            case StreamRequest.WhatOneofCase.Attach: await AttachStream.ServeAsync(kernel.Service, request, pod, incoming, frames, cancellationToken); break;
            default: await frames.FailAsync($"node {options.Name} knows no such kind of stream; is it older than the control plane?"); break;
        }
    }
}

/// <summary>Frames to the control plane, from several writers one after the other.</summary>
public sealed class FrameWriter(IClientStreamWriter<StreamFrame> stream) : IAsyncDisposable
{
    public const int LargestData = 64 << 10;
    private readonly SemaphoreSlim _writing = new(1, 1);
    private bool _over;

    public async Task WriteAsync(StreamFrame frame)
    {
        await _writing.WaitAsync();
        try
        {
            if (!_over) await stream.WriteAsync(frame);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Nothing more comes from here.</summary>
    public async Task CompleteAsync()
    {
        await _writing.WaitAsync();
        try
        {
            if (!_over) await stream.CompleteAsync();
            _over = true;
        }
        finally
        {
            _writing.Release();
        }
    }

    public Task FailAsync(string error) => WriteAsync(new StreamFrame { Result = new StreamResult { Error = error } });

    /// <summary>Everything that can be read, to its end, as frames of a channel.</summary>
    public async Task CopyAsync(Stream from, uint channel, CancellationToken cancellationToken)
    {
        var buffer = new byte[LargestData];
        int read;
        while ((read = await from.ReadAsync(buffer, cancellationToken)) > 0) await WriteAsync(new StreamFrame { Channel = channel, Data = ByteString.CopyFrom(buffer, 0, read) });
        await WriteAsync(new StreamFrame { Channel = channel, End = true });
    }

    public async ValueTask DisposeAsync()
    {
        await _writing.WaitAsync();
        _over = true;
        _writing.Release();
    }
}
