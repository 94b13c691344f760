using Eyrie.ControlPlane.Scheduler.Counting;

namespace Eyrie.ControlPlane.Scheduler.Scores;

/// <summary>Preferred pod affinity and anti-affinity, the pod's own and that of pods already there.</summary>
public sealed class PreferredPods : Score
{
    private readonly List<(int Weight, Topology Topology, int[] Counts)> _terms = [];

    public static PreferredPods? For(PodInfo pod, Cluster cluster)
    {
        var score = new PreferredPods();
        foreach (var (weight, term) in pod.PreferredPods) score.Add(weight, term, cluster.Index.Selected([term]), cluster);
        foreach (var held in cluster.Index.Against(pod))
            if (held.Weight != 0) score.Add(held.Weight, held.Term, held.Counts, cluster);
        return score._terms.Count == 0 ? null : score;
    }

    public override int Weight => 2;

    public override double Of(NodeState node)
    {
        double sum = 0;
        foreach (var (weight, topology, counts) in _terms)
            if (topology.Of(node) is >= 0 and var domain) sum += weight * counts[domain];
        return sum;
    }

    public override void Normalize(Span<double> values)
    {
        double least = double.MaxValue, most = double.MinValue;
        foreach (double value in values) (least, most) = (Math.Min(least, value), Math.Max(most, value));
        for (int i = 0; i < values.Length; i++) values[i] = most == least ? 0 : Most * (values[i] - least) / (most - least);
    }

    private void Add(int weight, PodTerm term, NodeCounts counts, Cluster cluster)
    {
        var topology = cluster.Topology(term.TopologyKey);
        _terms.Add((weight, topology, counts.Of(topology)));
    }
}
