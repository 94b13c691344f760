using Eyrie.ControlPlane.Scheduler.Counting;

namespace Eyrie.ControlPlane.Scheduler.Scores;

/// <summary>topologySpreadConstraints with ScheduleAnyway; without any, siblings of one owner are spread over nodes and zones, as kube-scheduler does by default.</summary>
public sealed class SpreadScore : Score
{
    private const string Hostname = "kubernetes.io/hostname", Zone = "topology.kubernetes.io/zone";
    private static readonly SpreadConstraint[] Default = [new(3, Hostname, false, Selector.Everything), new(5, Zone, false, Selector.Everything)];

    private readonly List<(SpreadCounts Counts, double DomainWeight)> _constraints;
    /// <summary>A node without the label of an explicit constraint gets nothing; the default ones ask for no label.</summary>
    private readonly bool _labelsRequired;

    private SpreadScore(List<(SpreadCounts, double)> constraints, bool labelsRequired) => (_constraints, _labelsRequired) = (constraints, labelsRequired);

    public override int Weight => 2;

    public static SpreadScore? For(PodInfo pod, Cluster cluster, ReadOnlySpan<NodeState> fitting)
    {
        bool stated = pod.Spread.Count > 0;
        // The first of its siblings goes anywhere, unless some nodes are in no zone.
        var siblings = stated || pod.Owner is null ? null : cluster.Index.OfOwner(pod.Owner) ?? (cluster.Topology(Zone) is { Complete: false, Domains: > 0 } ? new NodeCounts() : null);
        if (!stated && siblings is null) return null;
        SpreadConstraint[] soft = stated ? [.. pod.Spread.Where(constraint => !constraint.Hard)] : Default;
        if (soft.Length == 0) return null;
        Topology[] together = stated ? [.. soft.Select(constraint => cluster.Topology(constraint.TopologyKey))] : [];
        var constraints = new List<(SpreadCounts, double)>(soft.Length);
        foreach (var constraint in soft)
        {
            var counts = new SpreadCounts(pod, constraint, siblings ?? cluster.Index.Spread(pod.Namespace, constraint.Selector), together, cluster);
            constraints.Add((counts, Math.Log(Seen(counts.Topology, together, fitting) + 2)));
        }
        return new SpreadScore(constraints, stated);
    }

    /// <summary>Domains that the fitting nodes are in; those without the label are one more, where they may be.</summary>
    private static int Seen(Topology topology, Topology[] together, ReadOnlySpan<NodeState> fitting)
    {
        bool each = topology.Key == Hostname;
        if (each && together.All(other => other.Complete)) return fitting.Length;
        var seen = new bool[topology.Domains + 1];
        int number = 0;
        foreach (var node in fitting)
        {
            ref bool known = ref seen[topology.Of(node) + 1];
            if ((known && !each) || Lacks(node, together)) continue;
            known = true;
            number++;
        }
        return number;
    }

    private static bool Lacks(NodeState node, Topology[] together)
    {
        foreach (var topology in together)
            if (topology.Of(node) < 0) return true;
        return false;
    }

    public override double Of(NodeState node)
    {
        double sum = 0;
        foreach (var (counts, weight) in _constraints)
        {
            int domain = counts.Topology.Of(node);
            if (domain >= 0) sum += (counts.In(domain) * weight) + counts.MaxSkew - 1;
            else if (_labelsRequired) return -1;
        }
        return Math.Round(sum, MidpointRounding.AwayFromZero);
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
