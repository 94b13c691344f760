using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Collection;
using Eyrie.ControlPlane.Controllers.Nodes;
using Eyrie.ControlPlane.Controllers.Scheduling;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;
using Eyrie.Controllers.Tests.Scheduling;

namespace Eyrie.Controllers.Tests.Simulation;

/// <summary>A rule was broken; the message says which, when, and the seed that shows it again.</summary>
public sealed class RuleBroken(string message) : Exception(message);

/// <summary>
/// Every kind of workload on one set of nodes, with scheduler, node lifecycle and pod garbage collection, under one virtual clock and one seed. Each actor sees each kind late and by itself, is told things
/// again, crashes in the middle of its actions and lists anew; nodes are slow, cut off, lost and come back; pods stop being ready; users apply, scale, pause and undo. The plans are the real ones.
/// </summary>
public sealed class SimulatedCluster
{
    public static readonly ResourceKind[] Watched = [Kinds.Deployment, Kinds.ReplicaSet, Kinds.StatefulSet, Kinds.DaemonSet, Kinds.Job, Kinds.Service, Kinds.EndpointSlice, Kinds.Endpoints, Kinds.ControllerRevision, Kinds.Pod, Kinds.Node];
    private static readonly ResourceKind[] Decided = [Kinds.Deployment, Kinds.ReplicaSet, Kinds.StatefulSet, Kinds.DaemonSet, Kinds.Job, Kinds.Service];
    /// <summary>Changes that a broken rule tells before it; EYRIE_CHANGES says how many else.</summary>
    private static readonly int Shown = int.TryParse(Environment.GetEnvironmentVariable("EYRIE_CHANGES"), CultureInfo.InvariantCulture, out int changes) ? changes : 30;
    private const int Nodes = 4;

    private readonly List<(WorkloadKind Kind, Decide Decide, SimulatedActor Actor)> _controllers = [];
    private readonly SimulatedActor _scheduler, _lifecycle, _garbage;
    private readonly List<Subject> _subjects = [];
    private readonly Dictionary<string, DateTimeOffset> _startsAt = [], _cutUntil = [];
    private Dictionary<string, DateTimeOffset> _missing = [];
    private EvictionPace _pace = EvictionPace.Start;

    /// <param name="seed">Of everything.</param>
    /// <param name="mutants">Plans that decide in place of the real ones.</param>
    /// <param name="subjects">What runs on it.</param>
    public SimulatedCluster(int seed, IReadOnlyDictionary<ResourceKind, Decide> mutants, params Func<SimulatedCluster, Subject>[] subjects)
    {
        (Seed, Chance) = (seed, new Random(seed));
        Store = new SimulatedStore(Chance, () => Now);
        (_scheduler, _lifecycle, _garbage) = (new(Store), new(Store), new(Store));
        foreach (var kind in Decided)
        {
            var entry = WorkloadKinds.All.Single(known => known.Kind == kind);
            _controllers.Add((entry, mutants.GetValueOrDefault(kind, entry.Decide), new SimulatedActor(Store)));
        }
        for (int i = 0; i < Nodes; i++) AddNode(i);
        foreach (var subject in subjects) _subjects.Add(subject(this));
    }

    public int Seed { get; }
    public Random Chance { get; }
    public SimulatedStore Store { get; }
    public DateTimeOffset Now { get; private set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <exception cref="RuleBroken"/>
    public void Run(int steps)
    {
        for (int i = 0; i < steps; i++) Step();
        Settle();
    }

    public RuleBroken Broken(string what) => new(string.Create(CultureInfo.InvariantCulture, $"seed {Seed}, at {Now:HH:mm:ss}, change {Store.Log.Count}: {what}; before it:\n{string.Join('\n', Store.Log.TakeLast(Shown).Select(Words))}"));

    private static string Words(ObjectChange change) => $"  {change.Type} {change.Kind.Kind} {change.Name.Name}: " + (change.Kind == Kinds.Pod
        ? $"{(change.Document.IsDeleted() ? "deleted " : "")}{change.Document.NodeName()} {change.Document.Phase()} {(change.Document.IsReady() ? "ready since " + change.Document.Condition("Ready")!.Text("lastTransitionTime") : "")}"
        : change.Kind == Kinds.Node ? $"{change.Document.Condition("Ready")?.Text("status")} {change.Document["spec"]?["taints"]?.ToJsonString()}" : $"{change.Document["spec"]?["replicas"]} {change.Document["status"]?.ToJsonString()}");

    private void Step()
    {
        switch (Chance.Next(36))
        {
            case < 16: var (kind, decide, actor) = _controllers[Chance.Next(_controllers.Count)]; Follow(actor); Control(kind.Kind, decide, actor, false); break;
            case < 19: Follow(_scheduler); Schedule(false); break;
            case < 21: Follow(_lifecycle); Watch(false); break;
            case 21: Follow(_garbage); Collect(false); break;
            case < 27: Now += TimeSpan.FromSeconds(Chance.Next(1, 6)); RunNodes(); break;
            case < 29: RunNodes(); break;
            case < 31: _subjects[Chance.Next(_subjects.Count)].UserActs(); break;
            case 31: AnyActor().Crash(); break;
            case 32: LoseNode(); break;
            case 33: CutNode(); break;
            case 34: AddNode(Chance.Next(Nodes)); break;
            default: Fault(); break;
        }
    }

    private SimulatedActor AnyActor() => Chance.Next(_controllers.Count + 3) is var number && number < _controllers.Count ? _controllers[number].Actor : number == _controllers.Count ? _scheduler : number == _controllers.Count + 1 ? _lifecycle : _garbage;

    /// <summary>Each kind by itself and in any order, some of it once more.</summary>
    private void Follow(SimulatedActor actor)
    {
        foreach (var kind in Watched.OrderBy(_ => Chance.Next()))
        {
            actor.View.Follow(kind, Chance.Next(10));
            if (Chance.Next(12) == 0) actor.View.Repeat(kind, Chance.Next(5));
        }
    }

    /// <returns>Whether anything was new.</returns>
    private static bool FollowAll(SimulatedActor actor) => Watched.Count(kind => actor.View.Follow(kind, int.MaxValue)) > 0;

    private void Control(ResourceKind kind, Decide decide, SimulatedActor actor, bool whole)
    {
        foreach (var item in actor.View.Cache.All(kind).OrderBy(item => item.Name(), StringComparer.Ordinal).ToList())
        {
            var name = ObjectStamp.NameOf(item);
            if (!actor.IsReady(name)) continue;
            var actions = decide(item, actor.View.Cache, Now);
            actor.LookAgain(name, actions.OfType<LookAgain>().Min(again => (DateTimeOffset?)again.At));
            var subject = _subjects.FirstOrDefault(subject => item["spec"]?["selector"]?["app"]?.ToString() == subject.App || item["spec"]?["template"]?["metadata"]?["labels"]?["app"]?.ToString() == subject.App);
            if (actions.Count > 0) subject?.NoteSeen(actor.View.Cache);
            subject?.Decided(actor, kind, item, actions);
            if (!Act(actor, name, actions, whole, action => subject?.Check(actor, kind, item, action))) return;
        }
    }

    /// <returns>False: the actor crashed.</returns>
    private bool Act(SimulatedActor actor, ObjectName name, IReadOnlyList<WorkloadAction> actions, bool whole, Action<WorkloadAction>? check = null)
    {
        actions = [.. actions.Where(action => action is not (LookAgain or Report))];
        int until = whole || Chance.Next(12) > 0 ? actions.Count : Chance.Next(actions.Count + 1);
        foreach (var action in actions.Take(until))
        {
            if (!Store.Apply(action)) continue;
            actor.Wrote(name, action switch { CreateObject create => create.Kind, UpdateObject update => update.Kind, UpdateObjectStatus status => status.Kind, DeleteObject delete => delete.Kind, _ => throw new InvalidOperationException() });
            check?.Invoke(action);
        }
        if (until == actions.Count) return true;
        actor.Crash();
        return false;
    }

    private void Schedule(bool whole)
    {
        if (!_scheduler.IsReady(default)) return;
        var (known, cluster) = (_scheduler.View.Cache, new Cluster());
        if (known.All(Kinds.Pod).All(pod => pod.NodeName().Length > 0)) return;
        var nodes = known.All(Kinds.Node).OrderBy(node => node.Name(), StringComparer.Ordinal).ToList();
        foreach (var node in nodes) cluster.SetNode(NodeReader.Read(node));
        var pods = known.All(Kinds.Pod).OrderBy(pod => pod.Name(), StringComparer.Ordinal).ToList();
        foreach (var pod in pods.Where(pod => pod.NodeName().Length > 0 && !pod.IsOver())) cluster.SetPod(PodReader.Read(pod));
        foreach (var pod in pods.Where(pod => pod.NodeName().Length == 0 && !pod.IsDeleted()))
        {
            if (Placement.Decide(PodReader.Read(pod), cluster, new PlacementOptions(Seed), 0) is not Bind bind) continue;
            var placed = (JsonObject)pod.DeepClone();
            if (!PodBinding.Write(placed, pod.Uid(), bind.Node)) continue;
            var there = nodes.Select(node => node.Name()).ToHashSet();
            var others = Store.All(Kinds.Pod).Where(other => !other.IsOver() && there.Contains(other.NodeName())).ToList();
            cluster.SetPod(PodReader.Read(placed));
            int before = Store.Log.Count;
            if (!Act(_scheduler, default, [new UpdateObject(Kinds.Pod, placed)], whole)) return;
            if (Store.Log.Count == before) continue; // refused: the pod is another by now
            var refused = new ReferenceRules(nodes, others, new Dictionary<string, JsonObject>()).Refusal(pod, nodes.Single(node => node.Name() == bind.Node));
            if (refused.Length > 0) throw Broken($"pod {pod.Name()} was put on {bind.Node}, where it does not fit: {refused}");
        }
    }

    /// <summary>Taints, marks and evictions, as the node lifecycle's actor writes them.</summary>
    private void Watch(bool whole)
    {
        if (!_lifecycle.IsReady(default)) return;
        var cache = _lifecycle.View.Cache;
        (_pace, _) = _pace.At([.. cache.All(Kinds.Node).Select(NodeHealth.Read)], Now);
        foreach (var node in cache.All(Kinds.Node).OrderBy(node => node.Name(), StringComparer.Ordinal).ToList())
        {
            var actions = new List<WorkloadAction>();
            if (NodeTaintPlan.Decide(node, _pace.Granted.Contains(node.Name()), Now) is { } tainted) actions.Add(new UpdateObject(Kinds.Node, tainted));
            foreach (var pod in cache.OnNode(node.Name()).OrderBy(pod => pod.Name(), StringComparer.Ordinal))
            {
                if (!pod.IsDeleted() && !pod.IsOver() && Taints.Leaves(pod, Taints.Of(node), Now) <= Now) actions.Add(new DeleteObject(Kinds.Pod, ObjectStamp.NameOf(pod), pod.Uid()));
                else if (LostPods.Decide(pod, node.Name(), node.IsReady(), Now) is { } marked) actions.Add(new UpdateObjectStatus(Kinds.Pod, marked));
            }
            foreach (var going in actions.OfType<DeleteObject>())
                if (Store.Get(Kinds.Pod, going.Name) is { } pod && pod.Uid() == going.Uid) Lose(pod);
            bool acted = Act(_lifecycle, default, actions, whole);
            foreach (var subject in _subjects) subject.Note(); // pods of a node that is back are available again
            if (!acted) return;
        }
    }

    private void Collect(bool whole)
    {
        if (!_garbage.IsReady(default)) return;
        var cache = _garbage.View.Cache;
        var pods = cache.All(Kinds.Pod).OrderBy(pod => pod.Name(), StringComparer.Ordinal).ToList();
        JsonObject? Node(string name) => cache.Get(Kinds.Node, new ObjectName("", name));
        _missing = PodGarbagePlan.Missing(pods, Node, _missing, Now);
        foreach (var (pod, _) in PodGarbagePlan.Decide(pods, Node, _missing, Now))
        {
            if (Store.Get(Kinds.Pod, ObjectStamp.NameOf(pod)) is not { } there || there.Uid() != pod.Uid()) continue;
            Lose(there);
            if (!there.IsDeleted()) Store.Delete(Kinds.Pod, there);
            if (Store.Get(Kinds.Pod, ObjectStamp.NameOf(pod)) is { } going) Store.End(going);
            if (!whole && Chance.Next(6) == 0) { _garbage.Crash(); return; }
        }
    }

    private void Lose(JsonObject pod)
    {
        var subject = _subjects.First(subject => subject.IsOurs(pod));
        subject.Note();
        subject.Lost(pod);
    }

    /// <summary>Nodes that are not cut off start their pods, after a while, and end those that are going.</summary>
    private void RunNodes()
    {
        foreach (var node in _cutUntil.Where(pair => pair.Value <= Now).Select(pair => pair.Key).ToList()) Reconnect(node);
        foreach (var pod in Store.All(Kinds.Pod).Where(pod => pod.NodeName().Length > 0).ToList())
        {
            if (Store.Get(Kinds.Node, new ObjectName("", pod.NodeName())) is not { } node || _cutUntil.ContainsKey(pod.NodeName())) continue;
            if (pod.IsDeleted()) { if (Chance.Next(3) == 0) Store.End(pod); continue; }
            if (pod.IsOver()) continue;
            bool slow = node["metadata"]!["labels"]!["slow"] is not null;
            if (!_startsAt.TryGetValue(pod.Uid(), out var starts)) _startsAt[pod.Uid()] = starts = Now.AddSeconds(Chance.Next(slow ? 30 : 4));
            if (starts <= Now) _subjects.First(subject => subject.IsOurs(pod)).Started(pod);
        }
        foreach (var subject in _subjects) subject.Note();
    }

    public void SetReady(JsonObject pod, bool ready, string phase = "Running")
    {
        var copy = (JsonObject)pod.DeepClone();
        copy["status"] = Documents.Json($$$"""{"phase":"{{{phase}}}","podIP":"127.64.16.{{{1 + (pod.Uid().Sum(letter => letter) % 250)}}}","conditions":[{"type":"Ready","status":"{{{(ready ? "True" : "False")}}}","lastTransitionTime":"{{{ObjectStamp.Time(Now)}}}"}]}""");
        if (phase == "Failed") copy["status"]!["containerStatuses"] = JsonNode.Parse("[{\"name\":\"c\",\"state\":{\"terminated\":{\"exitCode\":1,\"finishedAt\":\"" + ObjectStamp.Time(Now) + "\"}}}]");
        Store.Put(Kinds.Pod, copy);
    }

    private List<JsonObject> Known => [.. Store.All(Kinds.Node)];

    /// <summary>A machine is gone for good; with it its pods, or they are left for the garbage collector.</summary>
    private void LoseNode()
    {
        if (Known.Count <= 2) return;
        var node = Known[Chance.Next(Known.Count)].Name();
        Store.Remove(Kinds.Node, new ObjectName("", node));
        _cutUntil.Remove(node);
        bool left = Chance.Next(2) == 0;
        foreach (var pod in Store.All(Kinds.Pod).Where(pod => pod.NodeName() == node).ToList())
        {
            Lose(pod);
            if (left && pod.IsDeleted()) continue;
            if (left) { if (!pod.IsOver()) SetReady(pod, false); continue; }
            if (!pod.IsDeleted()) Store.Delete(Kinds.Pod, pod);
            if (Store.Get(Kinds.Pod, ObjectStamp.NameOf(pod)) is { } going) Store.End(going);
        }
    }

    /// <summary>A node is not heard of for a while.</summary>
    private void CutNode()
    {
        if (Known.Count(node => node.IsReady()) <= 2 || Known.Where(node => node.IsReady()).ElementAt(Chance.Next(2)) is not { } node) return;
        _cutUntil[node.Name()] = Now.AddSeconds(Chance.Next(5, 60));
        Store.Put(Kinds.Node, Conditioned(node, "Unknown"));
    }

    private void Reconnect(string name)
    {
        _cutUntil.Remove(name);
        if (Store.Get(Kinds.Node, new ObjectName("", name)) is { } node) Store.Put(Kinds.Node, Conditioned(node, "True"));
    }

    private static JsonObject Conditioned(JsonObject node, string word)
    {
        var copy = (JsonObject)node.DeepClone();
        copy["status"]!["conditions"]![0]!["status"] = word;
        return copy;
    }

    private void AddNode(int number)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"node-{number}");
        if (Store.Get(Kinds.Node, new ObjectName("", name)) is not null) return;
        Store.Put(Kinds.Node, Documents.Json($$$"""
            {"metadata":{"name":"{{{name}}}","uid":"{{{name}}}-{{{Store.Log.Count}}}","labels":{"kubernetes.io/hostname":"{{{name}}}"{{{(Chance.Next(4) == 0 ? ""","slow":"yes" """ : "")}}}}},"spec":{},"status":{"allocatable":{"cpu":"3000m","memory":"4000Mi","pods":"100"},"conditions":[{"type":"Ready","status":"True"}]}}
            """));
    }

    /// <summary>An available pod stops being ready; its node makes it ready again later.</summary>
    private void Fault()
    {
        foreach (var subject in _subjects) subject.Note();
        if (Store.All(Kinds.Pod).Where(pod => pod.IsReady() && !pod.IsDeleted() && !pod.IsOver()).OrderBy(_ => Chance.Next()).FirstOrDefault() is not { } pod) return;
        _startsAt[pod.Uid()] = Now.AddSeconds(Chance.Next(5, 20));
        SetReady(pod, false);
    }

    /// <summary>No more faults and versions that work: everything comes to rest where its user wants it.</summary>
    private void Settle()
    {
        for (int i = 0; i < Nodes; i++) AddNode(i);
        foreach (var node in _cutUntil.Keys.ToList()) Reconnect(node);
        foreach (var subject in _subjects) subject.UserSettles();
        for (int round = 0, quiet = 0; round < 300 && quiet < 5; round++)
        {
            int before = Store.Log.Count;
            // Nobody decides without news unless it said when it wants to.
            foreach (var (kind, decide, actor) in _controllers)
                if (FollowAll(actor) | actor.IsDue(Now) | round == 0) Control(kind.Kind, decide, actor, true);
            FollowAll(_scheduler);
            Schedule(true);
            FollowAll(_lifecycle);
            Watch(true);
            FollowAll(_garbage);
            Collect(true);
            if (round > 3) foreach (var subject in _subjects) subject.NoMoreFaults();
            Now += TimeSpan.FromSeconds(10);
            RunNodes();
            quiet = Store.Log.Count == before && _subjects.All(subject => subject.AtRest) && !Store.All(Kinds.Pod).Any(pod => pod.IsDeleted()) ? quiet + 1 : 0; // nodes take their time to end a pod
        }
        foreach (var subject in _subjects) subject.CheckEnd();
        foreach (var pod in Store.All(Kinds.Pod))
            if (pod.Metadata()["ownerReferences"]!.AsArray().Count(owner => owner!["controller"]!.GetValue<bool>()) != 1) throw Broken($"pod {pod.Name()} has not one owner");
    }
}
