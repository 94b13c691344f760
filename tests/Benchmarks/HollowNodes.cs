using System.Collections.Concurrent;
using System.Globalization;
using System.Threading.Channels;
using Eyrie.Node.Contract.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace Eyrie.Benchmarks;

/// <summary>Nodes without containers: real sessions over gRPC that say of every pod at once that it runs and is ready. Many share a process, and their streams share connections.</summary>
public sealed class HollowNodes : IAsyncDisposable
{
    private const int StreamsAConnection = 90;
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _over = new();
    private readonly List<GrpcChannel> _channels = [];
    private readonly List<Task> _sessions = [];
    private readonly ConcurrentDictionary<string, byte> _pods = new();
    private readonly bool _report;
    private int _synced, _next;

    /// <summary>Pods that nodes were told to run.</summary>
    public int Pods => _pods.Count;

    /// <summary>Nodes whose session is complete.</summary>
    public int Synced => Volatile.Read(ref _synced);

    /// <param name="report">Whether they say that their pods run.</param>
    public HollowNodes(ControlPlaneProcess server, int count, bool report)
    {
        _report = report;
        for (int i = 0; i < count; i++)
        {
            if (i % StreamsAConnection == 0) _channels.Add(GrpcChannel.ForAddress(server.Url, new GrpcChannelOptions { HttpClient = server.NewClient(server.NodeToken) }));
            int number = i;
            _sessions.Add(Task.Run(() => SessionAsync(_channels[number / StreamsAConnection], number)));
        }
    }

    /// <exception cref="InvalidOperationException">A session ended; the cause is inside.</exception>
    public void ThrowIfBroken()
    {
        if (_sessions.FirstOrDefault(session => session.IsFaulted) is { } broken) throw new InvalidOperationException("a hollow node lost its session", broken.Exception);
    }

    private async Task SessionAsync(GrpcChannel channel, int number)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"hollow-{number:00000}");
        using var call = new NodeSessions.NodeSessionsClient(channel).Connect(cancellationToken: _over.Token);
        var hello = new NodeHello { NodeName = name, ContractVersion = 1, PodRange = "127.64.16.0/22", CpuMilli = 4000, MemoryBytes = 16L << 30, MaxPods = 110, Architecture = "amd64", AgentVersion = "hollow", InternalAddress = "127.0.0.1", BootId = name };
        hello.Labels["topology.kubernetes.io/zone"] = string.Create(CultureInfo.InvariantCulture, $"zone-{number % 10}");
        var outbound = Channel.CreateUnbounded<NodeMessage>(new UnboundedChannelOptions { SingleReader = true });
        outbound.Writer.TryWrite(new NodeMessage { Hello = hello });
        var writing = WriteAsync(outbound.Reader, call.RequestStream);
        using var beat = new Timer(_ => outbound.Writer.TryWrite(new NodeMessage { Heartbeat = new Heartbeat() }), null, Beat, Beat);
        try
        {
            await foreach (var message in call.ResponseStream.ReadAllAsync(_over.Token)) Answer(message, outbound.Writer);
        }
        catch (Exception exception) when (_over.IsCancellationRequested && exception is RpcException or OperationCanceledException)
        {
            // The end of the measurement.
        }
        outbound.Writer.TryComplete();
        await writing;
    }

    private void Answer(ControlMessage message, ChannelWriter<NodeMessage> outbound)
    {
        switch (message.MessageCase)
        {
            case ControlMessage.MessageOneofCase.Synced: Interlocked.Increment(ref _synced); break;
            case ControlMessage.MessageOneofCase.Services: outbound.TryWrite(new NodeMessage { ServicesApplied = new ServicesApplied { Revision = message.Services.Revision } }); break;
            case ControlMessage.MessageOneofCase.Desired when _pods.TryAdd(message.Desired.Uid, 0) && _report: outbound.TryWrite(Running(message.Desired)); break;
        }
    }

    private NodeMessage Running(DesiredPod pod)
    {
        using var document = System.Text.Json.JsonDocument.Parse(pod.PodJson);
        var metadata = document.RootElement.GetProperty("metadata");
        int address = Interlocked.Increment(ref _next);
        var now = DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        return new NodeMessage
        {
            PodStatus = new PodStatusReport
            {
                Uid = pod.Uid, Namespace = metadata.GetProperty("namespace").GetString(), Name = metadata.GetProperty("name").GetString(),
                StatusJson = $$$$"""{"phase":"Running","podIP":"127.64.{{{{(address >> 8) & 255}}}}.{{{{address & 255}}}}","startTime":"{{{{now}}}}","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"{{{{now}}}}"}],"containerStatuses":[{"name":"c","ready":true,"restartCount":0,"state":{"running":{"startedAt":"{{{{now}}}}"}}}]}""",
            },
        };
    }

    private async Task WriteAsync(ChannelReader<NodeMessage> outbound, IClientStreamWriter<NodeMessage> stream)
    {
        try
        {
            await foreach (var message in outbound.ReadAllAsync(_over.Token)) await stream.WriteAsync(message, _over.Token);
        }
        catch (Exception exception) when (_over.IsCancellationRequested && exception is RpcException or OperationCanceledException or InvalidOperationException)
        {
            // The end of the measurement.
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await Task.WhenAll(_sessions).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var channel in _channels) channel.Dispose();
        _over.Dispose();
    }
}
