using Eyrie.ControlPlane.Scheduler.Counting;

namespace Eyrie.ControlPlane.Scheduler.Scores;

/// <summary>topologySpreadConstraints with ScheduleAnyway; without any, siblings of one owner are spread over nodes and zones, as kube-scheduler does by default.</summary>
public sealed class SpreadScore : Score
{
    private const string Hostname = "kubernetes.io/hostname", Zone = "topology.kubernetes.io/zone";

    private readonly record struct Counted(Topology Topology, int[] Counts, double DomainWeight, int MaxSkew);

    private readonly Counted[] _constraints;
    /// <summary>A node without the label of an explicit constraint gets nothing; the default ones ask for no label.</summary>
    private readonly bool _labelsRequired;

    private SpreadScore(Counted[] constraints, bool labelsRequired) => (_constraints, _labelsRequired) = (constraints, labelsRequired);

    public override int Weight => 2;

    public static SpreadScore? For(PodInfo pod, Cluster cluster, ReadOnlySpan<NodeState> fitting)
    {
        var constraints = new List<Counted>(2);
        if (pod.Spread.Count > 0)
        {
            foreach (var constraint in pod.Spread)
                if (!constraint.Hard) Count(constraint.TopologyKey, constraint.MaxSkew, cluster.Index.Spread(pod.Namespace, constraint.Selector), fitting);
            return constraints.Count == 0 ? null : new SpreadScore([.. constraints], true);
        }
        if (pod.Owner is null || cluster.Index.OfOwner(pod.Owner) is not { } siblings) return null;
        Count(Hostname, 3, siblings, fitting);
        Count(Zone, 5, siblings, fitting);
        return constraints.Count == 0 ? null : new SpreadScore([.. constraints], false);

        void Count(string key, int maxSkew, NodeCounts counts, ReadOnlySpan<NodeState> nodes)
        {
            var topology = cluster.Topology(key);
            if (topology.Domains > 0) constraints.Add(new Counted(topology, counts.Of(topology), Math.Log(Seen(topology, key, nodes) + 2), maxSkew));
        }
    }

    /// <summary>Domains that the fitting nodes are in.</summary>
    private static int Seen(Topology topology, string key, ReadOnlySpan<NodeState> fitting)
    {
        if (key == Hostname) return fitting.Length;
        var seen = new bool[topology.Domains];
        int number = 0;
        foreach (var node in fitting)
            if (topology.Of(node) is >= 0 and var domain && !seen[domain]) { seen[domain] = true; number++; }
        return number;
    }

    public override double Of(NodeState node)
    {
        double sum = 0;
        foreach (ref readonly var constraint in _constraints.AsSpan())
        {
            int domain = constraint.Topology.Of(node);
            if (domain >= 0) sum += (constraint.Counts[domain] * constraint.DomainWeight) + constraint.MaxSkew - 1;
            else if (_labelsRequired) return -1;
        }
        return Math.Round(sum);
    }

    public override void Normalize(Span<double> values)
    {
        double least = double.MaxValue, most = 0;
        foreach (double value in values)
        {
            if (value < 0) continue;
            (least, most) = (Math.Min(least, value), Math.Max(most, value));
        }
        for (int i = 0; i < values.Length; i++) values[i] = values[i] < 0 ? 0 : most == 0 ? Most : Most * (most + least - values[i]) / most;
    }
}
