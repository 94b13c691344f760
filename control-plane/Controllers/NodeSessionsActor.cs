using System.Text.Json.Nodes;
using System.Threading.Channels;
using Akka.Actor;
using Akka.Event;
using Eyrie.ControlPlane.Controllers.Nodes;
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
    private readonly PodStatistics _statistics;
    private readonly ControllerOptions _options;
    private readonly NodeRegistration _registration;
    private readonly EndpointTable _table;
    private readonly PodReportQueue _reports = new();
    private readonly Dictionary<string, NodeSession> _sessions = [];
    private readonly Dictionary<ObjectName, (string Uid, long LeftAt)> _leaving = []; // pods being deleted: first table revision without them
    private bool _looked; // at what was there before this actor was

    public ITimerScheduler Timers { get; set; } = null!;

    public NodeSessionsActor(ObjectCache cache, IObjects objects, EventWriter events, TimeProvider clock, PodStatistics statistics, RecordWriter records, ControllerOptions options)
    {
        (_cache, _objects, _events, _statistics, _records, _options) = (cache, objects, events, statistics, records, options);
        (_registration, _table) = (new NodeRegistration(cache, objects, clock), new EndpointTable(cache, options.Api));
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
        Receive<RenewLeases>(_ => { foreach (var node in _sessions.Keys) Run("renewing the lease of " + node, _registration.RenewAsync(node)); Missed(); });
        Receive<Wrote>(wrote => NextReport(wrote.Uid));
        Receive<Failed>(failed => _log.Failed(failed.What, failed.Cause));
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
        _table.CloseAll();
        Retable();
    }

    private void OnFeed(FeedBatch batch)
    {
        LookOnce();
        if (batch.Kind == Kinds.Node)
            foreach (var change in batch.Changes.Where(change => change.Type == ChangeType.Deleted))
                if (_sessions.TryGetValue(change.Name.Name, out var connected)) Run("registering " + change.Name.Name, _registration.RegisterAsync(connected.Hello)); // it is there all the same
        if (batch.Kind == Kinds.Service && batch.Changes.Any(change => change.Type == ChangeType.Deleted && change.Name == ClusterApiService.Name)) Run("making the Service of the API anew", ClusterApiService.EnsureAsync(_objects, _options, CancellationToken.None));
        if (batch.Changes.Count == 0) return;
        if (batch.Kind == Kinds.PersistentVolume) foreach (var change in batch.Changes.Where(change => change.Type != ChangeType.Deleted)) Unwanted(change.Document);
        if (batch.Kind == Kinds.ConfigMap || batch.Kind == Kinds.Secret || batch.Kind == Kinds.PersistentVolumeClaim) Referenced(batch);
        if (!Known.Contains(batch.Kind) || batch.Kind == Kinds.PermissionRecord && !batch.Changes.Any(BeginsOrEnds)) return;
        _table.Close(batch);
        if (batch.Kind != Kinds.Pod || batch.Changes.Any(EndpointsPlan.Concerns)) Retable();
        if (batch.Kind != Kinds.Pod || DecidesForOthers(batch)) foreach (var session in _sessions.Values) PushAll(session);
        var around = DesiredPods.Around(_cache);
        if (batch.Kind == Kinds.Pod)
            foreach (var change in batch.Changes.Where(change => !change.OnlyStatus || change.Document.IsDeleted())) Push(change, around);
    }

    /// <summary>Of a record: what was counted meanwhile concerns no pod.</summary>
    private static bool BeginsOrEnds(ObjectChange change) => change.Type == ChangeType.Deleted || change.Previous is not { } before || !change.OnlyStatus || PermissionRecord.Runs(before) != PermissionRecord.Runs(change.Document);

    /// <summary>Who accepts whom is compiled into the sets of those who connect or call.</summary>
    private bool DecidesForOthers(FeedBatch batch)
    {
        var around = DesiredPods.Around(_cache);
        var acceptance = new Acceptance(around);
        return _cache.All(Kinds.NetworkPolicy).Count > 0 || batch.Changes.Any(change => acceptance.IsClosed(change.Document) || GatePublishers.Publishes(change.Document, around));
    }

    /// <summary>Pods hear of a change of what they name, and of nothing else.</summary>
    private void Referenced(FeedBatch batch)
    {
        var changed = batch.Changes.Select(change => (change.Name.Namespace, new PodReference(batch.Kind.Kind, change.Name.Name))).ToHashSet();
        var around = DesiredPods.Around(_cache);
        foreach (var pod in _cache.All(Kinds.Pod).Where(pod => !pod.IsOver()))
            if (_sessions.TryGetValue(pod.NodeName(), out var session) && PodReferences.Of(pod).Any(reference => changed.Contains((pod.Namespace(), reference)))) Push(session, pod, around);
    }

    private void Retable()
    {
        if (!_table.Renew()) return;
        foreach (var session in _sessions.Values) session.Outbound.TryWrite(_table.Message());
    }

    private void Push(ObjectChange change, CompileContext around)
    {
        var pod = change.Document;
        if (change.Type == ChangeType.Deleted) _leaving.Remove(change.Name);
        if (!_sessions.TryGetValue(pod.NodeName(), out var session)) return;
        if (change.Type == ChangeType.Deleted)
        {
            if (session.Told.Remove(pod.Uid(), out var told)) _table.Count(told.Grants, -1);
            session.Outbound.TryWrite(new ControlMessage { Remove = new RemovePod { Uid = pod.Uid() } });
        }
        else Push(session, pod, around);
    }

    private void Push(NodeSession session, JsonObject pod, CompileContext around)
    {
        bool terminating = false;
        if (pod.IsDeleted())
        {
            var name = ObjectStamp.NameOf(pod);
            if (!_leaving.TryGetValue(name, out var leaving) || leaving.Uid != pod.Uid()) _leaving[name] = leaving = (pod.Uid(), _table.Revision);
            terminating = pod.Metadata()["deletionGracePeriodSeconds"]?.GetValue<long>() == 0 || _sessions.Values.All(other => other.Acknowledged >= leaving.LeftAt);
        }
        bool known = session.Told.TryGetValue(pod.Uid(), out var told);
        if (!known && !pod.IsDeleted() && pod["status"]?["startTime"] is null && !ClaimsAreBound(pod)) return; // it is told when they are
        var desired = DesiredPods.For(pod, around, Object, terminating);
        if (known && told.Pod.Equals(desired)) return;
        var grants = EndpointsPlan.PodGrants(desired).ToList();
        session.Told[pod.Uid()] = (desired, grants);
        bool more = _table.Count(grants, 1);
        if (known) _table.Count(told.Grants, -1);
        if (more) Retable(); // the table first: what is granted can be found
        session.Outbound.TryWrite(new ControlMessage { Desired = desired });
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

    private int PushAll(NodeSession session)
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
        var session = new NodeSession(opened.Session, opened.Hello, opened.Outbound);
        _sessions[name] = session;
        if (_table.Lost.Remove(name)) Retable();
        Timers.Cancel(AbsenceOf(name));
        opened.Outbound.TryWrite(new ControlMessage { Welcome = new Welcome { NodeName = name, ClusterServiceRange = $"127.{_options.ClusterOctet}.0.0/20" } });
        opened.Outbound.TryWrite(_table.Message());
        int pods = PushAll(session);
        var synced = new Synced { Pods = pods };
        synced.Over.AddRange(_cache.OnNode(name).Where(pod => pod.IsOver()).Select(pod => pod.Uid()));
        opened.Outbound.TryWrite(new ControlMessage { Synced = synced });
        foreach (var volume in _cache.All(Kinds.PersistentVolume)) if (LocalVolume.NodeOf(volume) == name) Unwanted(volume);
        Run("registering " + name, _registration.RegisterAsync(opened.Hello));
    }

    private void End(NodeSession session)
    {
        session.Outbound.TryComplete();
        foreach (var (_, grants) in session.Told.Values) _table.Count(grants, -1);
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
        _table.Lost.Add(node);
        Retable(); // nobody is sent to it from now on
        Run("marking " + node + " lost", _registration.LostAsync(node));
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
                node.Now(report.Message.NodeStatus);
                Run("telling the status of " + report.Node, _registration.RegisterAsync(node.Hello));
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
        if (_reports.Take(uid, message)) Write(uid, message);
    }

    private void NextReport(string uid)
    {
        if (_reports.Next(uid) is { } next) Write(uid, next);
    }

    private void Write(string uid, NodeMessage message)
    {
        var self = Self;
        PodReportQueue.WriteAsync(_objects, message).PipeTo(self, success: () => new Wrote(uid), failure: exception =>
        {
            self.Tell(new Failed("a pod's status", exception));
            return new Wrote(uid);
        });
    }

    /// <summary>Nodes that say that they are ready and have no session: they were lost while no control plane ran, if their lease is over as well.</summary>
    private void Missed()
    {
        foreach (var node in _cache.All(Kinds.Node).Where(node => node.IsReady() && !_sessions.ContainsKey(node.Name()) && !_table.Lost.Contains(node.Name()))) Run("looking for " + node.Name(), _registration.MissedAsync(node.Name()));
    }
}
