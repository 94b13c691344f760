using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Dns;
using Eyrie.Node.Logs;
using Eyrie.Node.Volumes;
using Grpc.Core;
using Grpc.Net.Client;

namespace Eyrie.Node;

/// <summary>
/// The node: one session with the control plane, one worker a pod. While there is no session, pods go on and what happens is reported when there
/// is one again.
/// </summary>
public sealed class NodeAgent(NodeOptions options, KernelProcess kernel, NodeProcesses processes, HttpClient client)
{
    private static readonly TimeSpan Beat = TimeSpan.FromSeconds(5), Silence = TimeSpan.FromSeconds(15), FirstBackOff = TimeSpan.FromMilliseconds(200), LongestBackOff = TimeSpan.FromSeconds(10), StormWindow = TimeSpan.FromSeconds(1);

    private readonly string _bootId = Guid.NewGuid().ToString();
    private readonly ImageStore _images = new(options, client);
    private readonly DenialLog _denials = new(options.StateDirectory);
    private readonly UseStorm _storm = new();
    private readonly ServiceEntry _entry = new();
    private readonly Streams _streams = new(options, kernel, client);
    private readonly AddressPool _addresses = new(options);
    private readonly ConcurrentDictionary<string, PodWorker> _pods = new();
    private readonly Dictionary<string, string> _conditions = [];
    private readonly SemaphoreSlim _table = new(1, 1);
    private volatile ChannelWriter<NodeMessage>? _outbound;
    private volatile Services? _services;
    private volatile ClusterNames _names = new([]);
    private DnsServer? _dns;
    private HostNames? _hosts;

    /// <summary>Completes when the first session has told all pods of this node.</summary>
    public TaskCompletionSource Synced { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Every container that runs now.</summary>
    public IEnumerable<RunningContainer> Running() => _pods.Values.SelectMany(worker => worker.Running().Select(container => new RunningContainer(worker.Uid, worker.Namespace, worker.Name, container.Container, container.Id, container.StartedAt)));

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var windows = new Timer(_ => TellRepeated(), null, StormWindow, StormWindow);
        // Not ended with the session: stopping waits for the exits of what it kills. It ends when the kernel's connection does.
        _ = Task.Run(() => EventsAsync(CancellationToken.None), CancellationToken.None);
        _ = new DiskWatch(options, _images, () => _pods.Values.SelectMany(worker => worker.Images()), message => Condition(DiskWatch.Condition, message)).RunAsync(cancellationToken);
        _ = IdleMemory.RunAsync(cancellationToken);
        _ = new LogRotation(options, kernel, () => _pods.Values.SelectMany(worker => worker.RunningLogs())).RunAsync(cancellationToken);
        _ = new UsageReports(kernel, processes, Running, Report).RunAsync(cancellationToken);
        StartNames();
        var wait = FirstBackOff;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await SessionAsync(cancellationToken);
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

    private async Task EventsAsync(CancellationToken cancellationToken)
    {
        await foreach (var occurred in kernel.Service.EventsAsync(cancellationToken))
        {
            var worker = _pods.Values.FirstOrDefault(worker => worker.Owns(occurred.ContainerId));
            if (occurred is ContainerExited exited) worker?.ContainerExited(exited);
            if (occurred is CapabilityDenied use)
            {
                if (use.Verdict == UseVerdict.Denied) Metrics.Denials.WithLabels(use.Operation).Inc(use.Count);
                else Metrics.Uses.WithLabels(use.Operation, use.Verdict == UseVerdict.Granted ? "granted" : "audited").Inc(use.Count);
                CapabilityDenied? told;
                lock (_storm) told = _storm.Add(use);
                if (told is not null) worker?.Used(told);
            }
        }
    }

    /// <summary>What repeats is told once a second, with its number.</summary>
    private void TellRepeated()
    {
        lock (_storm)
        {
            var (repeated, beyond) = _storm.Window();
            PodWorker? Owner(string id) => _pods.Values.FirstOrDefault(worker => worker.Owns(id));
            foreach (var use in repeated) Owner(use.ContainerId)?.Used(use);
            foreach (var (id, count) in beyond) Owner(id)?.UsedBeyond(id, count);
        }
    }

    /// <summary>The connection to the kernel was lost and there is another; the kernel may be another as well: then it learns the Services, and the pods what they have lost.</summary>
    public async Task KernelConnectedAsync(bool anew)
    {
        if (anew) Metrics.KernelStarts.Inc();
        _ = Task.Run(() => EventsAsync(CancellationToken.None), CancellationToken.None);
        if (_services is { } services) await ApplyAsync(services);
        var asked = Running().Select(container => container.Id).ToHashSet();
        var seen = await ListAsync();
        foreach (var worker in _pods.Values) worker.Observed(asked, seen);
    }

    private async Task<IReadOnlyDictionary<string, ContainerStatus>> ListAsync() => (await kernel.Service.ListAsync(CancellationToken.None)).ToDictionary(status => status.Id);

    /// <summary>Takes over what an agent before left: its pods go on as they are. Containers and files that belong to none of them are nobody's and go.</summary>
    public async Task AdoptAsync()
    {
        var seen = await ListAsync();
        foreach (var (uid, desired, known) in PodJournal.Read(options).ToList())
        {
            _addresses.Take(known.Address);
            Watch(new PodWorker(desired, options, () => kernel.Service, _images, known.Address, _denials, Report, new FoundPod(known, seen)));
        }
        foreach (var id in seen.Keys.Where(id => !_pods.Values.Any(worker => worker.Owns(id)))) await kernel.Service.DeleteAsync(id, CancellationToken.None);
        foreach (var directory in new[] { "containers", "logs", "pods" })
            foreach (var left in Directory.EnumerateDirectories(Path.Combine(options.StateDirectory, directory)).Where(left => !_pods.Keys.Any(uid => Path.GetFileName(left).StartsWith(PodFiles.Prefix(uid), StringComparison.Ordinal))))
            {
                if (directory == "pods") MemoryVolumes.Remove(left);
                Directory.Delete(left, true);
            }
    }

    private void StartNames()
    {
        var dns = new DnsServer(System.Net.IPAddress.Parse(options.DnsAddress), (from, question) => AnswerAsync(from.ToString(), question));
        if (options.Resolver is { } resolver) _hosts = new HostNames(new UpstreamResolver(resolver).AskAsync, () => _services is { } services ? ApplyAsync(services) : Task.CompletedTask, TimeProvider.System);
        try
        {
            dns.Start();
            _dns = dns;
        }
        catch (System.Net.Sockets.SocketException exception)
        {
            Console.Error.WriteLine($"eyrie-node: names are not answered: {options.DnsAddress}:{DnsServer.Port} cannot be had ({exception.Message}); another agent with this index may run");
        }
    }

    /// <summary>null: no pod of this node has the address.</summary>
    private async ValueTask<DnsAnswer?> AnswerAsync(string address, DnsQuestion question)
    {
        if (_pods.Values.FirstOrDefault(worker => worker.Address == address) is not { } worker) return null;
        Metrics.NameQuestions.Inc();
        var (names, reach) = (_names, worker.Reach);
        if (names.Withheld(reach, question.Name) is { } withheld) worker.NameWithheld(question.Name, withheld);
        if (names.Missing(reach, question.Name) is { } missing) worker.ServiceMissing(missing);
        return await WithTargetAsync(await OneAsync(question));

        async ValueTask<DnsAnswer> OneAsync(DnsQuestion asked) => names.Answer(reach, asked) ?? (reach.ReachesHost(asked.Name) ? await OutsideAsync(worker, asked) : DnsAnswer.NoSuchName);

        // Programs do not follow another name by themselves: what it leads to comes along, as far as the pod may reach it.
        async ValueTask<DnsAnswer> WithTargetAsync(DnsAnswer answer)
        {
            int at = 0;
            if (question.Type is not (RecordType.A or RecordType.Aaaa) || answer.Records is not [{ Type: RecordType.Cname } alias] || DnsMessage.Name(alias.Data, ref at) is not { } target) return answer;
            var further = await OneAsync(question with { Name = target });
            return answer with { Records = [alias, .. further.Records] };
        }
    }

    private async ValueTask<DnsAnswer> OutsideAsync(PodWorker worker, DnsQuestion question)
    {
        if (_hosts is not { } hosts) return DnsAnswer.Of(ResponseCode.ServerFailure);
        if (await hosts.ResolveAsync(question.Name.ToLowerInvariant(), CancellationToken.None) is not var (addresses, seconds)) return DnsAnswer.Of(ResponseCode.ServerFailure);
        if (addresses.Count == 0) return DnsAnswer.NoSuchName;
        worker.Resolved.Learn(question.Name, addresses);
        return question.Type is RecordType.A or RecordType.Any ? new DnsAnswer(ResponseCode.NoError, [.. addresses.Select(address => new DnsRecord(question.Name, RecordType.A, address.GetAddressBytes(), seconds))], []) : DnsAnswer.Nothing;
    }

    /// <summary>The name service in the table of Services, for those who are granted names.</summary>
    private IEnumerable<Eyrie.Microkernel.Client.ServiceEntry> Names()
    {
        var name = ClusterDns.Service.Split('/');
        foreach (bool udp in new[] { true, false })
            yield return new Eyrie.Microkernel.Client.ServiceEntry(name[0], name[1], options.DnsAddress, ClusterDns.Port, "dns", [new ServiceEndpoint(options.DnsAddress, ClusterDns.Port)]) { Udp = udp };
    }

    /// <summary>A condition of the node begins, with its message, or ends (null).</summary>
    private void Condition(string type, string? message)
    {
        var status = new NodeStatusReport();
        lock (_conditions)
        {
            if (message is null) _conditions.Remove(type);
            else _conditions[type] = message;
            foreach (var (name, text) in _conditions) status.Conditions[name] = text;
        }
        Report(new NodeMessage { NodeStatus = status });
    }

    private void Report(NodeMessage message) => _outbound?.TryWrite(message);

    private async Task SessionAsync(CancellationToken cancellationToken)
    {
        using var channel = GrpcChannel.ForAddress(options.Server, new GrpcChannelOptions { HttpClient = client });
        using var silent = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var call = new NodeSessions.NodeSessionsClient(channel).Connect(cancellationToken: silent.Token);
        await call.RequestStream.WriteAsync(new NodeMessage { Hello = Hello() }, silent.Token);
        var outbound = Channel.CreateUnbounded<NodeMessage>(new UnboundedChannelOptions { SingleReader = true });
        var writing = WriteAsync(outbound.Reader, call.RequestStream, silent);
        using var beat = new Timer(_ => outbound.Writer.TryWrite(new NodeMessage { Heartbeat = new Heartbeat { UnixMilliseconds = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() } }), null, Beat, Beat);
        _outbound = outbound.Writer;
        var seen = new HashSet<string>();
        try
        {
            silent.CancelAfter(Silence);
            while (await call.ResponseStream.MoveNext(silent.Token))
            {
                silent.CancelAfter(Silence);
                Take(call.ResponseStream.Current, seen);
            }
        }
        finally
        {
            _outbound = null;
            outbound.Writer.TryComplete();
            await silent.CancelAsync();
            await writing;
        }
    }

    private static async Task WriteAsync(ChannelReader<NodeMessage> outbound, IClientStreamWriter<NodeMessage> stream, CancellationTokenSource ends)
    {
        try
        {
            await foreach (var message in outbound.ReadAllAsync(ends.Token)) await stream.WriteAsync(message, ends.Token);
        }
        catch (Exception exception) when (exception is OperationCanceledException or RpcException or InvalidOperationException or IOException)
        {
            await ends.CancelAsync(); // the stream is gone; the reader ends with it
        }
    }

    private void Take(ControlMessage message, HashSet<string> seen)
    {
        switch (message.MessageCase)
        {
            case ControlMessage.MessageOneofCase.Desired:
                seen.Add(message.Desired.Uid);
                Want(message.Desired);
                break;
            case ControlMessage.MessageOneofCase.Remove:
                if (_pods.TryGetValue(message.Remove.Uid, out var removed)) removed.Remove();
                break;
            case ControlMessage.MessageOneofCase.Synced:
                seen.UnionWith(message.Synced.Over);
                foreach (var (uid, worker) in _pods)
                    if (seen.Contains(uid)) worker.Resend();
                    else worker.Remove(); // deleted, or moved away, while there was no session
                Synced.TrySetResult();
                break;
            case ControlMessage.MessageOneofCase.Services: _ = ApplyAsync(message.Services); break;
            case ControlMessage.MessageOneofCase.RemoveVolume: _ = Task.Run(() => RemoveVolume(message.RemoveVolume.Name)); break;
            case ControlMessage.MessageOneofCase.StreamRequest: _ = _streams.RunAsync(message.StreamRequest, _pods.GetValueOrDefault(message.StreamRequest.PodUid)); break;
            case ControlMessage.MessageOneofCase.CapabilitiesRequest: _ = CapabilitiesAsync(message.CapabilitiesRequest); break;
        }
    }

    private void RemoveVolume(string name)
    {
        try
        {
            Volumes.LocalVolumes.Remove(options.StateDirectory, name);
            Report(new NodeMessage { VolumeGone = new VolumeGone { Name = name } });
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"eyrie-node: volume {name} is not removed yet: {exception.Message}"); // asked for again with the next session
        }
    }

    private void Want(DesiredPod desired)
    {
        if (_pods.TryGetValue(desired.Uid, out var worker)) { worker.Update(desired); return; }
        Watch(new PodWorker(desired, options, () => kernel.Service, _images, _addresses.Take(), _denials, Report));
    }

    private void Watch(PodWorker worker)
    {
        _pods[worker.Uid] = worker;
        Metrics.Pods.Set(_pods.Count);
        _ = worker.Completion.ContinueWith(ended =>
        {
            _pods.TryRemove(worker.Uid, out _);
            _addresses.Return(worker.Address);
            Metrics.Pods.Set(_pods.Count);
            if (ended.Exception is { } failure) Console.Error.WriteLine($"eyrie-node: the worker of pod {worker.Name} failed: {failure.InnerException}");
        }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    private async Task ApplyAsync(Services services)
    {
        _services = services;
        await _table.WaitAsync();
        try
        {
            await kernel.Service.SetServicesAsync([.. Names(), .. services.Ports.Where(port => port.Port > 0).Select(port => new Eyrie.Microkernel.Client.ServiceEntry(port.Namespace, port.Name, port.ClusterAddress, port.Port, port.PortName,
                [.. port.Endpoints.Select(endpoint => new ServiceEndpoint(endpoint.Address, endpoint.Port))]) { Udp = port.Protocol == "UDP" })], CancellationToken.None, services.Closed, _hosts?.Pins);
            _names = new ClusterNames(services.Ports);
            _entry.Apply(services.Ports);
            Report(new NodeMessage { ServicesApplied = new ServicesApplied { Revision = services.Revision } });
        }
        catch (Exception exception) when (exception is ContainerServiceException or IOException)
        {
            Console.Error.WriteLine($"eyrie-node: the table of Services {services.Revision} was not taken: {exception.Message}");
        }
        finally
        {
            _table.Release();
        }
    }

    private async Task CapabilitiesAsync(CapabilitiesRequest request)
    {
        var report = new CapabilitiesReport { RequestId = request.RequestId };
        try
        {
            if (!_pods.TryGetValue(request.PodUid, out var worker)) report.Error = "the pod is not on this node";
            else
                foreach (var (container, id, _) in worker.Running())
                {
                    var capabilities = new ContainerCapabilities { Container = container };
                    capabilities.Entries.AddRange(await kernel.Service.ReadCapabilitiesAsync(id, CancellationToken.None));
                    report.Containers.Add(capabilities);
                }
        }
        catch (Exception exception) when (exception is ContainerServiceException or IOException)
        {
            report.Error = exception.Message;
        }
        Report(new NodeMessage { Capabilities = report });
    }

    private NodeHello Hello()
    {
        var hello = new NodeHello
        {
            NodeName = options.Name, ContractVersion = 1, PodRange = options.PodRange, CpuMilli = options.CpuMilli, MemoryBytes = options.MemoryBytes, MaxPods = options.MaxPods,
            KernelVersion = $"eyrie-kernel (hosted, Linux {Environment.OSVersion.Version})", OsImage = RuntimeInformation.OSDescription, Architecture = "amd64",
            AgentVersion = typeof(NodeAgent).Assembly.GetName().Version!.ToString(3), InternalAddress = "127.0.0.1", BootId = _bootId,
        };
        foreach (var (name, value) in options.Labels) hello.Labels[name] = value;
        lock (_conditions)
            foreach (var (name, text) in _conditions) hello.Conditions[name] = text;
        return hello;
    }

    /// <summary>Ends every pod; the control plane will find this node gone.</summary>
    public async Task StopAsync()
    {
        foreach (var worker in _pods.Values) worker.Remove();
        await Task.WhenAll(_pods.Values.Select(worker => worker.Completion));
        await _entry.DisposeAsync();
        if (_dns is { } dns) await dns.DisposeAsync();
        _hosts?.Dispose();
    }
}

/// <summary>Addresses for pods from this node's range; one is not given out again before all others were.</summary>
public sealed class AddressPool(NodeOptions options)
{
    private readonly Queue<int> _free = new(Enumerable.Range(1, 1022));

    public PodAddress Take()
    {
        lock (_free)
        {
            if (!_free.TryDequeue(out int index)) throw new InvalidOperationException($"every address of {options.PodRange} is in use");
            return Address(index);
        }
    }

    /// <summary>An address that is in use already.</summary>
    public void Take(PodAddress used)
    {
        lock (_free)
        {
            var others = _free.Where(index => Address(index) != used).ToList();
            _free.Clear();
            foreach (var index in others) _free.Enqueue(index);
        }
    }

    private PodAddress Address(int index)
    {
        int third = 16 + 4 * options.Index + index / 256, fourth = index % 256;
        return new PodAddress(string.Create(CultureInfo.InvariantCulture, $"127.{options.ClusterOctet}.{third}.{fourth}"), string.Create(CultureInfo.InvariantCulture, $"127.{options.ClusterOctet + 16}.{third}.{fourth}"));
    }

    public void Return(string address)
    {
        var parts = address.Split('.').Select(part => int.Parse(part, CultureInfo.InvariantCulture)).ToArray();
        lock (_free) _free.Enqueue((parts[2] - 16 - 4 * options.Index) * 256 + parts[3]);
    }
}

/// <summary>Metrics of the node agent.</summary>
public static class Metrics
{
    public static readonly Prometheus.Gauge Pods = Prometheus.Metrics.CreateGauge("eyrie_node_pods", "Pods on this node.");
    public static readonly Prometheus.Counter KernelStarts = Prometheus.Metrics.CreateCounter("eyrie_node_kernel_restarts_total", "Times the microkernel ended by itself and was started anew.");
    public static readonly Prometheus.Counter Uses = Prometheus.Metrics.CreateCounter("eyrie_node_audited_uses_total", "Uses of containers that are audited, by a grant or let through by the audit alone.", "operation", "verdict");
    public static readonly Prometheus.Counter NameQuestions = Prometheus.Metrics.CreateCounter("eyrie_node_dns_questions_total", "Questions about names that pods asked.");
    public static readonly Prometheus.Counter Denials = Prometheus.Metrics.CreateCounter("eyrie_node_denials_total", "Uses refused for want of a grant.", "operation");
}
