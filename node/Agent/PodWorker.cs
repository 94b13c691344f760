using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Eyrie.Manifests;
using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>One pod on this node: observes, asks <see cref="PodPlan"/>, acts, reports; until nothing of it is left.</summary>
public sealed class PodWorker
{
    private static readonly TimeSpan LongestDrain = TimeSpan.FromSeconds(5), DrainCheck = TimeSpan.FromMilliseconds(50);
    private static readonly HttpClient ProbeClient = new(new SocketsHttpHandler { UseProxy = false, PooledConnectionLifetime = TimeSpan.Zero });

    private readonly NodeOptions _options;
    private readonly IContainerService _containers;
    private readonly ImageStore _images;
    private readonly PodAddress _address;
    private readonly Action<NodeMessage> _report;
    private readonly Channel<Action> _signals = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
    private readonly List<ContainerRecord> _records;
    private readonly Dictionary<string, CancellationTokenSource> _probes = [];
    private readonly DateTimeOffset _started = DateTimeOffset.UtcNow;
    private readonly CancellationTokenSource _ended = new();
    private DesiredPod _desired;
    private JsonObject _pod;
    private JsonObject? _status;
    private DateTimeOffset? _termSent;
    private bool _drained, _draining, _removed;

    public string Uid => _desired.Uid;
    public string Namespace => _pod["metadata"]!["namespace"]!.ToString();
    public string Name => _pod["metadata"]!["name"]!.ToString();
    public string Address => _address.Pod;
    public Task Completion { get; }

    public PodWorker(DesiredPod desired, NodeOptions options, IContainerService containers, ImageStore images, PodAddress address, Action<NodeMessage> report)
    {
        (_desired, _options, _containers, _images, _address, _report) = (desired, options, containers, images, address, report);
        _pod = JsonNode.Parse(desired.PodJson)!.AsObject();
        _records = [.. Specs("initContainers").Select(spec => new ContainerRecord(spec["name"]!.ToString(), spec["image"]!.ToString(), true)),
            .. Specs("containers").Select(spec => new ContainerRecord(spec["name"]!.ToString(), spec["image"]!.ToString(), false))];
        Completion = Task.Run(RunAsync);
    }

    private IEnumerable<JsonObject> Specs(string list) => (_pod["spec"]?[list] as JsonArray ?? []).OfType<JsonObject>();
    private string RestartPolicy => _pod["spec"]?["restartPolicy"]?.ToString() ?? "Always";

    public void Update(DesiredPod desired) => _signals.Writer.TryWrite(() =>
    {
        _desired = desired;
        _pod = JsonNode.Parse(desired.PodJson)!.AsObject();
        WriteHosts();
        if (desired.Terminating) Drain();
    });

    public void Remove() => _signals.Writer.TryWrite(() => _removed = true);

    public void ContainerExited(ContainerExited exited) => _signals.Writer.TryWrite(() =>
    {
        if (_records.FirstOrDefault(record => record.Id == exited.ContainerId) is { Running: true } record) Ended(record, exited.ExitCode, exited.OutOfMemory);
    });

    public bool Owns(string containerId) => _records.Any(record => record.Id == containerId);

    public void Denied(CapabilityDenied denied) => _signals.Writer.TryWrite(() =>
    {
        if (_records.FirstOrDefault(record => record.Id == denied.ContainerId) is not { } record) return;
        var remedy = Remedy.For(denied.MissingEntry, Namespace).Replace("\n", "\n  ", StringComparison.Ordinal);
        Event("Warning", "PermissionDenied", $"container {record.Name} tried to {denied.Operation} {denied.Target}; missing grant: {denied.MissingEntry}. To allow it, add to the container:\n  {remedy}", denied.Count, record.Name);
    });

    public IReadOnlyList<(string Container, string Id)> Running() => [.. _records.Where(record => record.Running).Select(record => (record.Name, record.Id))];

    /// <summary>Log file of a container's newest (or, with previous, last but one) run.</summary>
    public string? LogFile(string? container, bool previous)
    {
        var record = _records.FirstOrDefault(record => container is null or "" ? !record.IsInit : record.Name == container);
        int run = (record?.Attempts ?? 0) - (previous ? 2 : 1);
        return record is null || run < 0 ? null : Path.Combine(_options.StateDirectory, LogPath(record.Name, run));
    }

    private string LogPath(string container, int run) => string.Create(CultureInfo.InvariantCulture, $"logs/{Uid}/{container}-{run}.log");

    private async Task RunAsync()
    {
        Directory.CreateDirectory(Path.Combine(_options.StateDirectory, "logs", Uid));
        Directory.CreateDirectory(Path.Combine(_options.StateDirectory, "pods", Uid));
        foreach (var volume in Specs("volumes").Where(volume => volume["emptyDir"] is not null))
            Directory.CreateDirectory(Path.Combine(_options.StateDirectory, "pods", Uid, "volumes", volume["name"]!.ToString()), (UnixFileMode)0b111_111_111);
        WriteHosts();
        if (_desired.Terminating) Drain();
        while (true)
        {
            Report();
            var now = DateTimeOffset.UtcNow;
            var view = new PodView([.. _records.Select(record => record.View())], RestartPolicy, _desired.Terminating || _removed, _drained || _removed, _termSent, _removed ? TimeSpan.Zero : TimeSpan.FromSeconds(_desired.GraceSeconds));
            switch (PodPlan.Decide(view, now))
            {
                case StartContainer start: await StartAsync(_records.First(record => record.Name == start.Name)); break;
                case SendTerm: _termSent = now; await SignalAsync(15, "Stopping container"); break;
                case SendKill: await SignalAsync(9, "Killing container"); await SignalledAsync(null); break;
                case WaitUntil wait: await SignalledAsync(wait.Time); break;
                case Finished when _desired.Terminating || _removed: await CleanAsync(); return;
                case Finished: await SignalledAsync(null); break;
            }
        }
    }

    /// <summary>Takes the next signal, or gives up at the time.</summary>
    private async Task SignalledAsync(DateTimeOffset? until)
    {
        using var deadline = new CancellationTokenSource();
        if (until is { } time) deadline.CancelAfter(TimeSpan.FromMilliseconds(Math.Max(1, (time - DateTimeOffset.UtcNow).TotalMilliseconds)));
        try
        {
            (await _signals.Reader.ReadAsync(deadline.Token))();
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            // The time has come; the plan decides anew.
        }
    }

    private JsonObject Spec(ContainerRecord record) => Specs(record.IsInit ? "initContainers" : "containers").First(spec => spec["name"]!.ToString() == record.Name);

    private async Task StartAsync(ContainerRecord record)
    {
        try
        {
            if (record.ExitCode is not null) record.Restarts++;
            record.RetryAt = null;
            var image = await _images.EnsureAsync(record.Image, _ended.Token);
            record.ImageId = image.Digest;
            var id = string.Create(CultureInfo.InvariantCulture, $"{Uid[..13]}-{record.Name}-{record.Attempts}");
            id = id.Length > 63 ? id[..63] : id;
            var old = record.Id;
            if (old.Length > 0) await _containers.DeleteAsync(old, CancellationToken.None);
            foreach (var directory in new[] { "upper", "work", "root" }) Directory.CreateDirectory(Path.Combine(_options.StateDirectory, "containers", id, directory));
            var capabilities = _desired.Capabilities.First(set => set.Container == record.Name).Entries;
            var spec = ContainerSpecs.For(_pod, Spec(record), image, id, LogPath(record.Name, record.Attempts), _address, capabilities, _desired, _options);
            record.Attempts++;
            await _containers.CreateAsync(spec, CancellationToken.None);
            record.Id = id;
            await _containers.StartAsync(id, CancellationToken.None);
            (record.Running, record.Waiting, record.StartedAt, record.Ready) = (true, null, DateTimeOffset.UtcNow, Spec(record)["readinessProbe"] is null);
            Event("Normal", "Started", $"Started container {record.Name}", 1, record.Name);
            await VerifyAsync(record, capabilities);
            StartProbe(record);
        }
        catch (ImageUnavailableException exception)
        {
            Retry(record, record.Waiting?.Reason is "ErrImagePull" or "ImagePullBackOff" ? "ImagePullBackOff" : "ErrImagePull", exception.Message);
        }
        catch (ContainerConfigException exception)
        {
            Retry(record, "CreateContainerConfigError", exception.Message);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or ContainerServiceException or InvalidDataException)
        {
            Retry(record, exception is ContainerServiceException ? "RunContainerError" : "ErrImagePull", exception.Message);
        }
    }

    private void Retry(ContainerRecord record, string reason, string message)
    {
        bool told = record.Waiting == (reason, message);
        record.Waiting = (reason, message);
        record.RetryAt = DateTimeOffset.UtcNow + PodPlan.BackOff(record.Attempts++);
        if (!told) Event("Warning", "Failed", message, 1, record.Name);
    }

    /// <summary>The set that the kernel holds must be the set that was compiled; otherwise the container ends at once.</summary>
    private async Task VerifyAsync(ContainerRecord record, IEnumerable<string> compiled)
    {
        var held = await _containers.ReadCapabilitiesAsync(record.Id, CancellationToken.None);
        if (compiled.Order(StringComparer.Ordinal).SequenceEqual(held)) return;
        Event("Warning", "CapabilityMismatch", $"container {record.Name}: the kernel holds [{string.Join("; ", held)}], compiled is [{string.Join("; ", compiled)}]", 1, record.Name);
        await _containers.SignalAsync(record.Id, 9, CancellationToken.None);
    }

    private void StartProbe(ContainerRecord record)
    {
        if (Spec(record)["readinessProbe"] is not JsonObject probe) return;
        var stop = CancellationTokenSource.CreateLinkedTokenSource(_ended.Token);
        _probes[record.Name] = stop;
        var id = record.Id;
        var running = new Probe(probe, Spec(record), _address.Pod, ProbeClient).RunAsync(ready => _signals.Writer.TryWrite(() =>
        {
            if (record.Id == id && record.Running) record.Ready = ready;
        }), stop.Token);
        _ = running.ContinueWith(_ => stop.Dispose(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private void Ended(ContainerRecord record, int exitCode, bool outOfMemory)
    {
        (record.Running, record.Ready, record.ExitCode, record.OutOfMemory, record.FinishedAt) = (false, false, exitCode, outOfMemory, DateTimeOffset.UtcNow);
        if (_probes.Remove(record.Name, out var probe)) probe.Cancel();
        bool again = !_desired.Terminating && (RestartPolicy == "Always" && !record.IsInit || (RestartPolicy != "Never" && exitCode != 0));
        record.Waiting = again ? ("CrashLoopBackOff", $"back-off {PodPlan.BackOff(record.Restarts).TotalSeconds:0}s restarting failed container={record.Name} pod={Name}_{Namespace}({Uid})") : null;
        if (again) Event("Warning", "BackOff", $"Back-off restarting failed container {record.Name} in pod {Name}", 1, record.Name);
    }

    private async Task SignalAsync(int signal, string word)
    {
        foreach (var record in _records.Where(record => record.Running))
        {
            Event("Normal", "Killing", $"{word} {record.Name}", 1, record.Name);
            try
            {
                await _containers.SignalAsync(record.Id, signal, CancellationToken.None);
            }
            catch (ContainerServiceException exception) when (exception.Error is ContainerError.WrongState or ContainerError.UnknownContainer)
            {
                // It has ended by itself; its exit is on the way.
            }
        }
    }

    /// <summary>Nobody resolves to this pod any more: waits until the connections that are there have ended, for a while.</summary>
    private void Drain()
    {
        if (_draining) return;
        _draining = true;
        var longest = TimeSpan.FromSeconds(Math.Min(_desired.GraceSeconds, LongestDrain.TotalSeconds));
        Task.Run(async () =>
        {
            var end = DateTimeOffset.UtcNow + longest;
            for (int idle = 0; idle < 3 && DateTimeOffset.UtcNow < end;)
            {
                idle = Connections.Count(_address.Pod) == 0 ? idle + 1 : 0;
                await Task.Delay(DrainCheck);
            }
            _signals.Writer.TryWrite(() => _drained = true);
        });
    }

    private void WriteHosts()
    {
        var hosts = new StringBuilder("127.0.0.1\tlocalhost\n").Append(CultureInfo.InvariantCulture, $"{_address.Pod}\t{Name}\n");
        foreach (var alias in _desired.HostAliases) hosts.Append(CultureInfo.InvariantCulture, $"{alias.Address}\t{string.Join(' ', alias.Names)}\n");
        var directory = Path.Combine(_options.StateDirectory, "pods", Uid);
        Directory.CreateDirectory(directory);
        // Written in place: the file is mounted into the containers, a new one under its name would not be seen.
        File.WriteAllText(Path.Combine(directory, "hosts"), hosts.ToString());
        File.WriteAllText(Path.Combine(directory, "hostname"), Name + "\n");
    }

    private void Event(string type, string reason, string message, int count, string container) =>
        _report(new NodeMessage { PodEvent = new PodEvent { Uid = Uid, Namespace = Namespace, Name = Name, Type = type, Reason = reason, Message = message, Count = count, Container = container } });

    private JsonObject Status() => PodStatus.Of(_records, RestartPolicy, QualityOfService.Of(_pod["spec"]), _address.Pod, "127.0.0.1", _started, _status, DateTimeOffset.UtcNow);

    private void Report()
    {
        var status = Status();
        if (JsonNode.DeepEquals(status, _status)) return;
        _status = status;
        Resend();
    }

    /// <summary>The status as last made, for a control plane that connected anew.</summary>
    public void Resend()
    {
        if (_status is { } status) _report(new NodeMessage { PodStatus = new PodStatusReport { Uid = Uid, Namespace = Namespace, Name = Name, StatusJson = status.ToJsonString() } });
    }

    private async Task CleanAsync()
    {
        await _ended.CancelAsync();
        foreach (var record in _records.Where(record => record.Id.Length > 0)) await _containers.DeleteAsync(record.Id, CancellationToken.None);
        foreach (var directory in Directory.EnumerateDirectories(Path.Combine(_options.StateDirectory, "containers"), Uid[..13] + "-*")) Directory.Delete(directory, true);
        Directory.Delete(Path.Combine(_options.StateDirectory, "pods", Uid), true);
        Directory.Delete(Path.Combine(_options.StateDirectory, "logs", Uid), true);
        _report(new NodeMessage { PodGone = new PodGone { Uid = Uid, Namespace = Namespace, Name = Name, StatusJson = Status().ToJsonString() } });
    }
}
