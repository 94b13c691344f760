using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;
using Eyrie.Controllers.Tests.Simulation;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Workloads;

/// <summary>One workload and its pods in a store, for properties of one plan: who decides sees everything; pods start, fail, end and go by chance. All of it from one seed.</summary>
public sealed class PlannedWorld
{
    public const string Template = """{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"c","image":"a:0"}]}}""";
    private readonly WorkloadKind _kind;

    public PlannedWorld(int seed, ResourceKind kind, string spec)
    {
        (Seed, Chance, _kind) = (seed, new Random(seed), WorkloadKinds.All.Single(entry => entry.Kind == kind));
        Store = new SimulatedStore(Chance, () => Now);
        Store.Put(kind, ObjectStamp.New(kind, Json("{\"metadata\":{\"name\":\"a\",\"namespace\":\"default\"},\"spec\":" + spec + "}"), new Guid(seed, 1, 1, new byte[8]), Now, ""));
    }

    public int Seed { get; }
    public Random Chance { get; }
    public SimulatedStore Store { get; }
    public DateTimeOffset Now { get; set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    public JsonObject Owner => Store.Get(_kind.Kind, new ObjectName("default", "a"))!;
    public IReadOnlyList<JsonObject> Pods => [.. Store.All(Kinds.Pod)];

    /// <summary>Pods that are not over and not going.</summary>
    public IReadOnlyList<JsonObject> Live => [.. Pods.Where(pod => !pod.IsOver() && !pod.IsDeleted())];

    /// <summary>What the plan decides on all that is there.</summary>
    public IReadOnlyList<WorkloadAction> Decide()
    {
        var cache = new ObjectCache();
        foreach (var kind in new[] { _kind.Kind, Kinds.Pod, Kinds.Node, Kinds.ControllerRevision, Kinds.Job, Kinds.PersistentVolumeClaim })
            cache.Apply(kind, [.. Store.All(kind).Select(item => new ObjectChange(ChangeType.Added, kind, ObjectStamp.NameOf(item), item, (JsonObject?)null))], new ControlPlane.Store.Revision(Store.Log.Count));
        return Store.Get(_kind.Kind, new ObjectName("default", "a")) is { } owner ? _kind.Decide(owner, cache, Now) : [];
    }

    public void Apply(IEnumerable<WorkloadAction> actions)
    {
        foreach (var action in actions) Store.Apply(action);
    }

    public void Change(Action<JsonObject> change)
    {
        var copy = (JsonObject)Owner.DeepClone();
        change(copy["spec"]!.AsObject());
        Store.Put(_kind.Kind, ObjectStamp.Replace(_kind.Kind, Owner, copy));
    }

    public void Set(JsonObject pod, string phase, bool ready = false, int code = 0, string more = "")
    {
        var copy = (JsonObject)pod.DeepClone();
        var ended = phase is "Succeeded" or "Failed" ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $$$""","containerStatuses":[{"name":"c","state":{"terminated":{"exitCode":{{{code}}},"finishedAt":"{{{ObjectStamp.Time(Now)}}}"} } }]""") : "";
        copy["status"] = Json($$$"""{"phase":"{{{phase}}}","conditions":[{"type":"Ready","status":"{{{(ready ? "True" : "False")}}}","lastTransitionTime":"{{{ObjectStamp.Time(Now)}}}"}{{{more}}}]{{{ended}}}}""");
        Store.Put(Kinds.Pod, copy);
    }

    /// <summary>A pod starts, breaks or is gone.</summary>
    public void PodsLive()
    {
        foreach (var pod in Pods)
            if (pod.IsDeleted()) { if (Chance.Next(2) == 0) Store.End(pod); }
            else if (!pod.IsReady() && !pod.IsOver() && Chance.Next(2) == 0) Set(Placed(pod), "Running", true);
            else if (Chance.Next(12) == 0) Set(pod, Chance.Next(2) == 0 ? "Failed" : "Running");
    }

    /// <summary>All that is going is gone, and all that is there runs.</summary>
    public void PodsRun()
    {
        foreach (var pod in Pods)
            if (pod.IsDeleted()) Store.End(pod);
            else if (!pod.IsReady() && !pod.IsOver()) Set(Placed(pod), "Running", true);
    }

    private static JsonObject Placed(JsonObject pod)
    {
        if (pod.NodeName().Length > 0) return pod;
        var copy = (JsonObject)pod.DeepClone();
        copy["spec"]!["nodeName"] = Target(pod) is { Length: > 0 } node ? node : "n0";
        return copy;
    }

    /// <summary>The node that a pod of a DaemonSet is on or for.</summary>
    public static string Target(JsonObject pod) => pod.NodeName() is { Length: > 0 } node ? node
        : pod["spec"]?["affinity"]?["nodeAffinity"]?["requiredDuringSchedulingIgnoredDuringExecution"]?["nodeSelectorTerms"]?[0]?["matchFields"]?[0]?["values"]?[0]?.ToString() ?? "";

    public static string Image(JsonObject pod) => pod["spec"]!["containers"]![0]!["image"]!.ToString();

    /// <summary>Decides and lets pods run until nothing is decided any more.</summary>
    public void Rest(int rounds = 200)
    {
        for (int round = 0, quiet = 0; round < rounds && quiet < 3; round++)
        {
            int before = Store.Log.Count;
            Apply(Decide());
            Now = Now.AddSeconds(10);
            PodsRun();
            quiet = Store.Log.Count == before ? quiet + 1 : 0;
        }
    }
}
