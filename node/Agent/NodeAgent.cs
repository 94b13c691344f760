using System.Runtime.InteropServices;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Dns;
using Eyrie.Node.Logs;
using Eyrie.Node.Tokens;

namespace Eyrie.Node;

/// <summary>
/// The node: one session with the control plane, one worker a pod. While there is no session, pods go on and what happens is reported when there
/// is one again.
/// </summary>
public sealed class NodeAgent
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    private readonly string _bootId = Guid.NewGuid().ToString();
    private readonly NodeOptions _options;
    private readonly KernelProcess _kernel;
    private readonly NodeProcesses _processes;
    private readonly ImageStore _images;
    private readonly Streams _streams;
    private readonly NodeSession _session;
    private readonly NodeStatus _status;
    private readonly PodTable _pods;
    private readonly NameService _names;
    private readonly ServiceTable _services;
    private readonly ContainerEvents _events;

    public NodeAgent(NodeOptions options, KernelProcess kernel, NodeProcesses processes, HttpClient client)
    {
        (_options, _kernel, _processes, _images, _streams) = (options, kernel, processes, new ImageStore(options, client, TimeProvider.System), new Streams(options, kernel, client));
        _session = new NodeSession(options, client, Hello, Begin);
        _status = new NodeStatus(_session.Report);
        _pods = new PodTable(options, kernel, _images, new TokenRequests(options, client), TimeProvider.System, _session.Report);
        _names = new NameService(options, _pods.At);
        _services = new ServiceTable(options.ClusterOctet, kernel, _names, _session.Report);
        _events = new ContainerEvents(_pods.Owner);
    }

    /// <summary>Completes when the first session has told all pods of this node.</summary>
    public TaskCompletionSource Synced { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Every container that runs now.</summary>
    public IEnumerable<RunningContainer> Running() => _pods.Running();

    /// <summary>Takes over what an agent before left.</summary>
    public Task AdoptAsync() => _pods.AdoptAsync();

    /// <summary>Which limits the host does not enforce.</summary>
    private async Task TellLimitsAsync(CancellationToken cancellationToken)
    {
        try
        {
            _status.Set(UnenforcedLimits.Condition, UnenforcedLimits.Message((await _kernel.Service.KernelStatisticsAsync(cancellationToken)).EnforcedLimits));
        }
        catch (IOException)
        {
            // The kernel has just ended; the one that is started anew is asked again.
        }
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        _events.Start();
        Follow();
        await TellLimitsAsync(cancellationToken);
        _ = new DiskWatch(_options, _images, () => _pods.All.SelectMany(worker => worker.Images()), message => _status.Set(DiskWatch.Condition, message)).RunAsync(cancellationToken);
        _ = new ImageReports(_images, _status.Set).RunAsync(cancellationToken);
        _ = CheckImagesAsync(cancellationToken);
        _ = new ClockWatch(TimeProvider.System, message => _status.Set(ClockWatch.Condition, message)).RunAsync(cancellationToken);
        _ = IdleMemory.RunAsync(cancellationToken);
        _ = new LogRotation(_options, _kernel, () => _pods.All.SelectMany(worker => worker.RunningLogs())).RunAsync(cancellationToken);
        _ = new UsageReports(_kernel, _processes, Running, _session.Report).RunAsync(cancellationToken);
        _ = TokenRequests.RenewAsync(() => _pods.All, cancellationToken);
        _names.Start(_services.AgainAsync);
        await _session.RunAsync(cancellationToken);
    }

    /// <summary>With the first session, so that what it finds can be told; without one, later.</summary>
    private async Task CheckImagesAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAny(Synced.Task, Task.Delay(LongestWait, CancellationToken.None));
        await new ImageCheck(_options, _images, _pods.On, _pods.LayerDamaged, message => _status.Set(ImageCheck.Condition, message), TimeProvider.System).RunAsync(cancellationToken);
    }

    private void Follow() => _ = Task.Run(() => _events.FollowAsync(_kernel.Service));

    /// <summary>The connection to the kernel was lost and there is another; the kernel may be another as well: then it learns the Services, and the pods what they have lost.</summary>
    public async Task KernelConnectedAsync(bool anew)
    {
        if (anew) Metrics.KernelStarts.Inc();
        Follow();
        await TellLimitsAsync(CancellationToken.None);
        await _services.AgainAsync();
        await _pods.CompareAsync();
    }

    /// <summary>A session begins: whom it names until it is synced is to be here, and nobody else.</summary>
    private Action<ControlMessage> Begin()
    {
        var told = new HashSet<string>();
        return message => Take(message, told);
    }

    private void Take(ControlMessage message, HashSet<string> told)
    {
        switch (message.MessageCase)
        {
            case ControlMessage.MessageOneofCase.Desired:
                told.Add(message.Desired.Uid);
                _pods.Want(message.Desired);
                break;
            case ControlMessage.MessageOneofCase.Remove: _pods.Find(message.Remove.Uid)?.Remove(); break;
            case ControlMessage.MessageOneofCase.Synced:
                told.UnionWith(message.Synced.Over);
                _pods.KeepOnly(told);
                Synced.TrySetResult();
                break;
            case ControlMessage.MessageOneofCase.Services: _ = _services.ApplyAsync(message.Services); break;
            case ControlMessage.MessageOneofCase.RemoveVolume: _ = Task.Run(() => RemoveVolume(message.RemoveVolume.Name)); break;
            case ControlMessage.MessageOneofCase.StreamRequest: _ = _streams.RunAsync(message.StreamRequest, _pods.Find(message.StreamRequest.PodUid)); break;
            case ControlMessage.MessageOneofCase.CapabilitiesRequest: _ = CapabilitiesAsync(message.CapabilitiesRequest); break;
        }
    }

    private async Task CapabilitiesAsync(CapabilitiesRequest request) => _session.Report(new NodeMessage { Capabilities = await _pods.CapabilitiesAsync(request) });

    private void RemoveVolume(string name)
    {
        try
        {
            Volumes.LocalVolumes.Remove(_options.StateDirectory, name);
            _session.Report(new NodeMessage { VolumeGone = new VolumeGone { Name = name } });
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"eyrie-node: volume {name} is not removed yet: {exception.Message}"); // asked for again with the next session
        }
    }

    private NodeHello Hello()
    {
        var hello = new NodeHello
        {
            NodeName = _options.Name, ContractVersion = 1, PodRange = _options.PodRange, CpuMilli = _options.CpuMilli, MemoryBytes = _options.MemoryBytes, MaxPods = _options.MaxPods,
            KernelVersion = $"eyrie-kernel (hosted, Linux {Environment.OSVersion.Version})", OsImage = RuntimeInformation.OSDescription, Architecture = "amd64",
            DiskBytes = _options.DiskBytes, DiskPodBytes = DiskWatch.ForPods(_options.DiskBytes), AgentVersion = typeof(NodeAgent).Assembly.GetName().Version!.ToString(3), InternalAddress = "127.0.0.1", BootId = _bootId,
        };
        foreach (var (name, value) in _options.Labels) hello.Labels[name] = value;
        _status.AddTo(hello);
        return hello;
    }

    /// <summary>The node is going down: no pod is taken any more, those that are here end within their grace (<see cref="ShutdownPlan"/>), and the control plane hears how.</summary>
    /// <param name="atOnce">There is no time for that.</param>
    public async Task ShutDownAsync(CancellationToken atOnce)
    {
        _status.NotReady("node is shutting down");
        await _pods.ShutDownAsync(atOnce);
        await _session.EndAsync();
    }

    /// <summary>Ends every pod; the control plane will find this node gone.</summary>
    public async Task StopAsync()
    {
        await _pods.StopAsync();
        _events.Dispose();
        await _services.DisposeAsync();
        await _names.DisposeAsync();
    }
}
