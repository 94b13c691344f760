namespace Eyrie.ControlPlane.Scheduler.Scores;

/// <summary>One preference, prepared for one pod: 0 (bad) to 100 (good) for each node that fits.</summary>
public abstract class Score
{
    public const double Most = 100;

    /// <summary>As kube-scheduler weighs it.</summary>
    public virtual int Weight => 1;

    /// <summary>Before <see cref="Normalize"/>; the nodes that fit are known.</summary>
    public abstract double Of(NodeState node);

    /// <summary>Raw values, in place, to 0..100.</summary>
    public virtual void Normalize(Span<double> values) { }

    /// <summary>The preferences that make a difference for a pod.</summary>
    public static List<Score> AllFor(PodInfo pod, Cluster cluster, ReadOnlySpan<NodeState> fitting, ScoringStrategy strategy = ScoringStrategy.LeastAllocated)
    {
        var scores = new List<Score>(4) { strategy == ScoringStrategy.MostAllocated ? new MostAllocated(pod) : new LeastAllocated(pod), new BalancedAllocation(pod) };
        if (PreferNoSchedule.For(pod, fitting) is { } taints) scores.Add(taints);
        if (pod.PreferredNodes.Count > 0) scores.Add(new PreferredNodes(pod));
        if (SpreadScore.For(pod, cluster, fitting) is { } spread) scores.Add(spread);
        if (PreferredPods.For(pod, cluster) is { } preferred) scores.Add(preferred);
        if (GatePeers.For(pod) is { } gates) scores.Add(gates);
        if (ImageLocality.For(pod, cluster) is { } images) scores.Add(images);
        return scores;
    }

    /// <summary>Stretches values to 0..100 by their largest; reversed, small is good.</summary>
    protected static void ByLargest(Span<double> values, bool reversed)
    {
        double largest = 0;
        foreach (double value in values) largest = Math.Max(largest, value);
        for (int i = 0; i < values.Length; i++)
        {
            double share = largest == 0 ? 0 : Most * values[i] / largest;
            values[i] = reversed ? Most - share : share;
        }
    }
}
