using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Scheduling;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;
using Eyrie.ControlPlane.Scheduler.Filters;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>DaemonSet: one pod on every node that its selector, affinity and tolerations let it be on; an update replaces maxUnavailable at a time, or starts maxSurge beside the old ones first. Pure.</summary>
public static class DaemonSetPlan
{
    private static readonly string[] Tolerated = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "node.kubernetes.io/disk-pressure", "node.kubernetes.io/memory-pressure", "node.kubernetes.io/pid-pressure", "node.kubernetes.io/unschedulable"];

    public static IReadOnlyList<WorkloadAction> Decide(JsonObject set, IEnumerable<JsonObject> pods, IEnumerable<JsonObject> nodes, IEnumerable<JsonObject> revisions, DateTimeOffset now)
    {
        if (set.IsDeleted()) return [];
        var actions = new List<WorkloadAction>();
        var own = pods.Where(pod => pod.OwnerUid() == set.Uid()).ToList();
        var history = Revisions.Of(Kinds.DaemonSet, set, revisions, [.. own.Select(pod => Name(set, pod))], actions);
        var probe = PodReader.Read(NewPod(set, "", history.Update));
        var places = nodes.Select(NodeReader.Read).Where(node => Matches(set, node)).ToList();
        var wanted = places.Where(node => UntoleratedTaint.Tolerated(probe, node)).Select(node => node.Name).Order(StringComparer.Ordinal).ToList();
        // A taint with NoSchedule, which a node that is not ready has, brings none there; what is there stays.
        var stays = places.Where(node => node.Taints.All(taint => taint.Effect != "NoExecute" || probe.Tolerations.Any(toleration => toleration.Tolerates(taint)))).Select(node => node.Name).ToHashSet();
        var byNode = own.ToLookup(Target);
        int minReady = set["spec"]!["minReadySeconds"].Int();
        foreach (var pod in own.Where(pod => pod.IsOver() && !pod.IsDeleted())) actions.Add(Delete(pod));
        foreach (var pod in own.Where(pod => !pod.IsOver() && !pod.IsDeleted() && !stays.Contains(Target(pod)))) actions.Add(Delete(pod));
        foreach (var node in wanted.Where(node => !byNode[node].Any(pod => !pod.IsOver() || pod.IsDeleted()))) actions.Add(new CreateObject(Kinds.Pod, NewPod(set, node, history.Update)));
        var (surge, unavailable) = Bounds(set, wanted.Count);
        var kept = wanted.ToDictionary(node => node, node => Kept(set, history.Update, [.. byNode[node].Where(pod => !pod.IsOver() && !pod.IsDeleted())], surge > 0, minReady, now, actions));
        if (set["spec"]!["updateStrategy"]?["type"]?.ToString() != "OnDelete") Update(set, history.Update, wanted, kept, surge, unavailable, minReady, now, actions);
        if (PodView.NextAvailable(own.Select(pod => new PodView(pod)), minReady, now) is { } next) actions.Add(new LookAgain(next));
        Status(set, history.Update, own, wanted, minReady, now, actions);
        return actions;
    }

    /// <summary>maxSurge and maxUnavailable as numbers of nodes, both rounded up.</summary>
    private static (int Surge, int Unavailable) Bounds(JsonObject set, int nodes)
    {
        var rolling = set["spec"]!["updateStrategy"]?["rollingUpdate"];
        int surge = Portion.Of(rolling?["maxSurge"], "0", nodes, up: true);
        return (surge, Portion.Of(rolling?["maxUnavailable"], surge > 0 ? "0" : "1", nodes, up: true));
    }

    /// <summary>Of the pods on a node one stays, or with surge one of the newest template and one of an older: a template that came in the middle of an update leaves others behind. One that serves stays first.</summary>
    private static List<JsonObject> Kept(JsonObject set, string update, List<JsonObject> live, bool surge, int minReady, DateTimeOffset now, List<WorkloadAction> actions)
    {
        if (live.Count < 2) return live;
        var ordered = live.OrderByDescending(pod => pod.IsAvailable(minReady, now)).ThenByDescending(pod => Name(set, pod) == update)
            .ThenBy(pod => pod.Metadata().Text("creationTimestamp"), StringComparer.Ordinal).ThenBy(pod => pod.Name(), StringComparer.Ordinal);
        List<JsonObject> kept = [.. surge ? ordered.DistinctBy(pod => Name(set, pod) == update) : ordered.Take(1)];
        actions.AddRange(live.Except(kept).Select(Delete));
        return kept;
    }

    private static void Update(JsonObject set, string update, List<string> wanted, Dictionary<string, List<JsonObject>> kept, int surge, int unavailable, int minReady, DateTimeOffset now, List<WorkloadAction> actions)
    {
        bool Works(JsonObject pod) => pod.IsAvailable(minReady, now);
        int missing = wanted.Count(node => !kept[node].Any(Works)), extra = wanted.Count(node => kept[node].Count > 1);
        foreach (var node in wanted)
        {
            var live = kept[node];
            var old = live.Where(pod => Name(set, pod) != update).ToList();
            if (old.Count == 0) continue;
            if (live.Count > old.Count)
            {
                if (live.Except(old).Any(Works)) actions.AddRange(old.Select(Delete)); // its successor serves
            }
            else if (surge > 0)
            {
                if (extra >= surge) continue;
                extra++;
                actions.Add(new CreateObject(Kinds.Pod, NewPod(set, node, update)));
            }
            else if (!old.Any(Works)) actions.AddRange(old.Select(Delete)); // it serves nobody
            else if (missing < unavailable)
            {
                missing++;
                actions.AddRange(old.Select(Delete));
            }
        }
    }

    private static bool Matches(JsonObject set, NodeInfo node)
    {
        var pod = PodReader.Read(PodTemplates.NewPod(Kinds.DaemonSet, set, set["spec"]!["template"]!));
        return NodeAffinity.Matches(pod, node);
    }

    private static DeleteObject Delete(JsonObject pod) => new(Kinds.Pod, ObjectStamp.NameOf(pod), pod.Uid());

    private static string Name(JsonObject set, JsonObject pod) => $"{set.Name()}-{pod.Label(Revisions.Label)}";

    /// <summary>The node it is on or made for.</summary>
    private static string Target(JsonObject pod) => pod.NodeName() is { Length: > 0 } node ? node
        : pod["spec"]?["affinity"]?["nodeAffinity"]?["requiredDuringSchedulingIgnoredDuringExecution"]?["nodeSelectorTerms"]?[0]?["matchFields"]?[0]?["values"]?[0]?.ToString() ?? "";

    private static JsonObject NewPod(JsonObject set, string node, string revision)
    {
        var pod = PodTemplates.NewPod(Kinds.DaemonSet, set, set["spec"]!["template"]!).Labelled(Revisions.Label, revision[(set.Name().Length + 1)..]);
        var spec = pod["spec"]!.AsObject();
        if (spec["affinity"] is not JsonObject affinity) spec["affinity"] = affinity = [];
        if (affinity["nodeAffinity"] is not JsonObject nodes) affinity["nodeAffinity"] = nodes = [];
        // The scheduler binds it, to this node and no other; what the template asked of nodes has been looked at.
        nodes["requiredDuringSchedulingIgnoredDuringExecution"] = new JsonObject { ["nodeSelectorTerms"] = new JsonArray(new JsonObject { ["matchFields"] = new JsonArray(new JsonObject { ["key"] = "metadata.name", ["operator"] = "In", ["values"] = new JsonArray(node) }) }) };
        if (spec["tolerations"] is not JsonArray tolerations) spec["tolerations"] = tolerations = [];
        foreach (var key in Tolerated) tolerations.Add(new JsonObject { ["key"] = key, ["operator"] = "Exists", ["effect"] = key is NodeReader.NotReady or NodeReader.Unreachable ? "NoExecute" : "NoSchedule" });
        return pod;
    }

    private static void Status(JsonObject set, string update, List<JsonObject> own, List<string> wanted, int minReady, DateTimeOffset now, List<WorkloadAction> actions)
    {
        var live = own.Where(pod => !pod.IsOver() && !pod.IsDeleted()).ToList();
        int On(Func<JsonObject, bool> counts) => wanted.Count(node => live.Any(pod => Target(pod) == node && counts(pod)));
        int available = On(pod => pod.IsAvailable(minReady, now));
        var status = new JsonObject
        {
            ["observedGeneration"] = set.Metadata()["generation"]?.DeepClone(), ["desiredNumberScheduled"] = wanted.Count, ["currentNumberScheduled"] = On(_ => true), ["numberMisscheduled"] = live.Count(pod => !wanted.Contains(Target(pod))),
            ["numberReady"] = On(pod => pod.IsReady()), ["numberAvailable"] = available, ["updatedNumberScheduled"] = On(pod => Name(set, pod) == update),
        };
        if (wanted.Count > available) status["numberUnavailable"] = wanted.Count - available;
        PodTemplates.WriteStatus(Kinds.DaemonSet, set, status, actions);
    }
}
