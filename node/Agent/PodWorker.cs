using Eyrie.Node.Dns;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Eyrie.Manifests;
using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Logs;
using Eyrie.Node.Probes;
using Eyrie.Node.Volumes;

namespace Eyrie.Node;

/// <summary>One pod on this node: observes, asks <see cref="PodPlan"/>, acts, reports; until nothing of it is left. What takes time runs beside and tells by a signal.</summary>
public sealed class PodWorker
{
    private const int Lost = 128 + 9;
    private const string LostMessage = "the node's microkernel ended and took the container with it";
    private static readonly TimeSpan LongestDrain = TimeSpan.FromSeconds(5), WriteCheck = TimeSpan.FromSeconds(2), DrainCheck = TimeSpan.FromMilliseconds(50), SaveAgain = TimeSpan.FromSeconds(5);

    private readonly NodeOptions _options;
    private readonly Func<IContainerService> _containers;
    private readonly ImageStore _images;
    private readonly PodAddress _address;
    private readonly Action<NodeMessage> _report;
    private readonly Channel<Action> _signals = Channel.CreateUnbounded<Action>(new UnboundedChannelOptions { SingleReader = true });
    private readonly List<ContainerRecord> _records;
    private readonly PodFiles _files;
    private readonly DenialLog _denials;
    private readonly PodJournal _journal;
    private readonly DateTimeOffset _started = DateTimeOffset.UtcNow;
    private DesiredPod _desired;
    private sealed record KnownReach(DesiredPod Of, PodReach Reach);
    private volatile KnownReach? _reach;
    private readonly Dictionary<string, (DateTimeOffset Since, int Count)> _withheld = [];
    private JsonObject _pod;
    private JsonObject? _status;
    private DateTimeOffset? _terminatingSince;
    private (string Reason, string Message)? _failure;
    private bool _drained, _draining, _removed, _unwritten = true;
    private string? _unsaved;
    private readonly CancellationTokenSource _ended = new();

    public string Uid => _desired.Uid;
    public string Namespace => _pod["metadata"]!["namespace"]!.ToString();
    public string Name => _pod["metadata"]!["name"]!.ToString();
    public string Address => _address.Pod;
    public string Loopback => _address.Loopback;
    public Task Completion { get; }

    /// <param name="desired">What is to run.</param>
    /// <param name="options">The node's.</param>
    /// <param name="containers">The container service as it is now: it may be another's after a while.</param>
    /// <param name="images">The node's images.</param>
    /// <param name="address">The pod's own.</param>
    /// <param name="denials">Where denials are written.</param>
    /// <param name="report">Tells the control plane.</param>
    /// <param name="found">Of a pod that an agent before looked after; null: it is new here.</param>
    public PodWorker(DesiredPod desired, NodeOptions options, Func<IContainerService> containers, ImageStore images, PodAddress address, DenialLog denials, Action<NodeMessage> report, FoundPod? found = null)
    {
        (_desired, _options, _containers, _images, _address, _denials, _report) = (desired, options, containers, images, address, denials, report);
        _pod = JsonNode.Parse(desired.PodJson)!.AsObject();
        _files = new PodFiles(options, desired.Uid, address);
        _journal = new PodJournal(options, desired.Uid);
        _records = [.. Specs("initContainers").Select(spec => Record(spec, true)), .. Specs("containers").Select(spec => Record(spec, false))];
        if (_records.Any(record => record.Role == ContainerRole.Init))
            foreach (var record in _records.Where(record => record.Role == ContainerRole.Main)) record.Waiting = ("PodInitializing", "");
        if (found is not null)
        {
            (_started, _terminatingSince, _failure, _status) = (found.Known.Started, found.Known.TerminatingSince, SavedReason.Pair(found.Known.Failure), found.Known.Status);
            foreach (var record in _records)
                if (found.Known.Containers.FirstOrDefault(saved => saved.Name == record.Name) is { } saved) record.Restore(saved, (id, compiled) => new HeldCapabilities(_containers, id, compiled), options.StateDirectory);
        }
        Completion = Task.Run(() => RunAsync(found));
    }

    private static ContainerRecord Record(JsonObject spec, bool init) => new(spec["name"]!.ToString(), spec["image"]!.ToString(), ContainerRecord.RoleOf(spec, init));

    private IEnumerable<JsonObject> Specs(string list) => (_pod["spec"]?[list] as JsonArray ?? []).OfType<JsonObject>();
    private JsonObject Spec(ContainerRecord record) => Specs(record.Role == ContainerRole.Main ? "containers" : "initContainers").First(spec => spec["name"]!.ToString() == record.Name);
    private string RestartPolicy => _pod["spec"]?["restartPolicy"]?.ToString() ?? "Always";
    private bool Terminating => _desired.Terminating || _removed;

    private void Signal(Action action) => _signals.Writer.TryWrite(action);

    public void Update(DesiredPod desired) => Signal(() =>
    {
        _desired = desired;
        _pod = JsonNode.Parse(desired.PodJson)!.AsObject();
        _journal.Want(desired);
        _unwritten = true;
        Save();
        foreach (var record in _records) Changed(record);
        foreach (var record in _records.Where(record => record.Running)) Recompiled(record);
        if (desired.Terminating) Drain();
    });

    /// <summary>What a container waits for may be there now; another image is another container.</summary>
    private void Changed(ContainerRecord record)
    {
        if (record.Waiting?.Reason is "CreateContainerConfigError" or "ContainerCreating") record.RetryAt = record.RetryAt is null ? null : DateTimeOffset.UtcNow;
        var image = Spec(record)["image"]!.ToString();
        if (image == record.Image) return;
        record.Image = image;
        if (record.RetryAt is not null) record.RetryAt = DateTimeOffset.UtcNow;
        if (record is { Running: true, Stop: null }) Stop(record, Grace(null), $"Container {record.Name} definition changed, will be restarted");
    }

    private IEnumerable<string> Compiled(ContainerRecord record) => _desired.Capabilities.First(set => set.Container == record.Name).Entries;

    /// <summary>A running container is given and loses what its new set says; what is part of its world comes with a restart.</summary>
    private void Recompiled(ContainerRecord record)
    {
        var wanted = Compiled(record).ToList();
        if (record.Stop is not null || record.Held is not { } held || held.Is(wanted)) return;
        if (!held.CanBecome(wanted)) 
        {
            record.Ends = 0; // its restart is nobody's failure
            Stop(record, held.LosesFiles(wanted) ? TimeSpan.Zero : Grace(null), $"Permissions of container {record.Name} changed in what only a start can give, will be restarted");
            return;
        }
        Event("Normal", "PermissionsChanged", $"container {record.Name}: {string.Join("; ", wanted.Except(held.Compiled).Select(line => "+ " + line).Concat(held.Compiled.Except(wanted).Select(line => "- " + line)))}", 1, record.Name);
        _ = Task.Run(async () =>
        {
            try
            {
                Compare(record, await held.BecomeAsync(wanted));
            }
            catch (Exception exception) when (exception is ContainerServiceException or IOException)
            {
                Signal(() => { if (record.Running && record.Held == held) Stop(record, TimeSpan.Zero, $"Permissions of container {record.Name} could not be changed and it is ended: {exception.Message}"); });
            }
        });
    }

    public void Remove() => Signal(() =>
    {
        _removed = true;
        foreach (var record in _records.Where(record => record.Starting)) record.Beside.Cancel();
    });

    public void ContainerExited(ContainerExited exited) => Signal(() =>
    {
        if (_records.FirstOrDefault(record => record.Id == exited.ContainerId) is not { } record) return;
        if (record is { Starting: true, Running: false }) record.Early = exited;
        else if (record.Running) Ended(record, exited.ExitCode, exited.OutOfMemory);
    });

    /// <summary>The connection to the container service was lost, and these are its containers now: what ended meanwhile is told.</summary>
    /// <param name="asked">Those that ran when the list was asked for; what began later is not judged by it.</param>
    /// <param name="seen">The list, by id; without a container: the kernel ended and took it along.</param>
    public void Observed(IReadOnlySet<string> asked, IReadOnlyDictionary<string, ContainerStatus> seen) => Signal(() =>
    {
        foreach (var record in _records.Where(record => record.Running && asked.Contains(record.Id))) Observed(record, seen);
    });

    private void Observed(ContainerRecord record, IReadOnlyDictionary<string, ContainerStatus> seen)
    {
        if (!seen.TryGetValue(record.Id, out var status)) Ended(record, Lost, false, LostMessage);
        else if (status.State == ContainerState.Exited) Ended(record, status.ExitCode, status.OutOfMemory, finishedAt: status.FinishedAt);
    }

    /// <summary>Goes on where an agent before left off: what runs is not touched.</summary>
    private void Adopt(IReadOnlyDictionary<string, ContainerStatus> seen)
    {
        foreach (var record in _records)
        {
            if (record.Running) Observed(record, seen);
            if (record.Running)
            {
                _ = VerifyAsync(record, record.Held!);
                if (record.Held!.WritesAreAudited) _ = WatchWritesAsync(record, record.Beside.Token);
                if (record.Starting) _ = PostStartAsync(record, Spec(record), record.Beside.Token);
                else if (record.Stop is null) Probe(record, record.Started ? [ProbeKind.Liveness, ProbeKind.Readiness] : [ProbeKind.Startup]);
            }
            else if (record.Starting && seen.GetValueOrDefault(record.Id) is { State: not ContainerState.Created } status)
            {
                if (status.State == ContainerState.Exited) record.Early = new ContainerExited(record.Id, status.ExitCode, status.OutOfMemory);
                Start(record, status);
            }
            else if (record.Starting) (record.Starting, record.Id) = (false, record.Runs > 0 ? PodFiles.ContainerId(Uid, record.Name, record.Runs - 1) : "");
        }
    }

    public bool Owns(string containerId) => _records.Any(record => record.Id == containerId);

    /// <summary>A container was refused something; or one that is audited used something.</summary>
    public void Used(CapabilityDenied told) => Signal(() =>
    {
        var use = told with { MissingEntry = Resolved.Named(told.MissingEntry) };
        if (_records.FirstOrDefault(record => record.Id == use.ContainerId) is not { } record) return;
        if (use.Verdict != UseVerdict.Granted) Ungranted(record, use);
        if (record.Held?.Audited == true) ReportUses(record, [use]);
    });

    /// <summary>Addresses outside that it was told for names.</summary>
    public ResolvedHosts Resolved { get; } = new();

    /// <summary>What this pod's containers may reach by name.</summary>
    public PodReach Reach
    {
        get
        {
            var (desired, known) = (_desired, _reach);
            if (known is null || !ReferenceEquals(known.Of, desired)) _reach = known = new KnownReach(desired, new PodReach(desired.Capabilities.SelectMany(set => set.Entries)));
            return known.Reach;
        }
    }

    /// <summary>A container asked for the name of a Service that is granted and is not there. Told at most every ten seconds for each.</summary>
    public void ServiceMissing(string service) => Signal(() =>
    {
        var now = DateTimeOffset.UtcNow;
        var (since, count) = _withheld.GetValueOrDefault(service);
        bool tell = now - since >= TimeSpan.FromSeconds(10);
        _withheld[service] = tell ? (now, 0) : (since, count + 1);
        if (tell) Event("Warning", "ServiceNotFound", $"a container asked for Service {service}, which is granted and does not exist; create it, or correct its name under `permissions`", count + 1, "");
    });

    /// <summary>A container asked for the name of a Service that no grant of the pod leads to. Told at most every ten seconds for each Service, with how often.</summary>
    public void NameWithheld(string name, ServicePort service) => Signal(() =>
    {
        var entry = new CapabilityEntry.ConnectService($"{service.Namespace}/{service.Name}", Math.Max(1, service.Port), Protocols.Of(service.Protocol) ?? Protocol.Tcp).ToString();
        var (since, count) = _withheld.GetValueOrDefault(entry);
        var now = DateTimeOffset.UtcNow;
        bool tell = now - since >= TimeSpan.FromSeconds(10);
        _withheld[entry] = tell ? (now, 0) : (since, count + 1);
        bool Asks(ContainerRecord record) => record.Running && Compiled(record).Contains(ClusterDns.Entries[0].ToString());
        if (tell && (_records.FirstOrDefault(Asks) ?? _records.FirstOrDefault(record => record.Running)) is { } record) Ungranted(record, new CapabilityDenied(record.Id, "resolve", name, entry, count + 1));
    });

    public IReadOnlyList<(string Container, string Id, DateTimeOffset StartedAt)> Running() => [.. _records.Where(record => record.Running).Select(record => (record.Name, record.Id, record.StartedAt ?? DateTimeOffset.UtcNow))];

    /// <summary>So many more uses than are told apart within a second.</summary>
    public void UsedBeyond(string containerId, int count) => Signal(() =>
    {
        if (_records.FirstOrDefault(record => record.Id == containerId) is { } record) Event("Warning", "PermissionDenied", $"container {record.Name} tried more kinds of things without a grant than are told apart", count, record.Name);
    });

    private void Ungranted(ContainerRecord record, CapabilityDenied use)
    {
        bool denied = use.Verdict == UseVerdict.Denied;
        var lines = Remedy.For(use.MissingEntry, Namespace);
        _denials.Write(new DenialRecord(DateTimeOffset.UtcNow, _options.Name, Namespace, Name, record.Name, use.Operation, use.Target, use.MissingEntry, use.Count, lines, denied ? "denied" : "audited", use.Program));
        var (program, remedy) = (use.Program.Length > 0 ? $" ({use.Program})" : "", lines.Replace("\n", "\n  ", StringComparison.Ordinal));
        if (denied) Event("Warning", "PermissionDenied", $"container {record.Name}{program} tried to {use.Operation} {use.Target}; missing grant: {use.MissingEntry}. To allow it, add to the container:\n  {remedy}", use.Count, record.Name);
        else Event("Normal", "PermissionAudited", $"container {record.Name}{program} was let {use.Operation} {use.Target} by an audit; missing grant: {use.MissingEntry}. To allow it, add to the container:\n  {remedy}", use.Count, record.Name);
    }

    private void ReportUses(ContainerRecord record, IEnumerable<CapabilityDenied> uses)
    {
        var report = new PermissionUses { Uid = Uid, Namespace = Namespace, Name = Name, Container = record.Name };
        report.Uses.AddRange(uses.Select(use => new PermissionUse { Verdict = use.Verdict.ToString().ToLowerInvariant(), Operation = use.Operation, Target = use.Target, Entry = use.MissingEntry, Program = use.Program, Count = use.Count }));
        if (report.Uses.Count > 0) _report(new NodeMessage { PermissionUses = report });
    }

    /// <summary>What an audited container has written since it was asked before. One line a directory in the audit record; every file is counted.</summary>
    private void Written(ContainerRecord record)
    {
        if (record is not { Written: { } watch, Held: { WritesAreAudited: true } held }) return;
        foreach (var directory in watch.New().GroupBy(file => file.Directory))
        {
            var entry = new CapabilityEntry.Files(directory.Key, true).ToString();
            var use = new CapabilityDenied(record.Id, "write", "", entry, 1) { Verdict = held.Compiled.Any(line => Coverage.Covers(line, entry)) ? UseVerdict.Granted : UseVerdict.Audited };
            if (use.Verdict == UseVerdict.Audited) Ungranted(record, use with { Target = directory.First().Path, Count = directory.Count() });
            ReportUses(record, directory.Select(file => use with { Target = file.Path }));
        }
    }

    private async Task WatchWritesAsync(ContainerRecord record, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(WriteCheck);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken)) Signal(() => { if (!cancellationToken.IsCancellationRequested) Written(record); });
        }
        catch (OperationCanceledException)
        {
            // It has ended; what it wrote last is looked at then.
        }
    }


    /// <summary>A running container and where its programs start; null: none of that name runs. Without a name, the first.</summary>
    public (string Id, string WorkingDirectory, JsonObject Spec)? Target(string container) =>
        _records.FirstOrDefault(record => record.Running && (container.Length == 0 ? record.Role == ContainerRole.Main : record.Name == container)) is { } record ? (record.Id, record.WorkingDirectory, Spec(record)) : null;

    /// <summary>Log file of a container's newest (or, with previous, last but one) run, and whether that run still goes on.</summary>
    public (string Path, Func<bool> Running)? Log(string? container, bool previous)
    {
        var record = _records.FirstOrDefault(record => container is null or "" ? record.Role == ContainerRole.Main : record.Name == container);
        int runs = record?.Runs ?? 0, run = runs - (previous ? 2 : 1);
        return record is null || run < 0 ? null : (LogFile(record.Name, run), () => !previous && record.Running && record.Runs == runs);
    }

    /// <summary>Of every container, whether it runs or not.</summary>
    public IEnumerable<string> Images() => [.. _records.Select(record => record.Image)];

    /// <summary>Ids of the containers that run, and the files that their logs are written to.</summary>
    public IEnumerable<(string Id, string Path)> RunningLogs() => [.. _records.Where(record => record is { Running: true, Runs: > 0 }).Select(record => (record.Id, LogFile(record.Name, record.Runs - 1)))];

    private string LogFile(string container, int run) => Path.Combine(_options.StateDirectory, LogPath(container, run));

    private string LogPath(string container, int run) => string.Create(CultureInfo.InvariantCulture, $"logs/{Uid}/{container}-{run}.log");

    private async Task VerifyAsync(ContainerRecord record, HeldCapabilities held)
    {
        try
        {
            Compare(record, await held.VerifyAsync());
        }
        catch (Exception exception) when (exception is ContainerServiceException or IOException)
        {
            Signal(() => { if (record.Running && record.Held == held) Unchecked(record, exception); });
        }
    }

    private void Unchecked(ContainerRecord record, Exception exception) => Stop(record, TimeSpan.Zero, $"Container {record.Name} could not be checked and is ended: {exception.Message}");

    /// <summary>Files and journal as they are to be. When the disk is full they stay as they were, it is tried again, and no container starts meanwhile.</summary>
    private bool Save()
    {
        try
        {
            if (_unwritten) _files.Create(_desired, _pod);
            _unwritten = false;
            _journal.Save(new SavedPod(_address, _started, _terminatingSince, SavedReason.Of(_failure), [.. _records.Select(record => record.Save())], _status));
            _unsaved = null;
            return true;
        }
        catch (IOException exception)
        {
            if (_unsaved is null) Event("Warning", "FailedToSave", $"what the node knows of the pod could not be written: {exception.Message}", 1, "");
            _unsaved = exception.Message;
            return false;
        }
    }

    /// <summary>What could not be written is tried again then.</summary>
    private DateTimeOffset? Again(DateTimeOffset? until, DateTimeOffset now) => _unsaved is null || until < now + SaveAgain ? until : now + SaveAgain;

    private async Task RunAsync(FoundPod? found)
    {
        if (found is null) _journal.Want(_desired);
        Save();
        if (found is not null) Adopt(found.Containers);
        if (_desired.Terminating) Drain();
        _ = PodBounds.WatchAsync(_pod, new PodVolumes(_options, Uid), (reason, message) => Signal(() => Fail(reason, message)), _ended.Token);
        while (true)
        {
            Report();
            Save();
            var now = DateTimeOffset.UtcNow;
            var view = new PodView([.. _records.Select(record => record.View(Hooks.Of(Spec(record), "preStop") is not null))], RestartPolicy, Terminating, _drained || _removed, _terminatingSince,
                _removed ? TimeSpan.Zero : TimeSpan.FromSeconds(_desired.GraceSeconds)) { Failing = _failure is not null };
            switch (PodPlan.Decide(view, now))
            {
                case StartContainer start: Start(Named(start.Name)); break;
                case BeginStop stop:
                    if (Terminating) _terminatingSince ??= now;
                    Stop(Named(stop.Name), stop.Grace, $"Stopping container {stop.Name}");
                    break;
                case RunStopHook hook: StopHook(Named(hook.Name)); break;
                case SendTerm term: await SignalAsync(Named(term.Name), 15, StopPhase.TermSent, now); break;
                case SendKill kill: await SignalAsync(Named(kill.Name), 9, StopPhase.KillSent, now); break;
                case WaitUntil wait: await SignalledAsync(Again(wait.Time, now)); break;
                case Finished when Terminating: await CleanAsync(); return;
                case Finished: await SignalledAsync(Again(null, now)); break;
            }
        }
    }

    /// <summary>The pod is over: its containers end, and nothing starts again.</summary>
    private void Fail(string reason, string message)
    {
        if (_failure is not null || Terminating) return;
        _failure = (reason, message);
        foreach (var record in _records)
        {
            if (record is { Starting: true, Running: false }) record.Beside.Cancel();
            record.RetryAt = null;
        }
        Event("Warning", reason, message, 1, "");
    }

    private ContainerRecord Named(string name) => _records.First(record => record.Name == name);

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

    /// <param name="record">Which.</param>
    /// <param name="begun">An agent before started it and could not tell any more; null: it is to be started.</param>
    private void Start(ContainerRecord record, ContainerStatus? begun = null)
    {
        var previous = record.Runs > 0 ? PodFiles.ContainerId(Uid, record.Name, record.Runs - 1) : "";
        record.Beside = new CancellationTokenSource();
        (record.Starting, record.RetryAt, record.Id) = (true, null, PodFiles.ContainerId(Uid, record.Name, record.Runs));
        if (begun is null) (record.Early, record.Held) = (null, new HeldCapabilities(_containers, record.Id, Compiled(record)));
        if (!Save())
        {
            NotStarted(record, previous, new IOException(_unsaved));
            return;
        }
        var (held, request) = (record.Held!, new StartRequest(_pod, Spec(record), _desired, _address, record.Id, LogPath(record.Name, record.Runs), previous));
        var start = new ContainerStart(_options, _containers(), _images, (reason, message) => Event("Normal", reason, message, 1, record.Name));
        _ = Task.Run(async () =>
        {
            try
            {
                var started = begun is null ? await start.RunAsync(request, record.Beside.Token) : await start.ResumeAsync(request, begun.StartedAt ?? DateTimeOffset.UtcNow, record.Beside.Token);
                Signal(() => Started(record, started));
                Compare(record, await held.VerifyAsync());
                await PostStartAsync(record, request.Container, record.Beside.Token);
            }
            catch (Exception exception)
            {
                Signal(() => NotStarted(record, previous, exception));
            }
        });
    }

    private void Started(ContainerRecord record, StartedContainer started)
    {
        bool again = record.Runs++ > 0;
        if (again) record.Restarts++;
        (record.Running, record.Waiting, record.Failures, record.StartedAt, record.ImageId, record.WorkingDirectory, record.Written) = (true, null, 0, started.At, started.Image.Digest, started.WorkingDirectory, started.Written);
        if (record.Held is { WritesAreAudited: true }) _ = WatchWritesAsync(record, record.Beside.Token);
        Event("Normal", "Started", $"Started container {record.Name}", 1, record.Name);
        if (Hooks.Of(Spec(record), "postStart") is null) Begun(record);
        Recompiled(record); // it may have changed while the container was made
        if (record.Early is { } exited) Ended(record, exited.ExitCode, exited.OutOfMemory);
        if (record.Runs > 2) LogFiles.Delete(LogFile(record.Name, record.Runs - 3));
    }

    /// <summary>Nothing of its start is left to do: the next container may start, and its probes begin.</summary>
    private void Begun(ContainerRecord record)
    {
        record.Starting = false;
        if (!record.Running || record.Stop is not null) return;
        var spec = Spec(record);
        record.Started = spec["startupProbe"] is null;
        record.Ready = record.Started && spec["readinessProbe"] is null;
        if (record.Started) Probe(record, [ProbeKind.Liveness, ProbeKind.Readiness]);
        else Probe(record, [ProbeKind.Startup]);
    }

    private void NotStarted(ContainerRecord record, string previous, Exception exception)
    {
        record.Starting = false;
        if (record.Running) // after its start: the set that it holds could not be read, or the service is gone
        {
            Unchecked(record, exception);
            return;
        }
        record.Id = previous;
        if (exception is OperationCanceledException) return; // the pod is to end
        var reason = exception switch
        {
            ImageNeverPulledException => "ErrImageNeverPull",
            ImageUnavailableException or HttpRequestException => record.Waiting?.Reason is "ErrImagePull" or "ImagePullBackOff" ? "ImagePullBackOff" : "ErrImagePull",
            ContainerConfigException => "CreateContainerConfigError",
            VolumeUnavailableException => "ContainerCreating",
            _ => "RunContainerError",
        };
        bool told = record.Waiting?.Message == exception.Message;
        record.Waiting = (reason, exception.Message);
        record.RetryAt = DateTimeOffset.UtcNow + BackOff.AfterFailures(++record.Failures);
        if (!told) Event("Warning", exception is VolumeUnavailableException ? "FailedMount" : "Failed", exception.Message, 1, record.Name);
        else if (reason == "ImagePullBackOff") Event("Normal", "BackOff", $"Back-off pulling image \"{record.Image}\"", 1, record.Name);
    }

    /// <summary>The set that the kernel holds must be the set that was compiled; otherwise it is a condition of the pod, and the container ends at once, unless its namespace only audits.</summary>
    private void Compare(ContainerRecord record, string? difference)
    {
        if (difference is null && record.Mismatch is null or "") return;
        Signal(() =>
        {
            record.Mismatch = difference ?? "";
            if (difference is null) return;
            Event("Warning", "CapabilityMismatch", $"container {record.Name}: {difference}", 1, record.Name);
            if (record is { Running: true, Stop: null } && record.Held?.Enforced == true) Stop(record, TimeSpan.Zero, $"Container {record.Name} holds another set than was compiled");
        });
    }

    private ProbeChecks Checks(string id, JsonObject container, string workingDirectory) => new(_address.Pod, container, (command, cancellationToken) =>
        _containers().ExecAsync(id, new ExecSpec { Arguments = command, WorkingDirectory = workingDirectory }, cancellationToken));

    private async Task PostStartAsync(ContainerRecord record, JsonObject container, CancellationToken cancellationToken)
    {
        if (Hooks.Of(container, "postStart") is not { } hook) return;
        ProbeOutcome outcome;
        try
        {
            outcome = await Hooks.RunAsync(hook, Checks(record.Id, container, record.WorkingDirectory), cancellationToken);
        }
        catch (OperationCanceledException)
        {
            outcome = new ProbeOutcome(true, ""); // it has ended meanwhile
        }
        Signal(() =>
        {
            if (!outcome.Success && record.Running)
            {
                Event("Warning", "FailedPostStartHook", $"PostStartHook failed: {outcome.Message}", 1, record.Name);
                record.Starting = false;
                Stop(record, Grace(null), $"FailedPostStartHook: container {record.Name} is ended");
            }
            else Begun(record);
        });
    }

    private void Probe(ContainerRecord record, IEnumerable<ProbeKind> kinds)
    {
        var container = Spec(record);
        var checks = Checks(record.Id, container, record.WorkingDirectory);
        foreach (var kind in kinds)
            if (container[ProbeNames.Field(kind)] is JsonObject probe)
            {
                var (id, cancellation) = (record.Id, record.Beside.Token);
                var runner = new ProbeRunner(kind, ProbeTiming.From(probe), ProbeChecks.OverNetwork(probe), kind == ProbeKind.Readiness && record.Ready, token => checks.AskAsync(probe, token));
                _ = runner.RunAsync((state, outcome) => Signal(() =>
                {
                    if (record.Id == id && record.Running) Probed(record, kind, probe, state, outcome);
                }), cancellation);
            }
    }

    private void Probed(ContainerRecord record, ProbeKind kind, JsonObject probe, ProbeState state, ProbeOutcome outcome)
    {
        if (!outcome.Success) Event("Warning", "Unhealthy", $"{kind} probe failed: {outcome.Message}", 1, record.Name);
        if (kind == ProbeKind.Readiness) record.Ready = state.Holds == true;
        if (kind == ProbeKind.Startup && state.Holds == true && !record.Started)
        {
            record.Started = true;
            record.Ready = Spec(record)["readinessProbe"] is null;
            Probe(record, [ProbeKind.Liveness, ProbeKind.Readiness]);
        }
        if (state.Fatal(kind) && record.Stop is null && !Terminating) Stop(record, Grace(probe), $"Container {record.Name} failed {ProbeNames.Word(kind)} probe, will be restarted");
    }

    /// <summary>The probe's own grace, or else the pod's.</summary>
    private TimeSpan Grace(JsonObject? probe) => TimeSpan.FromSeconds((probe?["terminationGracePeriodSeconds"] ?? _pod["spec"]?["terminationGracePeriodSeconds"])?.GetValue<long>() ?? 30);

    private void Stop(ContainerRecord record, TimeSpan grace, string message)
    {
        record.Stop = new ContainerStop(DateTimeOffset.UtcNow, grace);
        Event("Normal", "Killing", message, 1, record.Name);
    }

    private void StopHook(ContainerRecord record)
    {
        record.Stop = record.Stop! with { Phase = StopPhase.Hook };
        var (id, container, cancellation) = (record.Id, Spec(record), record.Beside.Token);
        _ = Task.Run(async () =>
        {
            var outcome = new ProbeOutcome(true, "");
            try
            {
                outcome = await Hooks.RunAsync(Hooks.Of(container, "preStop")!, Checks(id, container, record.WorkingDirectory), cancellation);
            }
            catch (OperationCanceledException)
            {
                // It has ended meanwhile.
            }
            Signal(() =>
            {
                if (!outcome.Success) Event("Warning", "FailedPreStopHook", $"PreStopHook failed: {outcome.Message}", 1, record.Name);
                if (record.Id == id && record.Stop is { Phase: StopPhase.Hook } stop) record.Stop = stop with { Phase = StopPhase.HookDone };
            });
        });
    }

    private void Ended(ContainerRecord record, int exitCode, bool outOfMemory, string? message = null, DateTimeOffset? finishedAt = null)
    {
        Written(record);
        var reason = outOfMemory ? "OOMKilled" : exitCode == 0 ? "Completed" : "Error";
        record.Ended(new ContainerEnd(exitCode, reason, record.StartedAt, finishedAt ?? DateTimeOffset.UtcNow, message ?? _files.TerminationMessage(record.Id, Spec(record), record.Runs > 0 ? LogFile(record.Name, record.Runs - 1) : null, exitCode), record.Id), message != LostMessage);
        var wait = BackOff.AfterEnds(record.Ends);
        if (Terminating || wait == TimeSpan.Zero || !PodPlan.Restarts(RestartPolicy, record.Role, exitCode)) return;
        record.Waiting = ("CrashLoopBackOff", $"back-off {Wording.Duration(wait)} restarting failed container={record.Name} pod={Name}_{Namespace}({Uid})");
        Event("Warning", "BackOff", $"Back-off restarting failed container {record.Name} in pod {Name}_{Namespace}({Uid})", 1, record.Name);
    }

    private async Task SignalAsync(ContainerRecord record, int signal, StopPhase phase, DateTimeOffset now)
    {
        record.Stop = record.Stop! with { Phase = phase, TermAt = record.Stop.TermAt ?? now };
        try
        {
            await _containers().SignalAsync(record.Id, signal, CancellationToken.None);
        }
        catch (ContainerServiceException exception) when (exception.Error is ContainerError.UnknownContainer)
        {
            Ended(record, Lost, false, LostMessage); // of a kernel that is gone
        }
        catch (Exception exception) when (exception is IOException or ContainerServiceException { Error: ContainerError.WrongState })
        {
            // It has ended by itself, or the kernel has: that is told on its own.
        }
    }

    /// <summary>Nobody resolves to this pod any more: waits until the connections that are there have ended, for a while.</summary>
    private void Drain()
    {
        if (_draining) return;
        _draining = true;
        foreach (var record in _records.Where(record => record is { Starting: true, Running: false })) record.Beside.Cancel();
        var longest = TimeSpan.FromSeconds(Math.Min(_desired.GraceSeconds, LongestDrain.TotalSeconds));
        Task.Run(async () =>
        {
            var end = DateTimeOffset.UtcNow + longest;
            for (int idle = 0; idle < 3 && DateTimeOffset.UtcNow < end;)
            {
                idle = Connections.Count(_address.Pod) == 0 ? idle + 1 : 0;
                await Task.Delay(DrainCheck);
            }
            Signal(() => _drained = true);
        });
    }

    private void Event(string type, string reason, string message, int count, string container) =>
        _report(new NodeMessage { PodEvent = new PodEvent { Uid = Uid, Namespace = Namespace, Name = Name, Type = type, Reason = reason, Message = message, Count = count, Container = container } });

    private JsonObject Status() => PodStatus.Of(_records, RestartPolicy, QualityOfService.Of(_pod["spec"]), _address.Pod, "127.0.0.1", _started, _status, _failure, DateTimeOffset.UtcNow);

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
        foreach (var record in _records.Where(record => record.Id.Length > 0))
            try
            {
                await _containers().DeleteAsync(record.Id, CancellationToken.None);
            }
            catch (IOException)
            {
                // The kernel is gone, and the container with it.
            }
        _files.Remove();
        _report(new NodeMessage { PodGone = new PodGone { Uid = Uid, Namespace = Namespace, Name = Name, StatusJson = Status().ToJsonString() } });
    }
}

/// <summary>A pod that an agent before looked after, and the containers that the kernel has now, by id.</summary>
public sealed record FoundPod(SavedPod Known, IReadOnlyDictionary<string, ContainerStatus> Containers);
