using Eyrie.ControlPlane.Scheduler.Counting;

namespace Eyrie.ControlPlane.Scheduler.Filters;

/// <summary>topologySpreadConstraints with DoNotSchedule: with the pod, no domain has more than maxSkew pods over the emptiest one.</summary>
public sealed class TopologySpread : Filter
{
    private sealed record Prepared(Topology Topology, int[] Counts, int Least, int Self, int MaxSkew);

    private readonly List<Prepared> _constraints = [];

    public TopologySpread(PodInfo pod, Cluster cluster)
    {
        foreach (var constraint in pod.Spread.Where(constraint => constraint.Hard))
        {
            var topology = cluster.Topology(constraint.TopologyKey);
            var placed = cluster.Index.Spread(pod.Namespace, constraint.Selector);
            bool all = (!constraint.HonorAffinity || (pod.NodeSelector.Count == 0 && pod.NodeTerms is null)) && !constraint.HonorTaints;
            var (counts, least) = all ? Whole(placed.Of(topology), constraint.MinDomains) : Eligible(pod, constraint, topology, placed, cluster);
            _constraints.Add(new Prepared(topology, counts, least, constraint.Selector.Matches(pod.Labels) ? 1 : 0, constraint.MaxSkew));
        }
    }

    public override bool Fits(NodeState node)
    {
        foreach (var constraint in _constraints)
            if (constraint.Topology.Of(node) is var domain && (domain < 0 || constraint.Counts[domain] + constraint.Self - constraint.Least > constraint.MaxSkew)) return false;
        return true;
    }

    public override IEnumerable<string> Reasons(NodeState node) => [_constraints.Any(constraint => constraint.Topology.Of(node) < 0)
        ? "node(s) didn't match pod topology spread constraints (missing required label)" : "node(s) didn't match pod topology spread constraints"];

    public override bool PreemptionHelps(NodeState node) => _constraints.All(constraint => constraint.Topology.Of(node) >= 0);
    public override bool LooksAround => true;
    public override WakeUp Helped => WakeUp.NodeAdded | WakeUp.NodeLabels | WakeUp.NodeTaints | WakeUp.PodGone | WakeUp.PodPlaced | WakeUp.PodChanged;

    private static (int[], int) Whole(int[] counts, int minDomains)
    {
        if (counts.Length < minDomains || counts.Length == 0) return (counts, 0);
        int least = int.MaxValue;
        foreach (int count in counts) least = Math.Min(least, count);
        return (counts, least);
    }

    /// <summary>Only nodes that the pod may use by its affinity (and tolerations) make up the domains.</summary>
    private static (int[], int) Eligible(PodInfo pod, SpreadConstraint constraint, Topology topology, NodeCounts placed, Cluster cluster)
    {
        var counts = new int[topology.Domains];
        var there = new bool[topology.Domains];
        foreach (var node in cluster.Nodes)
        {
            if (topology.Of(node) is var domain && (domain < 0 || (constraint.HonorAffinity && !NodeAffinity.Matches(pod, node.Info)) || (constraint.HonorTaints && !UntoleratedTaint.Tolerated(pod, node.Info)))) continue;
            there[domain] = true;
            counts[domain] += placed.On(node);
        }
        int least = int.MaxValue, domains = 0;
        for (int i = 0; i < counts.Length; i++)
        {
            if (!there[i]) continue;
            domains++;
            least = Math.Min(least, counts[i]);
        }
        return (counts, domains < constraint.MinDomains || domains == 0 ? 0 : least);
    }
}
