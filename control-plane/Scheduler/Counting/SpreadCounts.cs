using Eyrie.ControlPlane.Scheduler.Filters;

namespace Eyrie.ControlPlane.Scheduler.Counting;

/// <summary>
/// The pods that a topologySpreadConstraint counts, by domain, for filter and score alike. As kube-scheduler counts: on nodes that carry the labels of all constraints that go together,
/// and that the pod may use, as far as nodeAffinityPolicy and nodeTaintsPolicy say so.
/// </summary>
public sealed class SpreadCounts
{
    private readonly int[] _counts;
    /// <summary>Domains that a counted node is in; null: all of them.</summary>
    private readonly bool[]? _there;

    /// <param name="placed">The pods that the constraint selects.</param>
    /// <param name="together">Topologies whose labels a node must carry to be counted.</param>
    public SpreadCounts(PodInfo pod, SpreadConstraint constraint, NodeCounts placed, IReadOnlyList<Topology> together, Cluster cluster)
    {
        (Topology, MaxSkew) = (cluster.Topology(constraint.TopologyKey), constraint.MaxSkew);
        bool affinity = constraint.HonorAffinity && (pod.NodeSelector.Count > 0 || pod.NodeTerms is not null), labels = together.Any(other => other != Topology && !other.Complete);
        if (!affinity && !constraint.HonorTaints && !labels)
        {
            _counts = placed.Of(Topology);
            return;
        }
        (_counts, _there) = (new int[Topology.Domains], new bool[Topology.Domains]);
        foreach (var node in cluster.Nodes)
        {
            if (Topology.Of(node) is not (>= 0 and var domain) || (labels && !together.All(other => other.Of(node) >= 0))
                || (affinity && !NodeAffinity.Matches(pod, node.Info)) || (constraint.HonorTaints && !UntoleratedTaint.Tolerated(pod, node.Info))) continue;
            _there[domain] = true;
            _counts[domain] += placed.On(node);
        }
    }

    public Topology Topology { get; }
    public int MaxSkew { get; }

    public int In(int domain) => _counts[domain];

    /// <summary>Pods in the emptiest domain; 0 while there are fewer domains than <paramref name="minDomains"/>.</summary>
    public int Least(int minDomains)
    {
        int least = int.MaxValue, domains = 0;
        for (int i = 0; i < _counts.Length; i++)
        {
            if (_there is not null && !_there[i]) continue;
            domains++;
            least = Math.Min(least, _counts[i]);
        }
        return domains == 0 || domains < minDomains ? 0 : least;
    }
}
