using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Controllers.Scheduling;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;

namespace Eyrie.Controllers.Tests.Simulation;

/// <summary>A rule was broken; the message says which, when, and the seed that shows it again.</summary>
public sealed class RuleBroken(string message) : Exception(message);

public delegate IReadOnlyList<WorkloadAction> DeploymentDecide(JsonObject deployment, IEnumerable<JsonObject> sets, DateTimeOffset now);

/// <summary>
/// One Deployment, its ReplicaSets, scheduler and nodes under one virtual clock and one seed. Each actor sees the store late and by itself, crashes in the middle of
/// its actions and lists anew; nodes are slow, lost and come back; pods stop being ready; the user applies, scales, pauses and undoes. The plans are the real ones.
/// </summary>
public sealed class DeploymentSimulation
{
    private static readonly ResourceKind[] Watched = [Kinds.Deployment, Kinds.ReplicaSet, Kinds.Pod, Kinds.Node];
    private static readonly ObjectName Name = new("default", "web");
    private const int Nodes = 4, PodCpu = 200, NodeCpu = 2_000;

    private sealed class Actor(SimulatedStore store)
    {
        public SimulatedView View { get; } = new(store);
        public Dictionary<ResourceKind, int> Awaited { get; } = [];
    }

    private readonly int _seed;
    private readonly Random _chance;
    private readonly DeploymentDecide _decide;
    private readonly SimulatedStore _store;
    private readonly Actor _deployments, _sets, _scheduler;
    private readonly HashSet<string> _up = []; // pods that are available, or were until a fault
    private readonly Dictionary<string, DateTimeOffset> _startsAt = [];
    private readonly Dictionary<(string Uid, string Generation), (int Least, int Most)> _decided = []; // bounds when a set was given a size
    private int _ghosts; // pods that faults removed and that nobody may have noticed yet
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private int _version;

    public DeploymentSimulation(int seed, DeploymentDecide decide)
    {
        (_seed, _decide, _chance) = (seed, decide, new Random(seed));
        _store = new SimulatedStore(_chance, () => _now);
        (_deployments, _sets, _scheduler) = (new(_store), new(_store), new(_store));
        for (int i = 0; i < Nodes; i++) AddNode(i);
        _store.Put(Kinds.Deployment, Deployment());
    }

    /// <exception cref="RuleBroken"/>
    public void Run(int steps)
    {
        for (int i = 0; i < steps; i++) Step();
        Settle();
    }

    private JsonObject Deployment()
    {
        int surge = _chance.Next(0, 3), unavailable = _chance.Next(surge == 0 ? 1 : 0, 3);
        return ObjectStamp.New(Kinds.Deployment, Documents.Json($$$$$"""
            {"metadata":{"name":"web","namespace":"default"},"spec":{"replicas":{{{{{_chance.Next(1, 8)}}}}},"minReadySeconds":{{{{{_chance.Next(2) * 5}}}}},"revisionHistoryLimit":2,"selector":{"matchLabels":{"app":"web"}},
             "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":{{{{{surge}}}}},"maxUnavailable":{{{{{unavailable}}}}}}},
             "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"web:0","resources":{"requests":{"cpu":"200m"}}}]}}}}
            """), new Guid(_seed, 0, 0, new byte[8]), _now, "");
    }

    private void Step()
    {
        switch (_chance.Next(24))
        {
            case < 4: Follow(_deployments); Decide(); break;
            case < 8: Follow(_sets); DecideSets(); break;
            case < 11: Follow(_scheduler); Schedule(); break;
            case < 16: _now += TimeSpan.FromSeconds(_chance.Next(1, 6)); RunNodes(); break;
            case < 18: RunNodes(); break;
            case 18: Apply(); break;
            case 19: Crash(); break;
            case 20: LoseNode(); break;
            case 21: AddNode(_chance.Next(Nodes)); break;
            case 22: Fault(); break;
            default: Decide(); DecideSets(); break; // told again of what is known already
        }
    }

    private void Follow(Actor actor, int most = 0)
    {
        foreach (var kind in Watched.OrderBy(_ => _chance.Next())) actor.View.Follow(kind, most > 0 ? most : _chance.Next(8));
    }

    private bool Ready(Actor actor) => actor.Awaited.All(pair => actor.View.Knows(pair.Key, pair.Value));

    private void Decide(bool whole = false)
    {
        if (!Ready(_deployments) || _deployments.View.Cache.Get(Kinds.Deployment, Name) is not { } deployment) return;
        var sets = _deployments.View.Cache.All(Kinds.ReplicaSet);
        // Where fewer than the least serve already, those it knows of are to stay; one that became available since is nobody's fault.
        int known = sets.Sum(set => Math.Min(set["spec"]!["replicas"].Int(), set["status"]?["availableReplicas"].Int() ?? 0));
        Act(_deployments, _decide(deployment, sets, _now), whole);
        // What the plan was given bounds what its sets may do with the sizes it gave them.
        int wanted = deployment["spec"]!["replicas"].Int(1);
        var (surge, unavailable) = DeploymentPlan.Bounds(deployment["spec"]!.AsObject(), wanted);
        foreach (var set in _store.All(Kinds.ReplicaSet)) _decided.TryAdd(Sizing(set), (Math.Min(known, wanted - unavailable), wanted + surge));
    }

    private void DecideSets(bool whole = false)
    {
        if (!Ready(_sets)) return;
        foreach (var set in _sets.View.Cache.All(Kinds.ReplicaSet).OrderBy(set => set.Name(), StringComparer.Ordinal).ToList())
            if (!Act(_sets, ReplicaSetPlan.Decide(set, _sets.View.Cache.PodsOwnedBy(set.Uid()).OrderBy(pod => pod.Document.Name(), StringComparer.Ordinal), _now), whole, action => Check(set, action))) return;
    }

    /// <returns>False: the actor crashed.</returns>
    private bool Act(Actor actor, IReadOnlyList<WorkloadAction> actions, bool whole, Action<WorkloadAction>? check = null)
    {
        int until = whole || _chance.Next(12) > 0 ? actions.Count : _chance.Next(actions.Count + 1);
        foreach (var action in actions.Take(until))
        {
            if (!_store.Apply(action)) continue;
            var kind = action switch { CreateObject create => create.Kind, UpdateObject update => update.Kind, UpdateObjectStatus status => status.Kind, DeleteObject delete => delete.Kind, _ => throw new InvalidOperationException() };
            actor.Awaited[kind] = _store.Log.Count;
            check?.Invoke(action);
        }
        if (until == actions.Count) return true;
        actor.View.Relist(Watched); // crashed in the middle
        actor.Awaited.Clear();
        return false;
    }

    /// <summary>Replicas + maxSurge as it was when a set was sized, or was sized before if pods of that size are still there.</summary>
    private int MostUnder(JsonObject set)
    {
        int most = _decided.GetValueOrDefault(Sizing(set)).Most;
        if (Live.Count(pod => pod.OwnerUid() == set.Uid()) <= set["spec"]!["replicas"].Int()) return most;
        return Math.Max(most, _decided.GetValueOrDefault((set.Uid(), (set.Metadata()["generation"].Int() - 1).ToString(CultureInfo.InvariantCulture))).Most);
    }

    private static (string, string) Sizing(JsonObject set) => (set.Uid(), set.Metadata()["generation"]?.ToString() ?? "");

    private IEnumerable<JsonObject> Live => _store.All(Kinds.Pod).Where(pod => !pod.IsDeleted() && !pod.IsOver());

    private void Check(JsonObject set, WorkloadAction action)
    {
        if (!_decided.TryGetValue(Sizing(set), out var bounds)) return;
        int most = _sets.View.Cache.All(Kinds.ReplicaSet).Concat(_store.All(Kinds.ReplicaSet)).Max(MostUnder);
        if (action is CreateObject && Live.Count() > most) throw Broken($"{Live.Count()} pods, {most} at most (replicas + maxSurge)");
        NoteAvailable();
        if (action is DeleteObject delete && _up.Remove(delete.Uid))
        {
            int serving = Live.Count(pod => _up.Contains(pod.Uid())) + _ghosts;
            bool seen = _sets.View.Cache.Get(Kinds.Pod, delete.Name)?.IsAvailable(set["spec"]!["minReadySeconds"].Int(), _now) == true; // one that became available behind its back is nobody's fault
            int least = _store.All(Kinds.ReplicaSet).Min(other => _decided.GetValueOrDefault(Sizing(other), bounds).Least); // another may have been sized since, for fewer replicas
            if (seen && serving < least) throw Broken($"{serving} available after pod {delete.Name} was deleted, {least} at least (replicas - maxUnavailable)");
        }
        foreach (var pod in Live)
            if (pod.Metadata()["ownerReferences"]!.AsArray().Count(owner => owner!["controller"]!.GetValue<bool>()) != 1) throw Broken($"pod {pod.Name()} has not one owner");
    }

    private void Schedule()
    {
        if (!Ready(_scheduler)) return;
        var cluster = new Cluster();
        foreach (var node in _scheduler.View.Cache.All(Kinds.Node).OrderBy(node => node.Name(), StringComparer.Ordinal)) cluster.SetNode(NodeReader.Read(node));
        var pods = _scheduler.View.Cache.All(Kinds.Pod).OrderBy(pod => pod.Name(), StringComparer.Ordinal).ToList();
        foreach (var pod in pods.Where(pod => pod.NodeName().Length > 0 && !pod.IsOver())) cluster.SetPod(PodReader.Read(pod));
        foreach (var pod in pods.Where(pod => pod.NodeName().Length == 0 && !pod.IsDeleted()))
        {
            if (Placement.Decide(PodReader.Read(pod), cluster, new PlacementOptions(_seed), 0) is not Bind bind) continue;
            var placed = (JsonObject)pod.DeepClone();
            placed["spec"]!["nodeName"] = bind.Node;
            cluster.SetPod(PodReader.Read(placed));
            Act(_scheduler, [new UpdateObject(Kinds.Pod, placed)], true);
            int there = _store.All(Kinds.Pod).Count(other => other.NodeName() == bind.Node && !other.IsOver());
            if (there * PodCpu > NodeCpu) throw Broken($"{there} pods on {bind.Node}, which has room for {NodeCpu / PodCpu}");
        }
    }

    /// <summary>Nodes start their pods, after a while; a version with an odd number at its end that is divisible by five never becomes ready.</summary>
    private void RunNodes()
    {
        foreach (var pod in _store.All(Kinds.Pod).Where(pod => pod.NodeName().Length > 0).ToList())
        {
            if (_store.Get(Kinds.Node, new ObjectName("", pod.NodeName())) is not { } node) continue;
            if (pod.IsDeleted()) { if (_chance.Next(3) == 0) _store.Remove(Kinds.Pod, ObjectStamp.NameOf(pod)); continue; }
            bool slow = node["metadata"]!["labels"]!["slow"] is not null, broken = pod["spec"]!["containers"]![0]!["image"]!.ToString().EndsWith('5');
            if (!_startsAt.TryGetValue(pod.Uid(), out var starts)) _startsAt[pod.Uid()] = starts = _now.AddSeconds(_chance.Next(slow ? 30 : 4));
            if (starts <= _now && !broken && !pod.IsReady()) SetReady(pod, true);
        }
        NoteAvailable();
    }

    private void NoteAvailable()
    {
        foreach (var pod in _store.All(Kinds.Pod))
            if (pod.IsAvailable(Deployed["spec"]!["minReadySeconds"].Int(), _now)) _up.Add(pod.Uid());
    }

    private JsonObject Deployed => _store.Get(Kinds.Deployment, Name)!;

    private void SetReady(JsonObject pod, bool ready)
    {
        var copy = (JsonObject)pod.DeepClone();
        copy["status"] = Documents.Json($$$"""{"phase":"Running","conditions":[{"type":"Ready","status":"{{{(ready ? "True" : "False")}}}","lastTransitionTime":"{{{ObjectStamp.Time(_now)}}}"}]}""");
        _store.Put(Kinds.Pod, copy);
    }

    private void Apply()
    {
        var copy = (JsonObject)Deployed.DeepClone();
        var spec = copy["spec"]!;
        switch (_chance.Next(5))
        {
            case 0: spec["replicas"] = _chance.Next(1, 8); break;
            case 1: spec["paused"] = spec["paused"]?.GetValue<bool>() != true; break;
            case 2: spec["template"]!["spec"]!["containers"]![0]!["image"] = $"web:{_chance.Next(_version + 1)}"; break; // an undo
            default: spec["template"]!["spec"]!["containers"]![0]!["image"] = $"web:{++_version}"; break;
        }
        _store.Put(Kinds.Deployment, ObjectStamp.Replace(Kinds.Deployment, Deployed, copy));
    }

    private void Crash()
    {
        var actor = new[] { _deployments, _sets, _scheduler }[_chance.Next(3)];
        actor.View.Relist(Watched);
        actor.Awaited.Clear();
    }

    private void LoseNode()
    {
        NoteAvailable();
        if (_store.All(Kinds.Node).Count() <= 2) return;
        var node = _store.All(Kinds.Node).ElementAt(_chance.Next(_store.All(Kinds.Node).Count())).Name();
        _store.Remove(Kinds.Node, new ObjectName("", node));
        foreach (var pod in _store.All(Kinds.Pod).Where(pod => pod.NodeName() == node).ToList())
        {
            if (!pod.IsDeleted() && _up.Remove(pod.Uid())) _ghosts++;
            _store.Remove(Kinds.Pod, ObjectStamp.NameOf(pod));
        }
    }

    private void AddNode(int number)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"node-{number}");
        if (_store.Get(Kinds.Node, new ObjectName("", name)) is not null) return;
        _store.Put(Kinds.Node, Documents.Json($$$"""
            {"metadata":{"name":"{{{name}}}","labels":{"kubernetes.io/hostname":"{{{name}}}"{{{(_chance.Next(4) == 0 ? ""","slow":"yes" """ : "")}}}}},"status":{"allocatable":{"cpu":"2","memory":"4Gi","pods":"100"},"conditions":[{"type":"Ready","status":"True"}]}}
            """));
    }

    /// <summary>An available pod stops being ready; its node makes it ready again later.</summary>
    private void Fault()
    {
        NoteAvailable();
        if (Live.FirstOrDefault(pod => pod.IsReady() && _up.Contains(pod.Uid()) && _chance.Next(2) == 0) is not { } pod) return;
        _startsAt[pod.Uid()] = _now.AddSeconds(_chance.Next(5, 20));
        SetReady(pod, false);
    }

    /// <summary>No more faults and a version that works: everything comes to rest where the Deployment wants it.</summary>
    private void Settle()
    {
        for (int i = 0; i < Nodes; i++) AddNode(i);
        var copy = (JsonObject)Deployed.DeepClone();
        copy["spec"]!.AsObject().Remove("paused");
        if (copy["spec"]!["template"]!["spec"]!["containers"]![0]!["image"]!.ToString().EndsWith('5')) copy["spec"]!["template"]!["spec"]!["containers"]![0]!["image"] = "web:last";
        _store.Put(Kinds.Deployment, ObjectStamp.Replace(Kinds.Deployment, Deployed, copy));
        for (int round = 0, quiet = 0; round < 500 && quiet < 15; round++)
        {
            int before = _store.Log.Count;
            foreach (var (actor, act) in new (Actor, Action)[] { (_deployments, () => Decide(true)), (_sets, () => DecideSets(true)), (_scheduler, Schedule) })
            {
                Follow(actor, int.MaxValue);
                act();
            }
            if (round > 3) _ghosts = 0;
            _now += TimeSpan.FromSeconds(3);
            RunNodes();
            quiet = _store.Log.Count == before && !_store.All(Kinds.Pod).Any(pod => pod.IsDeleted()) ? quiet + 1 : 0; // nodes take their time to end a pod
        }
        int wanted = Deployed["spec"]!["replicas"].Int();
        var image = Deployed["spec"]!["template"]!["spec"]!["containers"]![0]!["image"]!.ToString();
        var pods = _store.All(Kinds.Pod).ToList();
        if (pods.Count != wanted || pods.Any(pod => !pod.IsReady() || pod["spec"]!["containers"]![0]!["image"]!.ToString() != image))
            throw Broken($"no convergence: {pods.Count} pods ({pods.Count(pod => pod.IsReady())} ready), {wanted} of {image} wanted; sets {string.Join(" | ", _store.All(Kinds.ReplicaSet).Select(set => $"{set.Name()} wants {set["spec"]!["replicas"]}, {set["status"]?.ToJsonString()}"))}; status {Deployed["status"]?.ToJsonString()}");
        if (Deployed.Condition("Progressing")?.Text("reason") != "NewReplicaSetAvailable") throw Broken($"the status says {Deployed["status"]?.ToJsonString()}");
        if (_store.All(Kinds.ReplicaSet).Count() > 3) throw Broken("more than revisionHistoryLimit old ReplicaSets are left");
    }

    private RuleBroken Broken(string what) => new(string.Create(CultureInfo.InvariantCulture, $"seed {_seed}, at {_now:HH:mm:ss}, change {_store.Log.Count}: {what}; before it:\n{string.Join('\n', _store.Log.TakeLast(25).Select(Words))}"));

    private static string Words(ObjectChange change) => $"  {change.Type} {change.Kind.Kind} {change.Name.Name}: " + (change.Kind == Kinds.Pod
        ? $"{(change.Document.IsDeleted() ? "deleted " : "")}{change.Document.NodeName()} {(change.Document.IsReady() ? "ready since " + change.Document.Condition("Ready")!.Text("lastTransitionTime") : "")}" : $"{change.Document["spec"]?["replicas"]} {change.Document["status"]?.ToJsonString()}");
}
