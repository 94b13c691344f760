using System.Text.Json.Nodes;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Event;
using Eyrie.ControlPlane.Controllers.Recording;
using Eyrie.ControlPlane.Controllers.Volumes;
using Eyrie.ControlPlane.Controllers.Sharding;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Eyrie.Manifests.Permissions;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers;

public sealed record SessionOpened(Guid Session, NodeHello Hello, ChannelWriter<ControlMessage> Outbound) : ILocalMessage;
public sealed record SessionClosed(Guid Session, string Node) : ILocalMessage;
/// <param name="Room">Released when the report has been taken: who sends them waits for room. null: nobody waits.</param>
public sealed record SessionReport(string Node, NodeMessage Message, SemaphoreSlim? Room = null) : ILocalMessage;

/// <summary>Sends a request to a node's session; answered with <see cref="Sent"/> or a failure.</summary>
public sealed record SendToNode(string Node, ControlMessage Message) : ILocalMessage;
public sealed record Sent : ILocalMessage;

/// <summary>
/// Every connected node: pushes what it should run and the table of Services, takes what it reports. A pod that is being deleted is told to end only
/// when no connected node resolves to it any more.
/// </summary>
public sealed class NodeSessionsActor : ReceiveActor, IWithTimers
{
    private sealed class Session(Guid id, NodeHello hello, ChannelWriter<ControlMessage> outbound)
    {
        public Guid Id { get; } = id;
        public NodeHello Hello { get; } = hello;
        public ChannelWriter<ControlMessage> Outbound { get; } = outbound;
        public Dictionary<string, (DesiredPod Pod, IReadOnlyList<CapabilityEntry.ConnectPods> Grants)> Told { get; } = [];
        public long Acknowledged { get; set; }
    }

    private sealed record NodeAbsent(string Node) : ILocalMessage;
    private sealed record RenewLeases : ILocalMessage;
    private sealed record Wrote(string Uid) : ILocalMessage;
    private sealed record Failed(string What, Exception Cause) : ILocalMessage;

    private static readonly HashSet<ResourceKind> Known = [Kinds.Pod, Kinds.Service, Kinds.Namespace, Kinds.NetworkPolicy, Kinds.PermissionSet, Kinds.PermissionRecord];

    /// <summary>How long a node may be away before its pods leave the table of Services: an agent that is started anew finds them running. One that is gone refuses, and another endpoint is asked.</summary>
    private static readonly TimeSpan Return = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan Renewal = TimeSpan.FromSeconds(10);

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ObjectCache _cache;
    private readonly IObjects _objects;
    private readonly EventWriter _events;
    private readonly RecordWriter _records;
    private readonly TimeProvider _clock;
    private readonly PodStatistics _statistics;
    private readonly ControllerOptions _options;
    private readonly Dictionary<string, Session> _sessions = [];
    private readonly HashSet<string> _lost = []; // nodes whose session ended and is not there again
    private readonly Dictionary<CapabilityEntry.ConnectPods, int> _granted = []; // how many pods were told that they may connect there
    private readonly Dictionary<ObjectName, (string Uid, long LeftAt)> _leaving = []; // pods being deleted: first table revision without them
    private readonly Dictionary<string, List<NodeMessage>> _reports = []; // one write at a time for each pod, in order
    private IReadOnlyList<ServicePort> _table = [];
    private IReadOnlyList<string> _closed = [];
    private readonly Dictionary<ObjectName, string> _closedPods = []; // addresses of pods that accept only whom they name
    private long _revision = 1;
    private bool _looked; // at what was there before this actor was

    public ITimerScheduler Timers { get; set; } = null!;

    public NodeSessionsActor(ObjectCache cache, IObjects objects, EventWriter events, TimeProvider clock, PodStatistics statistics, RecordWriter records, ControllerOptions options)
    {
        _records = records;
        (_cache, _objects, _events, _clock, _statistics, _options) = (cache, objects, events, clock, statistics, options);
        Receive<FeedBatch>(OnFeed);
        Receive<SessionOpened>(OnOpened);
        Receive<SessionClosed>(OnClosed);
        Receive<SessionReport>(report =>
        {
            report.Room?.Release();
            OnReport(report);
        });
        Receive<SendToNode>(send =>
        {
            if (_sessions.TryGetValue(send.Node, out var session) && session.Outbound.TryWrite(send.Message)) Sender.Tell(new Sent());
            else Sender.Tell(new Status.Failure(new NodeUnreachableException($"node {send.Node} is not connected")));
        });
        Receive<NodeAbsent>(absent => OnAbsent(absent.Node));
        Receive<RenewLeases>(_ => { foreach (var node in _sessions.Keys) Run("renewing the lease of " + node, RenewAsync(node)); Missed(); });
        Receive<Wrote>(wrote => NextReport(wrote.Uid));
        Receive<Failed>(failed => _log.Warning("{0}: {1}", failed.What, failed.Cause.Message));
    }

    protected override void PreStart()
    {
        FeedBatch.Follow(Context, _cache);
        LookOnce();
        Timers.StartPeriodicTimer("leases", new RenewLeases(), Renewal);
    }

    /// <summary>What every node was told is forgotten: they connect anew and are told everything.</summary>
    protected override void PreRestart(Exception reason, object message)
    {
        foreach (var session in _sessions.Values) session.Outbound.TryComplete();
        base.PreRestart(reason, message);
    }

    private void Run(string what, Task task) => task.PipeTo(Self, success: () => new Wrote(""), failure: exception => new Failed(what, exception));

    /// <summary>At what there is already, before the first node is told anything.</summary>
    private void LookOnce()
    {
        if (_looked || !_cache.IsListed) return;
        _looked = true;
        CloseAll();
        Retable();
    }

    private void OnFeed(FeedBatch batch)
    {
        LookOnce();
        if (batch.Kind == Kinds.Node)
            foreach (var change in batch.Changes.Where(change => change.Type == ChangeType.Deleted))
                if (_sessions.TryGetValue(change.Name.Name, out var connected)) Run("registering " + change.Name.Name, RegisterAsync(connected.Hello)); // it is there all the same
        if (batch.Kind == Kinds.Service && batch.Changes.Any(change => change.Type == ChangeType.Deleted && change.Name == ClusterApiService.Name)) Run("making the Service of the API anew", ClusterApiService.EnsureAsync(_objects, _options, CancellationToken.None));
        if (batch.Changes.Count == 0) return;
        if (batch.Kind == Kinds.PersistentVolume) foreach (var change in batch.Changes.Where(change => change.Type != ChangeType.Deleted)) Unwanted(change.Document);
        if (batch.Kind == Kinds.ConfigMap || batch.Kind == Kinds.Secret || batch.Kind == Kinds.PersistentVolumeClaim) Referenced(batch);
        if (!Known.Contains(batch.Kind) || batch.Kind == Kinds.PermissionRecord && !batch.Changes.Any(BeginsOrEnds)) return;
        Close(batch);
        if (batch.Kind != Kinds.Pod || batch.Changes.Any(EndpointsPlan.Concerns)) Retable();
        if (batch.Kind != Kinds.Pod || DecidesForOthers(batch)) foreach (var session in _sessions.Values) PushAll(session);
        var around = DesiredPods.Around(_cache);
        if (batch.Kind == Kinds.Pod)
            foreach (var change in batch.Changes.Where(change => !change.OnlyStatus || change.Document.IsDeleted())) Push(change, around);
    }

    /// <summary>Of a record: what was counted meanwhile concerns no pod.</summary>
    private static bool BeginsOrEnds(ObjectChange change) => change.Type == ChangeType.Deleted || change.Previous is not { } before || !change.OnlyStatus || PermissionRecord.Runs(before) != PermissionRecord.Runs(change.Document);

    /// <summary>Who accepts whom is compiled into the sets of those who connect or call.</summary>
    private bool DecidesForOthers(FeedBatch batch) => _cache.All(Kinds.NetworkPolicy).Count > 0
        || batch.Changes.Any(change => change.Document["spec"]?["containers"] is JsonArray containers && containers.Any(container => container.At("permissions", "accept") is not null))
        || DesiredPods.Around(_cache) is var around && batch.Changes.Any(change => GatePublishers.Publishes(change.Document, around));

    /// <summary>Pods hear of a change of what they name, and of nothing else.</summary>
    private void Referenced(FeedBatch batch)
    {
        var changed = batch.Changes.Select(change => (change.Name.Namespace, new PodReference(batch.Kind.Kind, change.Name.Name))).ToHashSet();
        var around = DesiredPods.Around(_cache);
        foreach (var pod in _cache.All(Kinds.Pod).Where(pod => !pod.IsOver()))
            if (_sessions.TryGetValue(pod.NodeName(), out var session) && PodReferences.Of(pod).Any(reference => changed.Contains((pod.Namespace(), reference)))) Push(session, pod, around);
    }

    /// <summary>Which pods are closed is kept pod by pod; a policy may change it of any.</summary>
    private void Close(FeedBatch batch)
    {
        if (batch.Kind != Kinds.Pod && batch.Kind != Kinds.NetworkPolicy) return;
        if (batch.Kind == Kinds.NetworkPolicy) { CloseAll(); return; }
        var policies = ClosedPods.Policies(_cache.All(Kinds.NetworkPolicy));
        foreach (var change in batch.Changes) Close(change.Name, change.Type == ChangeType.Deleted ? null : change.Document, policies);
    }

    private void CloseAll()
    {
        var policies = ClosedPods.Policies(_cache.All(Kinds.NetworkPolicy));
        foreach (var pod in _cache.All(Kinds.Pod)) Close(ObjectStamp.NameOf(pod), pod, policies);
    }

    private void Close(ObjectName name, JsonObject? pod, NetworkPolicies policies)
    {
        if (pod is not null && ClosedPods.IsClosed(pod, policies)) _closedPods[name] = pod.PodAddress();
        else _closedPods.Remove(name);
    }

    private void Retable()
    {
        var services = _cache.All(Kinds.Service);
        var table = EndpointsPlan.Decide(services, services.Count + _granted.Count == 0 ? [] : _cache.All(Kinds.Pod), _lost, _granted.Keys, _options.Api);
        IReadOnlyList<string> closed = [.. _closedPods.Values.Order(StringComparer.Ordinal)];
        if (table.SequenceEqual(_table) && closed.SequenceEqual(_closed)) return;
        (_table, _closed) = (table, closed);
        _revision++;
        foreach (var session in _sessions.Values) session.Outbound.TryWrite(Table());
    }

    private ControlMessage Table()
    {
        var services = new Services { Revision = _revision };
        services.Ports.AddRange(_table);
        services.Closed.AddRange(_closed);
        return new ControlMessage { Services = services };
    }

    private void Push(ObjectChange change, CompileContext around)
    {
        var pod = change.Document;
        if (change.Type == ChangeType.Deleted) _leaving.Remove(change.Name);
        if (!_sessions.TryGetValue(pod.NodeName(), out var session)) return;
        if (change.Type == ChangeType.Deleted)
        {
            if (session.Told.Remove(pod.Uid(), out var told)) Count(told.Grants, -1);
            session.Outbound.TryWrite(new ControlMessage { Remove = new RemovePod { Uid = pod.Uid() } });
        }
        else Push(session, pod, around);
    }

    private void Push(Session session, JsonObject pod, CompileContext around)
    {
        bool terminating = false;
        if (pod.IsDeleted())
        {
            var name = ObjectStamp.NameOf(pod);
            if (!_leaving.TryGetValue(name, out var leaving) || leaving.Uid != pod.Uid()) _leaving[name] = leaving = (pod.Uid(), _revision);
            terminating = pod.Metadata()["deletionGracePeriodSeconds"]?.GetValue<long>() == 0 || _sessions.Values.All(other => other.Acknowledged >= leaving.LeftAt);
        }
        bool known = session.Told.TryGetValue(pod.Uid(), out var told);
        if (!known && !pod.IsDeleted() && pod["status"]?["startTime"] is null && !ClaimsAreBound(pod)) return; // it is told when they are
        var desired = DesiredPods.For(pod, around, Object, terminating);
        if (known && told.Pod.Equals(desired)) return;
        var grants = EndpointsPlan.PodGrants(desired).ToList();
        session.Told[pod.Uid()] = (desired, grants);
        bool more = Count(grants, 1);
        if (known) Count(told.Grants, -1);
        if (more) Retable(); // the table first: what is granted can be found
        session.Outbound.TryWrite(new ControlMessage { Desired = desired });
    }

    /// <summary>True: somebody may connect where nobody might before.</summary>
    private bool Count(IEnumerable<CapabilityEntry.ConnectPods> grants, int by)
    {
        bool more = false;
        foreach (var grant in grants)
        {
            int now = _granted.GetValueOrDefault(grant) + by;
            more |= by > 0 && now == by;
            if (now > 0) _granted[grant] = now;
            else _granted.Remove(grant);
        }
        return more;
    }

    private JsonObject? Object(PodReference reference, string @namespace) =>
        _cache.Get(reference.Kind switch { "Secret" => Kinds.Secret, "PersistentVolumeClaim" => Kinds.PersistentVolumeClaim, _ => Kinds.ConfigMap }, new ObjectName(@namespace, reference.Name));

    private bool ClaimsAreBound(JsonObject pod) => LocalVolume.ClaimsOf(pod).All(name => _cache.Get(Kinds.PersistentVolumeClaim, new ObjectName(pod.Namespace(), name)) is { } claim && claim.Phase() == "Bound");

    /// <summary>A volume that no claim has any more: its node is to remove the directory, now or when it is back.</summary>
    private void Unwanted(JsonObject volume)
    {
        if (LocalVolume.IsToBeRemoved(volume) && LocalVolume.NodeOf(volume) is { } node && _sessions.TryGetValue(node, out var session)) session.Outbound.TryWrite(new ControlMessage { RemoveVolume = new RemoveVolume { Name = volume.Name() } });
    }

    private async Task VolumeGoneAsync(string name)
    {
        if (_cache.Get(Kinds.PersistentVolume, new ObjectName("", name)) is { } volume && LocalVolume.IsToBeRemoved(volume)) await _objects.UpdateAsync(Kinds.PersistentVolume, LocalVolume.Removed(volume), CancellationToken.None);
    }

    private int PushAll(Session session)
    {
        var pods = _cache.OnNode(session.Hello.NodeName).Where(pod => !pod.IsOver()).ToList();
        var around = DesiredPods.Around(_cache);
        foreach (var pod in pods) Push(session, pod, around);
        return pods.Count;
    }

    private void OnOpened(SessionOpened opened)
    {
        var name = opened.Hello.NodeName;
        if (_sessions.Remove(name, out var old)) End(old);
        var session = new Session(opened.Session, opened.Hello, opened.Outbound);
        _sessions[name] = session;
        if (_lost.Remove(name)) Retable();
        Timers.Cancel(AbsenceOf(name));
        opened.Outbound.TryWrite(new ControlMessage { Welcome = new Welcome { NodeName = name, ClusterServiceRange = $"127.{_options.ClusterOctet}.0.0/20" } });
        opened.Outbound.TryWrite(Table());
        int pods = PushAll(session);
        var synced = new Synced { Pods = pods };
        synced.Over.AddRange(_cache.OnNode(name).Where(pod => pod.IsOver()).Select(pod => pod.Uid()));
        opened.Outbound.TryWrite(new ControlMessage { Synced = synced });
        foreach (var volume in _cache.All(Kinds.PersistentVolume)) if (LocalVolume.NodeOf(volume) == name) Unwanted(volume);
        Run("registering " + name, RegisterAsync(opened.Hello));
    }

    private void End(Session session)
    {
        session.Outbound.TryComplete();
        foreach (var (_, grants) in session.Told.Values) Count(grants, -1);
    }

    private void OnClosed(SessionClosed closed)
    {
        if (!_sessions.TryGetValue(closed.Node, out var session) || session.Id != closed.Session) return;
        _sessions.Remove(closed.Node);
        End(session);
        Timers.StartSingleTimer(AbsenceOf(closed.Node), new NodeAbsent(closed.Node), Return);
        Released();
    }

    private static string AbsenceOf(string node) => node + "/absence";

    private void OnAbsent(string node)
    {
        if (_sessions.ContainsKey(node)) return;
        _lost.Add(node);
        Retable(); // nobody is sent to it from now on
        Run("marking " + node + " lost", LostAsync(node));
    }

    private void OnReport(SessionReport report)
    {
        switch (report.Message.MessageCase)
        {
            case NodeMessage.MessageOneofCase.ServicesApplied:
                if (_sessions.TryGetValue(report.Node, out var session)) session.Acknowledged = report.Message.ServicesApplied.Revision;
                Released();
                break;
            case NodeMessage.MessageOneofCase.PermissionUses: _records.Write(report.Message.PermissionUses); break;
            case NodeMessage.MessageOneofCase.PodStatus: Enqueue(report.Message.PodStatus.Uid, report.Message); break;
            case NodeMessage.MessageOneofCase.PodGone: Enqueue(report.Message.PodGone.Uid, report.Message); break;
            case NodeMessage.MessageOneofCase.VolumeGone: Run("removing volume " + report.Message.VolumeGone.Name, VolumeGoneAsync(report.Message.VolumeGone.Name)); break;
            case NodeMessage.MessageOneofCase.NodeStatus:
                if (!_sessions.TryGetValue(report.Node, out var node)) break;
                node.Hello.NotReady = report.Message.NodeStatus.NotReady;
                node.Hello.Conditions.Clear();
                node.Hello.Conditions.Add(report.Message.NodeStatus.Conditions);
                Run("telling the conditions of " + report.Node, RegisterAsync(node.Hello));
                break;
            case NodeMessage.MessageOneofCase.Usage: _statistics.Take(report.Node, report.Message.Usage); break;
            case NodeMessage.MessageOneofCase.PodEvent:
                var told = report.Message.PodEvent;
                if (_cache.Get(Kinds.Pod, new ObjectName(told.Namespace, told.Name)) is { } pod) _events.Write(pod, told.Type, told.Reason, told.Message, Math.Max(1, told.Count), told.Series);
                break;
            case NodeMessage.MessageOneofCase.ServiceEvent:
                var said = report.Message.ServiceEvent;
                if (_cache.Get(Kinds.Service, new ObjectName(said.Namespace, said.Name)) is { } service) _events.Write(service, said.Type, said.Reason, said.Message, 1);
                break;
        }
    }

    /// <summary>Another node has acknowledged, or left: pods that waited for it may end now.</summary>
    private void Released()
    {
        if (_leaving.Count == 0) return;
        var around = DesiredPods.Around(_cache);
        foreach (var name in _leaving.Keys.ToList())
            if (_cache.Get(Kinds.Pod, name) is { } pod && pod.IsDeleted() && _sessions.TryGetValue(pod.NodeName(), out var session)) Push(session, pod, around);
    }

    private void Enqueue(string uid, NodeMessage message)
    {
        if (!_reports.TryGetValue(uid, out var waiting))
        {
            _reports[uid] = [];
            Write(uid, message);
        }
        else if (message.MessageCase == NodeMessage.MessageOneofCase.PodStatus && waiting is [.., { MessageCase: NodeMessage.MessageOneofCase.PodStatus }]) waiting[^1] = message; // complete, and newer
        else waiting.Add(message);
    }

    private void NextReport(string uid)
    {
        if (!_reports.TryGetValue(uid, out var waiting)) return;
        if (waiting is [var next, ..])
        {
            waiting.RemoveAt(0);
            Write(uid, next);
        }
        else _reports.Remove(uid);
    }

    private void Write(string uid, NodeMessage message)
    {
        var self = Self;
        WriteAsync(message).PipeTo(self, success: () => new Wrote(uid), failure: exception =>
        {
            self.Tell(new Failed("a pod's status", exception));
            return new Wrote(uid);
        });
    }

    private async Task WriteAsync(NodeMessage message)
    {
        bool gone = message.MessageCase == NodeMessage.MessageOneofCase.PodGone;
        var (uid, name, status) = gone
            ? (message.PodGone.Uid, new ObjectName(message.PodGone.Namespace, message.PodGone.Name), message.PodGone.StatusJson)
            : (message.PodStatus.Uid, new ObjectName(message.PodStatus.Namespace, message.PodStatus.Name), message.PodStatus.StatusJson);
        try
        {
            await WriteAsync(name, uid, status);
            if (gone && await _objects.GetAsync(Kinds.Pod, name, CancellationToken.None) is { } pod && pod.IsDeleted())
                await _objects.DeleteAsync(Kinds.Pod, name, new DeleteOptions(0, uid), CancellationToken.None);
        }
        catch (Exception exception) when (exception is ObjectNotFoundException or ObjectConflictException)
        {
            // The pod is gone, or another has its name: the report is about nothing any more.
        }
    }

    /// <summary>Another may have written between: its conditions are kept as well.</summary>
    private Task WriteAsync(ObjectName name, string uid, string status) => _objects.ChangeAsync(Kinds.Pod, name, stored => stored.Uid() == uid && PodReports.Merge(stored, JsonNode.Parse(status)), CancellationToken.None);

    private async Task RegisterAsync(NodeHello hello)
    {
        var name = new ObjectName("", hello.NodeName);
        var node = await _objects.GetAsync(Kinds.Node, name, CancellationToken.None) ?? await _objects.CreateAsync(Kinds.Node, NodeObjects.New(hello), CancellationToken.None);
        await _objects.UpdateStatusAsync(Kinds.Node, NodeObjects.WithStatus(node, hello, _clock.GetUtcNow()), CancellationToken.None);
        await RenewAsync(hello.NodeName);
    }

    private async Task RenewAsync(string name)
    {
        if (await _objects.GetAsync(Kinds.Node, new ObjectName("", name), CancellationToken.None) is not { } node) return;
        var lease = NodeObjects.Lease(node, _clock.GetUtcNow());
        try
        {
            await _objects.UpdateAsync(Kinds.Lease, lease, CancellationToken.None);
        }
        catch (ObjectNotFoundException)
        {
            await _objects.CreateAsync(Kinds.Lease, lease, CancellationToken.None);
        }
    }

    /// <summary>Nodes that say that they are ready and have no session: they were lost while no control plane ran, if their lease is over as well.</summary>
    private void Missed()
    {
        foreach (var node in _cache.All(Kinds.Node).Where(node => node.IsReady() && !_sessions.ContainsKey(node.Name()) && !_lost.Contains(node.Name()))) Run("looking for " + node.Name(), MissedAsync(node.Name()));
    }

    private async Task MissedAsync(string node)
    {
        var lease = await _objects.GetAsync(Kinds.Lease, new ObjectName(NodeObjects.LeaseNamespace, node), CancellationToken.None);
        if (Views.Time(lease?["spec"]?["renewTime"]?.ToString()) is not { } renewed || renewed.AddSeconds(lease!["spec"]!["leaseDurationSeconds"].Int(40)) < _clock.GetUtcNow()) await LostAsync(node);
    }

    private async Task LostAsync(string node)
    {
        if (await _objects.GetAsync(Kinds.Node, new ObjectName("", node), CancellationToken.None) is { } document)
            await _objects.UpdateStatusAsync(Kinds.Node, NodeObjects.Lost(document, _clock.GetUtcNow()), CancellationToken.None);
    }
}
