using Eyrie.ControlPlane.Scheduler.Counting;

namespace Eyrie.ControlPlane.Scheduler.Filters;

/// <summary>Required pod affinity and anti-affinity, and the anti-affinity that pods already there hold against this one.</summary>
public sealed class PodAffinity : Filter
{
    private readonly List<(Topology Topology, int[] Counts)> _near = [], _away = [], _heldAgainst = [];
    /// <summary>No pod matches the affinity yet, on nodes that are in a domain, and the pod itself would: the first of its kind may be in any.</summary>
    private readonly bool _first;

    private PodAffinity(PodInfo pod, Cluster cluster, IEnumerable<PodIndex.Held> held)
    {
        if (pod.Affinity.Count > 0)
        {
            // As in kube-scheduler, a pod counts when every term selects it.
            var counts = cluster.Index.Selected(pod.Affinity);
            foreach (var term in pod.Affinity) _near.Add(Over(term, counts, cluster));
            _first = (counts.Total == 0 || _near.All(near => Array.TrueForAll(near.Counts, count => count == 0))) && pod.Affinity.All(term => term.Selects(pod, cluster));
        }
        foreach (var term in pod.AntiAffinity) _away.Add(Over(term, cluster.Index.Selected([term]), cluster));
        foreach (var one in held) _heldAgainst.Add(Over(one.Term, one.Counts, cluster));
    }

    /// <summary>null: nothing of this concerns the pod.</summary>
    public static PodAffinity? For(PodInfo pod, Cluster cluster)
    {
        var held = cluster.Index.Against(pod).Where(held => held.Weight == 0).ToList();
        return pod.Affinity.Count + pod.AntiAffinity.Count + held.Count == 0 ? null : new PodAffinity(pod, cluster, held);
    }

    public override bool Fits(NodeState node) => Near(node) && !Any(_away, node) && !Any(_heldAgainst, node);

    public override IEnumerable<string> Reasons(NodeState node) =>
        [!Near(node) ? "node(s) didn't match pod affinity rules" : Any(_away, node) ? "node(s) didn't match pod anti-affinity rules" : "node(s) didn't satisfy existing pods anti-affinity rules"];

    public override bool PreemptionHelps(NodeState node) => Near(node);
    public override bool LooksAround => true;
    public override WakeUp Helped => WakeUp.NodeAdded | WakeUp.NodeLabels | WakeUp.PodGone | WakeUp.PodPlaced | WakeUp.PodChanged | WakeUp.Namespace;

    private static (Topology, int[]) Over(PodTerm term, NodeCounts counts, Cluster cluster)
    {
        var topology = cluster.Topology(term.TopologyKey);
        return (topology, counts.Of(topology));
    }

    private bool Near(NodeState node)
    {
        foreach (var (topology, counts) in _near)
            if (topology.Of(node) is var domain && (domain < 0 || (!_first && counts[domain] == 0))) return false;
        return true;
    }

    private static bool Any(List<(Topology Topology, int[] Counts)> terms, NodeState node)
    {
        foreach (var (topology, counts) in terms)
            if (topology.Of(node) is >= 0 and var domain && counts[domain] > 0) return true;
        return false;
    }
}
