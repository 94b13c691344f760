using System.Text.Json.Nodes;
using Eyrie.Manifests;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Dns;
using Eyrie.Node.Tokens;
using Eyrie.Node.Volumes;

namespace Eyrie.Node;

/// <summary>One pod on this node: observes, asks <see cref="PodPlan"/>, acts, reports; until nothing of it is left. What takes time runs beside and tells by a signal.</summary>
public sealed class PodWorker
{
    private sealed record KnownReach(DesiredPod Of, PodReach Reach);

    private readonly PodState _pod;
    private readonly PodDisk _disk;
    private readonly PodUses _uses;
    private readonly PodEnds _ends;
    private readonly PodStops _stops;
    private readonly PodProbes _probes;
    private readonly PodCapabilities _capabilities;
    private readonly PodStarts _starts;
    private readonly PodSignals _signals;
    private readonly CancellationTokenSource _ended = new();
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile KnownReach? _reach;
    private bool _drained, _draining;

    /// <param name="desired">What is to run.</param>
    /// <param name="options">The node's.</param>
    /// <param name="containers">The container service as it is now: it may be another's after a while.</param>
    /// <param name="images">The node's images.</param>
    /// <param name="address">The pod's own.</param>
    /// <param name="denials">Where denials are written.</param>
    /// <param name="tokens">Where tokens of its account are asked for.</param>
    /// <param name="time">The host's clocks.</param>
    /// <param name="report">Tells the control plane.</param>
    /// <param name="found">Of a pod that an agent before looked after; null: it is new here.</param>
    public PodWorker(DesiredPod desired, NodeOptions options, Func<IContainerService> containers, ImageStore images, PodAddress address, DenialLog denials, TokenRequests tokens, TimeProvider time, Action<NodeMessage> report, FoundPod? found = null)
    {
        _pod = new PodState(desired, options, containers, address, tokens, time, report);
        if (found is not null) _pod.Restore(found.Known);
        _disk = new PodDisk(_pod);
        _uses = new PodUses(_pod, denials);
        _ends = new PodEnds(_pod, _uses);
        _stops = new PodStops(_pod, _ends);
        _probes = new PodProbes(_pod, _stops);
        _capabilities = new PodCapabilities(_pod, _stops);
        _signals = new PodSignals(_pod, _uses);
        _starts = new PodStarts(_pod, images, _disk, _uses, _ends, _stops, _capabilities, _probes, _signals);
        Completion = Task.Run(() => RunAsync(found));
    }

    public string Uid => _pod.Uid;
    public string Namespace => _pod.Namespace;
    public string Name => _pod.Name;
    public string Address => _pod.Address.Pod;
    public string Loopback => _pod.Address.Loopback;
    public Task Completion { get; }

    /// <summary>Its containers have ended for good; it is still there.</summary>
    public bool IsOver => _over.Task.IsCompleted;

    /// <summary>As admission made it of the pod's priority class.</summary>
    public int Priority => _pod.Pod["spec"]?["priority"] is JsonValue value && value.TryGetValue(out int priority) ? priority : 0;

    /// <summary>Addresses outside that it was told for names.</summary>
    public ResolvedHosts Resolved { get; } = new();

    /// <summary>What this pod's containers may reach by name.</summary>
    public PodReach Reach
    {
        get
        {
            var (desired, known) = (_pod.Desired, _reach);
            if (known is null || !ReferenceEquals(known.Of, desired)) _reach = known = new KnownReach(desired, new PodReach(desired.Capabilities.SelectMany(set => set.Entries)));
            return known.Reach;
        }
    }

    public void Update(DesiredPod desired) => _pod.Signal(() =>
    {
        _pod.Want(desired);
        _disk.Want(desired);
        _disk.Save();
        foreach (var record in _pod.Records) Changed(record);
        foreach (var record in _pod.Records.Where(record => record.Running)) _capabilities.Recompiled(record);
        if (desired.Terminating) Drain();
    });

    /// <summary>What a container waits for may be there now; another image is another container.</summary>
    private void Changed(ContainerRecord record)
    {
        if (record.Waiting?.Reason is "CreateContainerConfigError" or "ContainerCreating") record.RetryAt = record.RetryAt is null ? null : _pod.Now;
        var image = _pod.Spec(record)["image"]!.ToString();
        if (image == record.Image) return;
        record.Image = image;
        if (record.RetryAt is not null) record.RetryAt = _pod.Now;
        if (record is { Running: true, Stop: null }) _stops.Ask(record, _pod.Grace(null), $"Container {record.Name} definition changed, will be restarted");
    }

    /// <summary>The pod object is gone, or is another node's: it ends at once.</summary>
    public void Remove() => _pod.Signal(() =>
    {
        _pod.Removed = true;
        foreach (var record in _pod.Records.Where(record => record.Starting)) record.Beside.Cancel();
    });

    /// <summary>The node is going down: nobody is sent to the pod any more, its containers are told to end and the pod has failed. Completes when nothing of it runs.</summary>
    /// <param name="longest">It has its own grace, and no more than this.</param>
    public Task ShutDownAsync(TimeSpan longest)
    {
        _pod.Signal(() =>
        {
            if (IsOver) return;
            var (grace, drain) = ShutdownPlan.Split(_pod.Grace(null), longest);
            _pod.ShutdownGrace = grace;
            foreach (var record in _pod.Records) record.Ready = false;
            Task.Run(async () =>
            {
                await PodDrain.WaitAsync(Address, drain, _pod.Time);
                _pod.Signal(() => Fail(ShutdownPlan.Reason, ShutdownPlan.Message));
            });
        });
        return Task.WhenAny(_over.Task, Completion);
    }

    public void ContainerExited(ContainerExited exited) => _pod.Signal(() =>
    {
        if (_pod.Records.FirstOrDefault(record => record.Id == exited.ContainerId) is not { } record) return;
        if (record is { Starting: true, Running: false }) record.Early = exited;
        else if (record.Running) _ends.Ended(record, exited);
    });

    /// <summary>The connection to the container service was lost, and these are its containers now: what ended meanwhile is told.</summary>
    /// <param name="asked">Those that ran when the list was asked for; what began later is not judged by it.</param>
    /// <param name="seen">The list, by id; without a container: the kernel ended and took it along.</param>
    public void Observed(IReadOnlySet<string> asked, IReadOnlyDictionary<string, ContainerStatus> seen) => _pod.Signal(() =>
    {
        _pod.Seen = seen;
        foreach (var record in _pod.Records.Where(record => record.Running && asked.Contains(record.Id)))
        {
            _ends.Observed(record, seen.GetValueOrDefault(record.Id));
            if (record.Running) _capabilities.Verify(record);
        }
    });

    /// <summary>Goes on where an agent before left off: what runs is not touched.</summary>
    private void Adopt(IReadOnlyDictionary<string, ContainerStatus> seen)
    {
        foreach (var record in _pod.Records)
        {
            if (record.Running) _ends.Observed(record, seen.GetValueOrDefault(record.Id));
            if (record.Running)
            {
                _capabilities.Verify(record);
                record.Code = CodeWatches.Of(_pod, record, seen[record.Id].ProcessId);
                _uses.Watch(record);
                _signals.Listen(record);
                if (record.Starting) _ = _starts.PostStartAsync(record, record.Held!, _pod.Spec(record), record.Beside.Token);
                else if (record.Stop is null) _probes.GoOn(record);
            }
            else if (record.Starting) _starts.Resume(record, seen.GetValueOrDefault(record.Id));
        }
    }

    /// <summary>Tokens that have grown old are made anew; the files that containers see follow. What cannot be had now is asked for again.</summary>
    public async Task RenewTokensAsync(CancellationToken cancellationToken)
    {
        var needs = _pod.Records.Where(record => record.Running || record.Starting).SelectMany(record => TokenNeed.Of(_pod.Pod, _pod.Spec(record), _pod.Compiled(record))).ToHashSet();
        try
        {
            if (await _pod.Tokens.RenewAsync(needs, true, cancellationToken)) _pod.Signal(_disk.Rewrite);
        }
        catch (VolumeUnavailableException exception)
        {
            _pod.Signal(() => _pod.Event("Warning", "FailedMount", exception.Message, 1, ""));
        }
    }

    public bool Owns(string containerId) => _pod.Records.Any(record => record.Id == containerId);

    /// <summary>A container was refused something; or one that is audited used something.</summary>
    public void Used(CapabilityDenied use) => _pod.Signal(() => _uses.Used(use with { MissingEntry = Resolved.Named(use.MissingEntry) }));

    /// <summary>So many more uses than are told apart within a second.</summary>
    public void UsedBeyond(string containerId, int count) => _pod.Signal(() => _uses.Beyond(containerId, count));

    /// <summary>A container asked for the name of a Service that is granted and is not there.</summary>
    public void ServiceMissing(string service) => _pod.Signal(() => _uses.ServiceMissing(service));

    /// <summary>A container asked for the name of a Service that no grant of the pod leads to.</summary>
    public void NameWithheld(string name, ServicePort service) => _pod.Signal(() => _uses.NameWithheld(name, service));

    public IReadOnlyList<(string Container, string Id, SteadyTime Since)> Running() => [.. _pod.Records.Where(record => record.Running).Select(record => (record.Name, record.Id, record.RunningSince ?? _pod.Now))];

    /// <summary>A running container and where its programs start; null: none of that name runs. Without a name, the first.</summary>
    public (string Id, string WorkingDirectory, JsonObject Spec)? Target(string container) =>
        _pod.Records.FirstOrDefault(record => record.Running && (container.Length == 0 ? record.Role == ContainerRole.Main : record.Name == container)) is { } record ? (record.Id, record.WorkingDirectory, _pod.Spec(record)) : null;

    /// <summary>Log file of a container's newest (or, with previous, last but one) run, and whether that run still goes on.</summary>
    public (string Path, Func<bool> Running)? Log(string? container, bool previous)
    {
        var record = _pod.Records.FirstOrDefault(record => container is null or "" ? record.Role == ContainerRole.Main : record.Name == container);
        int runs = record?.Runs ?? 0, run = runs - (previous ? 2 : 1);
        return record is null || run < 0 ? null : (_pod.LogFile(record.Name, run), () => !previous && record.Running && record.Runs == runs);
    }

    /// <summary>Of every container, whether it runs or not.</summary>
    public IEnumerable<string> Images() => [.. _pod.Records.Select(record => record.Image)];

    /// <summary>Ids of the containers that run on a layer.</summary>
    public IEnumerable<string> On(string layer) => [.. _pod.Records.Where(record => record.Running && record.Written?.Layers.Contains(layer) == true).Select(record => record.Id)];

    /// <summary>Containers that run on a damaged layer go on with what is left of it.</summary>
    public void LayerDamaged(string layer, string damage) => _pod.Signal(() =>
    {
        foreach (var record in _pod.Records.Where(record => record.Running && record.Written?.Layers.Contains(layer) == true))
            _pod.Event("Warning", "ImageDamaged", $"container {record.Name} runs on a layer of its image that the node's disk has damaged ({damage}); it goes on, and has a whole one when it is started anew", 1, record.Name);
    });

    /// <summary>Ids of the containers that run, and the files that their logs are written to.</summary>
    public IEnumerable<(string Id, string Path)> RunningLogs() => [.. _pod.Records.Where(record => record is { Running: true, Runs: > 0 }).Select(record => (record.Id, _pod.LogFile(record.Name, record.Runs - 1)))];

    private async Task RunAsync(FoundPod? found)
    {
        if (found is null) _disk.Want(_pod.Desired);
        _disk.Save();
        if (found is not null) Adopt(found.Containers);
        if (_pod.Desired.Terminating) Drain();
        var meter = new DiskMeter(_pod.Options, Uid);
        _ = Task.Run(() => PodBounds.WatchAsync(_pod.Pod, () => meter.Look(_pod.Pod, _pod.Records.Select(record => (record.Name, record.Id))), _pod.Began, _pod.Time, (reason, message) => _pod.Signal(() => Fail(reason, message)), _ended.Token));
        while (true)
        {
            Report();
            _disk.Save();
            var now = _pod.Now;
            switch (PodPlan.Decide(View(), now))
            {
                case StartContainer start: _starts.Start(_pod.Named(start.Name)); break;
                case BeginStop stop:
                    if (_pod.Terminating) _pod.TerminatingSince ??= now;
                    _stops.Ask(_pod.Named(stop.Name), stop.Grace, $"Stopping container {stop.Name}");
                    break;
                case RunStopHook hook: _stops.RunHook(_pod.Named(hook.Name)); break;
                case SendTerm term: await _stops.TermAsync(_pod.Named(term.Name), now); break;
                case SendKill kill: await _stops.KillAsync(_pod.Named(kill.Name), now); break;
                case WaitUntil wait: await SignalledAsync(_disk.Again(wait.Time, now)); break;
                case Finished when _pod.Terminating: await CleanAsync(); return;
                case Finished:
                    _over.TrySetResult();
                    await SignalledAsync(_disk.Again(null, now)); break;
            }
        }
    }

    private PodView View() => new([.. _pod.Records.Select(record => record.View(Hooks.Of(_pod.Spec(record), "preStop") is not null))], _pod.RestartPolicy, _pod.Terminating, _drained || _pod.Removed, _pod.TerminatingSince,
        Grace()) { Failing = _pod.Failure is not null };

    private TimeSpan Grace() => (_pod.Removed, _pod.Terminating, TimeSpan.FromSeconds(_pod.Desired.GraceSeconds)) switch
    {
        (true, _, _) => TimeSpan.Zero,
        (_, true, var own) => _pod.ShutdownGrace < own ? _pod.ShutdownGrace.Value : own,
        (_, _, var own) => _pod.Failure?.Reason == PodBounds.Evicted && own > PodBounds.EvictionGrace ? PodBounds.EvictionGrace : _pod.ShutdownGrace ?? own,
    };

    /// <summary>The pod is over: its containers end, and nothing starts again.</summary>
    private void Fail(string reason, string message)
    {
        if (_pod.Failure is not null || _pod.Terminating) return;
        _pod.Failure = (reason, message);
        foreach (var record in _pod.Records)
        {
            if (record is { Starting: true, Running: false }) record.Beside.Cancel();
            record.RetryAt = null;
        }
        _pod.Event("Warning", reason, message, 1, "");
    }

    /// <summary>Takes the next signal, or gives up at the time.</summary>
    private async Task SignalledAsync(SteadyTime? until)
    {
        var wait = until is { } time ? TimeSpan.FromMilliseconds(Math.Clamp((time - _pod.Now).TotalMilliseconds, 1, int.MaxValue)) : Timeout.InfiniteTimeSpan;
        using var deadline = new CancellationTokenSource(wait, _pod.Time);
        try
        {
            (await _pod.Signals.ReadAsync(deadline.Token))();
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            // The time has come; the plan decides anew.
        }
    }

    /// <summary>Nobody resolves to this pod any more: waits until the connections that are there have ended, for a while.</summary>
    private void Drain()
    {
        if (_draining) return;
        _draining = true;
        foreach (var record in _pod.Records.Where(record => record is { Starting: true, Running: false })) record.Beside.Cancel();
        var grace = TimeSpan.FromSeconds(_pod.Desired.GraceSeconds);
        Task.Run(async () =>
        {
            await PodDrain.WaitAsync(Address, grace, _pod.Time);
            _pod.Signal(() => _drained = true);
        });
    }

    private JsonObject Status() => PodStatus.Of(_pod.Records, _pod.RestartPolicy, QualityOfService.Of(_pod.Pod["spec"]), Address, "127.0.0.1", _pod.Started, _pod.Status, _pod.Failure, _pod.Time.GetUtcNow());

    private void Report()
    {
        var status = Status();
        if (JsonNode.DeepEquals(status, _pod.Status)) return;
        _pod.Status = status;
        Resend();
    }

    /// <summary>The status as last made, for a control plane that connected anew.</summary>
    public void Resend()
    {
        if (_pod.Status is { } status) _pod.Report(new NodeMessage { PodStatus = new PodStatusReport { Uid = Uid, Namespace = Namespace, Name = Name, StatusJson = status.ToJsonString() } });
    }

    private async Task CleanAsync()
    {
        await _ended.CancelAsync();
        _signals.Close();
        foreach (var record in _pod.Records.Where(record => record.Id.Length > 0)) await LostConnection.DeleteAsync(_pod.Containers, record.Id, _pod.Time);
        _pod.Files.Remove();
        _pod.Report(new NodeMessage { PodGone = new PodGone { Uid = Uid, Namespace = Namespace, Name = Name, StatusJson = Status().ToJsonString() } });
    }
}

/// <summary>A pod that an agent before looked after, and the containers that the kernel has now, by id.</summary>
public sealed record FoundPod(SavedPod Known, IReadOnlyDictionary<string, ContainerStatus> Containers);
