using System.Threading.Channels;
using Eyrie.Node.Contract.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace Eyrie.Node;

/// <summary>The node's stream to the control plane, opened again with back-off whenever it ends. What is to be told while there is none is not kept: a new session begins with everything.</summary>
/// <param name="options">Where the control plane is.</param>
/// <param name="client">How it is reached.</param>
/// <param name="hello">What a session begins with.</param>
/// <param name="begin">A session begins: makes who takes its messages.</param>
public sealed class NodeSession(NodeOptions options, HttpClient client, Func<NodeHello> hello, Func<Action<ControlMessage>> begin)
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(5), Silence = TimeSpan.FromSeconds(15), Goodbye = TimeSpan.FromSeconds(3), FirstBackOff = TimeSpan.FromMilliseconds(200), LongestBackOff = TimeSpan.FromSeconds(10);

    private volatile ChannelWriter<NodeMessage>? _outbound;
    private volatile TaskCompletionSource? _over;

    /// <summary>Tells the control plane, if there is a session.</summary>
    public void Report(NodeMessage message) => _outbound?.TryWrite(message);

    /// <summary>Nothing more is to be told: what was told has been taken when this completes, or there is no session, or the control plane does not answer.</summary>
    public async Task EndAsync()
    {
        if (_over is not { } over || _outbound is not { } outbound) return;
        outbound.TryComplete();
        await Task.WhenAny(over.Task, Task.Delay(Goodbye));
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var wait = FirstBackOff;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await OneAsync(cancellationToken);
                wait = FirstBackOff;
            }
            catch (Exception exception) when (exception is RpcException or IOException or HttpRequestException or OperationCanceledException)
            {
                if (cancellationToken.IsCancellationRequested) return;
                Console.Error.WriteLine($"eyrie-node: the session ended ({exception.Message}); again in {wait.TotalSeconds:0.0} s");
                await Task.Delay(wait, cancellationToken).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
                wait = wait * 2 > LongestBackOff ? LongestBackOff : wait * 2;
            }
        }
    }

    private async Task OneAsync(CancellationToken cancellationToken)
    {
        using var channel = GrpcChannel.ForAddress(options.Server, new GrpcChannelOptions { HttpClient = client });
        using var silent = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var call = new NodeSessions.NodeSessionsClient(channel).Connect(cancellationToken: silent.Token);
        var outbound = Channel.CreateUnbounded<NodeMessage>(new UnboundedChannelOptions { SingleReader = true });
        _outbound = outbound.Writer; // from now on: what changes after the hello was composed is told after it
        var first = new NodeMessage { Hello = hello() };
        var writing = WriteAsync(first, outbound.Reader, call.RequestStream, silent);
        using var beat = new Timer(_ => outbound.Writer.TryWrite(new NodeMessage { Heartbeat = new Heartbeat { UnixMilliseconds = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() } }), null, Beat, Beat);
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _over = over;
        var take = begin();
        try
        {
            silent.CancelAfter(Silence);
            while (await call.ResponseStream.MoveNext(silent.Token))
            {
                silent.CancelAfter(Silence);
                take(call.ResponseStream.Current);
            }
        }
        finally
        {
            _outbound = null;
            outbound.Writer.TryComplete();
            await silent.CancelAsync();
            await writing;
            over.TrySetResult();
        }
    }

    private static async Task WriteAsync(NodeMessage first, ChannelReader<NodeMessage> outbound, IClientStreamWriter<NodeMessage> stream, CancellationTokenSource ends)
    {
        try
        {
            await stream.WriteAsync(first, ends.Token);
            await foreach (var message in outbound.ReadAllAsync(ends.Token)) await stream.WriteAsync(message, ends.Token);
            await stream.CompleteAsync(); // the control plane has read everything when it ends its side
        }
        catch (Exception exception) when (exception is OperationCanceledException or RpcException or InvalidOperationException or IOException)
        {
            await ends.CancelAsync(); // the stream is gone; the reader ends with it
        }
    }
}
