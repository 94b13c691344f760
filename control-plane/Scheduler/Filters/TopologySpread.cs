using Eyrie.ControlPlane.Scheduler.Counting;

namespace Eyrie.ControlPlane.Scheduler.Filters;

/// <summary>topologySpreadConstraints with DoNotSchedule: with the pod, no domain has more than maxSkew pods over the emptiest one.</summary>
public sealed class TopologySpread : Filter
{
    private readonly List<(SpreadCounts Counts, int Least, int Self)> _constraints = [];

    public TopologySpread(PodInfo pod, Cluster cluster)
    {
        var hard = pod.Spread.Where(constraint => constraint.Hard).ToList();
        var topologies = hard.ConvertAll(constraint => cluster.Topology(constraint.TopologyKey));
        foreach (var constraint in hard)
        {
            var counts = new SpreadCounts(pod, constraint, cluster.Index.Spread(pod.Namespace, constraint.Selector), topologies, cluster);
            _constraints.Add((counts, counts.Least(constraint.MinDomains), constraint.Selector.Matches(pod.Labels) ? 1 : 0));
        }
    }

    public override bool Fits(NodeState node)
    {
        foreach (var (counts, least, self) in _constraints)
            if (counts.Topology.Of(node) is var domain && (domain < 0 || counts.In(domain) + self - least > counts.MaxSkew)) return false;
        return true;
    }

    public override IEnumerable<string> Reasons(NodeState node) => [PreemptionHelps(node) ? "node(s) didn't match pod topology spread constraints" : "node(s) didn't match pod topology spread constraints (missing required label)"];

    public override bool PreemptionHelps(NodeState node) => _constraints.All(constraint => constraint.Counts.Topology.Of(node) >= 0);
    public override bool LooksAround => true;
    public override WakeUp Helped => WakeUp.NodeAdded | WakeUp.NodeLabels | WakeUp.NodeTaints | WakeUp.PodGone | WakeUp.PodPlaced | WakeUp.PodChanged;
}
