using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.Controllers.Tests.Simulation;

/// <summary>What the subjects have in common: one object of a kind, its template, and what its user changes.</summary>
public abstract class WorkloadSubject : Subject
{
    private readonly ResourceKind _kind;
    private int _version;

    protected WorkloadSubject(SimulatedCluster cluster, ResourceKind kind, string app, string spec, string pod = "") : base(cluster)
    {
        (_kind, App, MinReady) = (kind, app, kind == Kinds.Job ? 0 : Chance.Next(2) * 5);
        Make(spec, pod);
    }

    public override string App { get; }
    public override int MinReady { get; }
    protected ObjectName Name => new("default", App);
    protected JsonObject Current => Store.Get(_kind, Name)!;
    protected bool IsThere => Store.Get(_kind, Name) is not null;
    protected static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    protected void Make(string spec, string pod) => Store.Put(_kind, ObjectStamp.New(_kind, Documents.Json("{\"metadata\":{\"name\":\"" + App + "\",\"namespace\":\"default\"},\"spec\":{" + spec + (_kind == Kinds.Job ? "" : ",\"minReadySeconds\":" + Text(MinReady) + ",\"selector\":{\"matchLabels\":{\"app\":\"" + App + "\"}}")
        + ",\"template\":{\"metadata\":{\"labels\":{\"app\":\"" + App + "\"}},\"spec\":{\"tolerations\":[{\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":" + Text(Chance.Next(20)) + "}],\"containers\":[{\"name\":\"c\",\"image\":\"web:0\",\"resources\":{\"requests\":{\"cpu\":\"200m\"}}}]" + pod + "}}}}"),
        new Guid(Cluster.Seed, (short)App.Length, (short)Store.Log.Count, new byte[8]), Cluster.Now, ""));

    protected void Change(Action<JsonObject> change)
    {
        var copy = (JsonObject)Current.DeepClone();
        change(copy["spec"]!.AsObject());
        Store.Put(_kind, ObjectStamp.Replace(_kind, Current, copy));
    }

    protected string Wanted => Image(Current["spec"]!["template"]!.AsObject());

    protected void NewVersion(bool undo) => Change(spec => spec["template"]!["spec"]!["containers"]![0]!["image"] = $"web:{(undo ? Chance.Next(_version + 1) : ++_version)}");

    public override void UserSettles()
    {
        if (IsBroken(Current["spec"]!["template"]!.AsObject())) Change(spec => spec["template"]!["spec"]!["containers"]![0]!["image"] = "web:last");
    }

    protected void CheckPods(int wanted)
    {
        var pods = Store.All(Kinds.Pod).Where(IsOurs).ToList();
        if (pods.Count != wanted || pods.Any(pod => !pod.IsReady() || Image(pod) != Wanted))
            throw Cluster.Broken($"no convergence of {App}: {string.Join(' ', pods.Select(pod => $"{pod.Name()}:{pod.NodeName()}:{Image(pod)}:{(pod.IsReady() ? "ready" : pod.IsDeleted() ? "going" : pod.Phase())}"))}; {wanted} of {Wanted} wanted; {Current["spec"]!.ToJsonString()} {Current["status"]?.ToJsonString()}; {string.Join(" | ", Store.All(Kinds.ReplicaSet).Where(IsOurs).Select(set => $"{set.Name()} wants {set["spec"]!["replicas"]}, {set["status"]?.ToJsonString()}"))}");
    }

    /// <summary>maxSurge or maxUnavailable, by hand.</summary>
    protected static int Portion(JsonNode? value, int all, bool up) => value is JsonValue && value.ToString() is var text && text.EndsWith('%')
        ? (int)(up ? Math.Ceiling(all * int.Parse(text[..^1], CultureInfo.InvariantCulture) / 100.0) : Math.Floor(all * int.Parse(text[..^1], CultureInfo.InvariantCulture) / 100.0)) : value.Int();
}

/// <summary>A Deployment with a rolling update, its bounds as numbers or percentages.</summary>
public sealed class RollingSubject : WorkloadSubject
{
    private readonly Dictionary<(string Uid, string Generation), (int Least, int Most)> _sized = []; // bounds when a set was given a size
    private int _known;

    public RollingSubject(SimulatedCluster cluster) : base(cluster, Kinds.Deployment, "roll", Spec(cluster.Chance)) { }

    private static string Spec(Random chance)
    {
        string[] surges = ["0", "1", "2", "\"25%\"", "\"40%\"", "\"10%\""], unavailables = ["0", "1", "2", "\"25%\"", "\"34%\"", "\"10%\""];
        var surge = surges[chance.Next(surges.Length)];
        var unavailable = unavailables[chance.Next(surge == "0" ? 1 : 0, unavailables.Length)];
        return "\"replicas\":" + Text(chance.Next(1, 8)) + ",\"revisionHistoryLimit\":2,\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":" + surge + ",\"maxUnavailable\":" + unavailable + "}}";
    }

    public static (int Surge, int Unavailable) Bounds(JsonNode spec, int wanted)
    {
        var rolling = spec["strategy"]!["rollingUpdate"]!;
        int surge = Portion(rolling["maxSurge"], wanted, true), unavailable = Math.Min(wanted, Portion(rolling["maxUnavailable"], wanted, false));
        return (surge, surge + unavailable == 0 ? 1 : unavailable);
    }

    public override void Decided(SimulatedActor actor, ResourceKind kind, JsonObject owner, IReadOnlyList<WorkloadAction> actions)
    {
        if (kind != Kinds.Deployment) return;
        // Where fewer than the least serve already, those it knows of are to stay; one that became available since is nobody's fault.
        _known = Own(actor.View.Cache.All(Kinds.ReplicaSet)).Sum(set => Math.Min(set["spec"]!["replicas"].Int(), set["status"]?["availableReplicas"].Int() ?? 0));
    }

    public override void Check(SimulatedActor actor, ResourceKind kind, JsonObject owner, WorkloadAction action)
    {
        if (kind == Kinds.Deployment)
        {
            // What the plan was given bounds what its sets may do with the sizes it gives them.
            int wanted = owner["spec"]!["replicas"].Int(1);
            var (surge, unavailable) = Bounds(owner["spec"]!, wanted);
            foreach (var set in Own(Store.All(Kinds.ReplicaSet))) _sized.TryAdd(Sizing(set), (Math.Min(_known, wanted - unavailable), wanted + surge));
            return;
        }
        if (kind != Kinds.ReplicaSet || !_sized.TryGetValue(Sizing(owner), out var bounds)) return;
        int most = Own(actor.View.Cache.All(Kinds.ReplicaSet)).Concat(Own(Store.All(Kinds.ReplicaSet))).Max(MostUnder);
        if (action is CreateObject && Live.Count() > most) throw Cluster.Broken($"{Live.Count()} pods of {App}, {most} at most (replicas + maxSurge)");
        if (action is not DeleteObject delete || !Falls(delete.Uid)) return;
        int serving = Live.Count(IsUp) + Ghosts;
        bool seen = actor.View.Cache.Get(Kinds.Pod, delete.Name)?.IsAvailable(MinReady, Cluster.Now) == true; // one that became available behind its back is nobody's fault
        int least = Own(Store.All(Kinds.ReplicaSet)).Min(other => _sized.GetValueOrDefault(Sizing(other), bounds).Least); // another may have been sized since, for fewer replicas
        if (seen && serving < least) throw Cluster.Broken($"{serving} available of {App} after pod {delete.Name} was deleted, {least} at least (replicas - maxUnavailable)");
    }

    private IEnumerable<JsonObject> Own(IEnumerable<JsonObject> sets) => sets.Where(IsOurs);

    /// <summary>Replicas + maxSurge as it was when a set was sized, or was sized before if pods of that size are still there.</summary>
    private int MostUnder(JsonObject set)
    {
        int most = _sized.GetValueOrDefault(Sizing(set)).Most;
        if (Live.Count(pod => pod.OwnerUid() == set.Uid()) <= set["spec"]!["replicas"].Int()) return most;
        return Math.Max(most, _sized.GetValueOrDefault((set.Uid(), Text(set.Metadata()["generation"].Int() - 1))).Most);
    }

    private static (string, string) Sizing(JsonObject set) => (set.Uid(), set.Metadata()["generation"]?.ToString() ?? "");

    public override void UserActs()
    {
        switch (Chance.Next(5))
        {
            case 0: Change(spec => spec["replicas"] = Chance.Next(1, 8)); break;
            case 1: Change(spec => spec["paused"] = spec["paused"]?.GetValue<bool>() != true); break;
            case 2: NewVersion(undo: true); break;
            default: NewVersion(undo: false); break;
        }
    }

    public override void UserSettles()
    {
        base.UserSettles();
        Change(spec => spec.Remove("paused"));
    }

    public override void CheckEnd()
    {
        CheckPods(Current["spec"]!["replicas"].Int());
        if (Current.Condition("Progressing")?.Text("reason") != "NewReplicaSetAvailable") throw Cluster.Broken($"the status says {Current["status"]?.ToJsonString()}");
        if (Own(Store.All(Kinds.ReplicaSet)).Count() > 3) throw Cluster.Broken("more than revisionHistoryLimit old ReplicaSets are left");
    }
}

/// <summary>A Deployment that is made anew: never two versions at once.</summary>
public sealed class RecreateSubject(SimulatedCluster cluster) : WorkloadSubject(cluster, Kinds.Deployment, "again", "\"replicas\":" + Text(cluster.Chance.Next(1, 4)) + ",\"strategy\":{\"type\":\"Recreate\"}")
{
    public override void Check(SimulatedActor actor, ResourceKind kind, JsonObject owner, WorkloadAction action)
    {
        if (action is not CreateObject create || create.Kind != Kinds.Pod) return;
        // Pods that are ending are there too: two versions would share what they hold.
        if (Store.All(Kinds.Pod).Where(pod => IsOurs(pod) && !pod.IsOver()).Select(Image).Distinct().Count() > 1) throw Cluster.Broken($"two versions of {App} at once (Recreate)");
    }

    public override void UserActs()
    {
        if (Chance.Next(3) == 0) Change(spec => spec["replicas"] = Chance.Next(1, 4));
        else NewVersion(undo: Chance.Next(3) == 0);
    }

    public override void CheckEnd() => CheckPods(Current["spec"]!["replicas"].Int());
}

/// <summary>A StatefulSet, ordered or parallel, with a partition.</summary>
public sealed class StatefulSubject(SimulatedCluster cluster) : WorkloadSubject(cluster, Kinds.StatefulSet, "db",
    "\"replicas\":" + Text(cluster.Chance.Next(1, 5)) + ",\"serviceName\":\"db\",\"podManagementPolicy\":\"" + (cluster.Chance.Next(3) == 0 ? "Parallel" : "OrderedReady") + "\",\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"partition\":0}}",
    ",\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":\"kubernetes.io/hostname\",\"labelSelector\":{\"matchLabels\":{\"app\":\"db\"}}}]}}")
{
    private List<JsonObject> _seen = [];

    private static int Ordinal(ObjectName name) => int.Parse(name.Name[3..], CultureInfo.InvariantCulture);

    private bool Works(JsonObject pod) => !pod.IsDeleted() && pod.Phase() == "Running" && pod.IsAvailable(MinReady, Cluster.Now);

    public override void Decided(SimulatedActor actor, ResourceKind kind, JsonObject owner, IReadOnlyList<WorkloadAction> actions)
    {
        if (kind == Kinds.StatefulSet) _seen = [.. actor.View.Cache.All(Kinds.Pod).Where(IsOurs)];
    }

    public override void Check(SimulatedActor actor, ResourceKind kind, JsonObject owner, WorkloadAction action)
    {
        if (kind != Kinds.StatefulSet) return;
        int wanted = owner["spec"]!["replicas"].Int(), partition = owner["spec"]!["updateStrategy"]!["rollingUpdate"]!["partition"].Int();
        bool ordered = owner["spec"]!["podManagementPolicy"]!.ToString() == "OrderedReady";
        bool Serves(int ordinal) => _seen.Any(pod => Ordinal(ObjectStamp.NameOf(pod)) == ordinal && Works(pod));
        if (action is CreateObject { Document: var made } create && create.Kind == Kinds.Pod)
        {
            int ordinal = Ordinal(ObjectStamp.NameOf(made));
            if (ordinal < 0 || ordinal >= wanted) throw Cluster.Broken($"{made.Name()} is none of {wanted} (replicas)");
            if (ordered && !Enumerable.Range(0, ordinal).All(Serves)) throw Cluster.Broken($"{made.Name()} was made before those before it worked (order)");
        }
        if (action is not DeleteObject delete || delete.Kind != Kinds.Pod) return;
        int going = Ordinal(delete.Name);
        var before = _seen.Single(pod => pod.Uid() == delete.Uid);
        bool up = Falls(delete.Uid);
        if (before.IsOver()) return;
        if (going >= wanted)
        {
            if (ordered && _seen.Any(pod => Ordinal(ObjectStamp.NameOf(pod)) > going)) throw Cluster.Broken($"{delete.Name} went before a later one (order)");
            return;
        }
        if (going < partition) throw Cluster.Broken($"{delete.Name} was replaced, below the partition {partition}");
        if (!up || !Works(before)) return;
        // Those it could know of stay, but for this one.
        int known = Enumerable.Range(0, wanted).Count(Serves), serving = Live.Count(pod => IsUp(pod) && Ordinal(ObjectStamp.NameOf(pod)) < wanted) + Ghosts;
        if (known < wanted || serving < wanted - 1) throw Cluster.Broken($"{serving} work of {App} after {delete.Name} was replaced, {wanted - 1} at least (one at a time)");
    }

    public override void UserActs()
    {
        switch (Chance.Next(5))
        {
            case 0: Change(spec => spec["replicas"] = Chance.Next(1, 5)); break;
            case 1: Change(spec => spec["updateStrategy"]!["rollingUpdate"]!["partition"] = Chance.Next(3)); break;
            default: NewVersion(undo: Chance.Next(3) == 0); break;
        }
    }

    /// <summary>A version that never becomes ready stays where it is, as in Kubernetes, until somebody deletes its pods.</summary>
    public override void UserSettles()
    {
        base.UserSettles();
        Change(spec => spec["updateStrategy"]!["rollingUpdate"]!["partition"] = 0);
        foreach (var pod in Live.Where(IsBroken).ToList()) Store.Delete(Kinds.Pod, pod);
    }

    /// <summary>A pod of the broken version may have been made while the new template was not known.</summary>
    public override void Started(JsonObject pod)
    {
        base.Started(pod);
        if (IsBroken(pod) && !IsBroken(Current["spec"]!["template"]!.AsObject()) && Chance.Next(6) == 0) Store.Delete(Kinds.Pod, pod);
    }

    public override void CheckEnd()
    {
        CheckPods(Current["spec"]!["replicas"].Int());
        var names = Store.All(Kinds.Pod).Where(IsOurs).Select(pod => Ordinal(ObjectStamp.NameOf(pod))).Order();
        if (!names.SequenceEqual(Enumerable.Range(0, Current["spec"]!["replicas"].Int()))) throw Cluster.Broken($"names of {App}: {string.Join(' ', names)}");
    }
}

/// <summary>A DaemonSet with surge or without.</summary>
public sealed class DaemonSubject : WorkloadSubject
{
    private List<JsonObject> _seen = [];
    private HashSet<string> _fit = [];

    public DaemonSubject(SimulatedCluster cluster) : base(cluster, Kinds.DaemonSet, "agent", Spec(cluster.Chance)) { }

    private static string Spec(Random chance)
    {
        string[] bounds = ["\"maxSurge\":0,\"maxUnavailable\":1", "\"maxSurge\":0,\"maxUnavailable\":2", "\"maxSurge\":0,\"maxUnavailable\":\"30%\"", "\"maxSurge\":1,\"maxUnavailable\":0", "\"maxSurge\":\"40%\",\"maxUnavailable\":0"];
        return "\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{" + bounds[chance.Next(bounds.Length)] + "}}";
    }

    private static string On(JsonObject pod) => Workloads.PlannedWorld.Target(pod);

    public override void Decided(SimulatedActor actor, ResourceKind kind, JsonObject owner, IReadOnlyList<WorkloadAction> actions)
    {
        if (kind != Kinds.DaemonSet) return;
        _seen = [.. actor.View.Cache.All(Kinds.Pod).Where(IsOurs)];
        _fit = [.. actor.View.Cache.All(Kinds.Node).Where(node => node.IsReady() && node["spec"]?["taints"] is not JsonArray { Count: > 0 }).Select(node => node.Name())];
    }

    public override void Check(SimulatedActor actor, ResourceKind kind, JsonObject owner, WorkloadAction action)
    {
        if (kind != Kinds.DaemonSet) return;
        var rolling = owner["spec"]!["updateStrategy"]!["rollingUpdate"]!;
        int surge = Portion(rolling["maxSurge"], _fit.Count, true), unavailable = Portion(rolling["maxUnavailable"], _fit.Count, true);
        static int Doubled(IEnumerable<JsonObject> live) => live.GroupBy(On).Count(group => group.Count() > 1);
        var known = _seen.Where(pod => !pod.IsDeleted() && !pod.IsOver()).ToList();
        if (action is CreateObject { Document: var made } create && create.Kind == Kinds.Pod)
        {
            if (!_fit.Contains(On(made))) throw Cluster.Broken($"a pod of {App} was made for {On(made)}, which takes none");
            if (Live.Count(pod => On(pod) == On(made)) > (surge > 0 ? 2 : 1)) throw Cluster.Broken($"{Live.Count(pod => On(pod) == On(made))} pods of {App} for {On(made)} (one on a node)");
            int doubled = Doubled(Live.Where(pod => _fit.Contains(On(pod))));
            if (doubled > Math.Max(surge, Doubled(known.Where(pod => _fit.Contains(On(pod)))))) throw Cluster.Broken($"{doubled} nodes with two pods of {App}, {surge} at most (maxSurge)");
        }
        if (action is not DeleteObject delete || delete.Kind != Kinds.Pod) return;
        var before = _seen.Single(pod => pod.Uid() == delete.Uid);
        if (!Falls(delete.Uid) || before.IsOver() || !before.IsAvailable(MinReady, Cluster.Now) || !_fit.Contains(On(before))) return;
        int missing = _fit.Count(node => !Live.Any(pod => On(pod) == node && IsUp(pod))) - Ghosts, missed = _fit.Count(node => !known.Any(pod => On(pod) == node && pod.IsAvailable(MinReady, Cluster.Now)));
        if (missing > Math.Max(unavailable, missed)) throw Cluster.Broken($"{missing} nodes without a pod of {App} that works after {delete.Name} was replaced, {Math.Max(unavailable, missed)} at most (maxUnavailable of {_fit.Count})");
    }

    public override void UserActs() => NewVersion(undo: Chance.Next(3) == 0);

    public override void CheckEnd()
    {
        CheckPods(Store.All(Kinds.Node).Count());
        if (Store.All(Kinds.Pod).Where(IsOurs).Select(On).Distinct().Count() != Store.All(Kinds.Node).Count()) throw Cluster.Broken($"{App} is not once on every node");
    }
}

/// <summary>A Job, indexed or not, whose pods fail by chance; one that has ended is deleted and made anew.</summary>
public sealed class JobSubject : WorkloadSubject
{
    private readonly Dictionary<string, int?> _succeeded = [];

    /// <summary>Its next try may be minutes away.</summary>
    public override bool AtRest => JobPlan.Finished(Current) is not null;

    public JobSubject(SimulatedCluster cluster) : base(cluster, Kinds.Job, "batch", Spec(cluster.Chance), ",\"restartPolicy\":\"Never\"") { }

    private static string Spec(Random chance) => "\"parallelism\":" + Text(chance.Next(1, 4)) + ",\"completions\":" + Text(chance.Next(1, 6)) + ",\"completionMode\":\"" + (chance.Next(2) == 0 ? "Indexed" : "NonIndexed") + "\",\"backoffLimit\":" + Text(chance.Next(2, 8));

    public override void Started(JsonObject pod)
    {
        if (!pod.IsReady() && pod.Phase() != "Running") { Cluster.SetReady(pod, true); return; }
        if (Chance.Next(3) > 0) return;
        bool fails = Chance.Next(5) == 0;
        Cluster.SetReady(pod, false, fails ? "Failed" : "Succeeded");
        if (!fails && JobTally.IsTracked(pod)) _succeeded[pod.Uid()] = JobPlan.Index(pod);
    }

    private IEnumerable<KeyValuePair<string, int?>> Done(JsonObject job) => _succeeded.Where(_ => job.Uid() == Current.Uid());

    public override void Check(SimulatedActor actor, ResourceKind kind, JsonObject owner, WorkloadAction action)
    {
        if (kind != Kinds.Job || action is not CreateObject { Document: var made } || !IsThere || owner.Uid() != Current.Uid()) return;
        var live = Live.Where(pod => pod.OwnerUid() == owner.Uid()).ToList();
        int parallelism = owner["spec"]!["parallelism"].Int(), completions = owner["spec"]!["completions"].Int();
        if (live.Count > parallelism) throw Cluster.Broken($"{live.Count} pods of {App} run, {parallelism} at most (parallelism)");
        if (owner["spec"]!["suspend"]?.GetValue<bool>() == true) throw Cluster.Broken($"a pod of {App} was made while it is suspended");
        if (JobPlan.Index(made) is not { } index)
        {
            if (live.Count + Done(owner).Count() > completions) throw Cluster.Broken($"{live.Count} pods of {App} run and {Done(owner).Count()} have succeeded, {completions} at most (completions)");
            return;
        }
        if (index >= completions || Done(owner).Any(done => done.Value == index) || live.Count(pod => JobPlan.Index(pod) == index && JobTally.IsTracked(pod)) > 1) throw Cluster.Broken($"index {index} of {App} once more (each index once)");
    }

    public override void UserActs()
    {
        if (!IsThere) { _succeeded.Clear(); Make(Spec(Chance), ",\"restartPolicy\":\"Never\""); }
        else if (JobPlan.Finished(Current) is not null)
        {
            if (Store.All(Kinds.Pod).Any(pod => IsOurs(pod) && JobTally.IsTracked(pod))) return; // its controller lets them go first
            foreach (var pod in Store.All(Kinds.Pod).Where(IsOurs).ToList()) Store.Delete(Kinds.Pod, pod); // as the garbage collector does
            Store.Remove(Kinds.Job, Name);
        }
        else if (Chance.Next(2) == 0) Change(spec => spec["suspend"] = spec["suspend"]?.GetValue<bool>() != true);
        else Change(spec => spec["parallelism"] = Chance.Next(1, 4));
    }

    public override void UserSettles()
    {
        if (!IsThere) UserActs();
        Change(spec => spec.Remove("suspend"));
    }

    public override void CheckEnd()
    {
        var status = Current["status"];
        if (JobPlan.Finished(Current) is null) throw Cluster.Broken($"{App} has not ended: {Current["spec"]!.ToJsonString()} {status?.ToJsonString()}; {string.Join(' ', Store.All(Kinds.Pod).Where(IsOurs).Select(pod => $"{pod.Name()}:{pod.NodeName()}:{pod.Phase()}{(pod.IsDeleted() ? ":going" : "")}"))}");
        if (Live.Any() || Store.All(Kinds.Pod).Any(pod => IsOurs(pod) && JobTally.IsTracked(pod))) throw Cluster.Broken($"{App} has ended and its pods have not");
        int completions = Current["spec"]!["completions"].Int();
        bool indexed = Current["spec"]!["completionMode"]!.ToString() == "Indexed";
        int done = indexed ? Done(Current).Select(pair => pair.Value).Distinct().Count() : Done(Current).Count();
        if (Current.Condition("Complete") is not null && (done < completions || status!["succeeded"].Int() != completions)) throw Cluster.Broken($"{App} is complete with {done} successes of {completions}: {status!.ToJsonString()}");
    }
}

/// <summary>The Service in front of the rolling Deployment: its slices, in the end, are the pods that serve.</summary>
public sealed class ServiceSubject : Subject
{
    public ServiceSubject(SimulatedCluster cluster) : base(cluster) => Store.Put(Kinds.Service, ObjectStamp.New(Kinds.Service, Documents.Json("""{"metadata":{"name":"roll","namespace":"default"},"spec":{"selector":{"app":"roll"},"ports":[{"port":80,"targetPort":8080}]}}"""), new Guid(cluster.Seed, 9, 9, new byte[8]), cluster.Now, ""));

    public override string App => "";
    public override int MinReady => 0;
    public override void UserActs() { }
    public override void UserSettles() { }

    public override void CheckEnd()
    {
        var told = Store.All(Kinds.EndpointSlice).SelectMany(slice => slice["endpoints"]!.AsArray()).Where(endpoint => endpoint!["conditions"]!["ready"]!.GetValue<bool>()).Select(endpoint => endpoint!["targetRef"]!["name"]!.ToString()).Order().ToList();
        var serving = Store.All(Kinds.Pod).Where(pod => pod.Metadata()["labels"]!["app"]!.ToString() == "roll" && pod.IsReady()).Select(pod => pod.Name()).Order().ToList();
        if (!told.SequenceEqual(serving)) throw Cluster.Broken($"the Service leads to {string.Join(' ', told)}, {string.Join(' ', serving)} serve");
    }
}
