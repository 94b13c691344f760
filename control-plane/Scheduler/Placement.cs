using System.Globalization;
using Eyrie.ControlPlane.Scheduler.Filters;
using Eyrie.ControlPlane.Scheduler.Scores;

namespace Eyrie.ControlPlane.Scheduler;

/// <summary>Where a pod goes, or why nowhere.</summary>
public abstract record Decision;

/// <param name="Next">Where the search for the next pod starts, so that all nodes get their turn.</param>
public sealed record Bind(string Node, int Next) : Decision;

/// <param name="Reason">Worded as kube-scheduler does: <c>0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.</c></param>
/// <param name="Helped">What could make it fit.</param>
/// <param name="Candidates">Nodes on which fewer pods could make it fit.</param>
public sealed record Unschedulable(string Reason, WakeUp Helped, IReadOnlyList<NodeState> Candidates) : Decision;

/// <summary>Which nodes their use of CPU and memory makes better, as <c>scoringStrategy.type</c> of kube-scheduler's NodeResourcesFit.</summary>
public enum ScoringStrategy
{
    /// <summary>Those with more left: pods are spread.</summary>
    LeastAllocated,
    /// <summary>Those with less left: pods are packed onto few nodes.</summary>
    MostAllocated,
}

/// <param name="Seed">Chooses among nodes of equal score.</param>
/// <param name="PercentageOfNodesToScore">0: as kube-scheduler adapts it, from 50 at 100 nodes to 5 at 5,625; at least 100 nodes that fit are compared.</param>
/// <param name="Strategy">Whether fuller or emptier nodes are preferred.</param>
public sealed record PlacementOptions(int Seed = 0, int PercentageOfNodesToScore = 0, ScoringStrategy Strategy = ScoringStrategy.LeastAllocated)
{
    private const int FewestFitting = 100;

    /// <summary>How many nodes that fit are enough.</summary>
    public int Enough(int nodes)
    {
        if (nodes < FewestFitting || PercentageOfNodesToScore >= 100) return nodes;
        int percentage = PercentageOfNodesToScore > 0 ? PercentageOfNodesToScore : Math.Max(5, 50 - (nodes / 125));
        return Math.Max(FewestFitting, nodes * percentage / 100);
    }
}

/// <summary>Filters, then scores: a pure function of the cluster. The same cluster, start and seed give the same node.</summary>
public static class Placement
{
    [ThreadStatic]
    private static Scratch? _scratch;

    /// <summary>Arrays that one decision after the other uses.</summary>
    private sealed class Scratch(int nodes)
    {
        public readonly NodeState[] Fitting = new NodeState[nodes];
        public readonly double[] Totals = new double[nodes], Values = new double[nodes];
    }

    public static Decision Decide(PodInfo pod, Cluster cluster, PlacementOptions options, int start)
    {
        var nodes = cluster.Nodes;
        if (nodes.Count == 0) return new Unschedulable("no nodes available to schedule pods", WakeUp.NodeAdded, []);
        var filters = Filter.AllFor(pod, cluster).ToArray();
        if (pod.Nominated.Length > 0 && cluster.Node(pod.Nominated) is { } nominated && Fits(filters, nominated)) return new Bind(nominated.Info.Name, start);
        if (_scratch is null || _scratch.Fitting.Length < nodes.Count) _scratch = new Scratch(nodes.Count);
        int enough = options.Enough(nodes.Count), fitting = 0, looked = 0, at = start % nodes.Count;
        for (; looked < nodes.Count && fitting < enough; looked++)
        {
            var node = nodes[at];
            if (++at == nodes.Count) at = 0;
            if (Fits(filters, node)) _scratch.Fitting[fitting++] = node;
        }
        return fitting == 0 ? Explain(filters, nodes) : new Bind(Best(pod, cluster, _scratch, fitting, options).Info.Name, (start + looked) % nodes.Count);
    }

    public static bool Fits(Filter[] filters, NodeState node)
    {
        foreach (var filter in filters)
            if (!filter.Fits(node)) return false;
        return true;
    }

    private static NodeState Best(PodInfo pod, Cluster cluster, Scratch scratch, int fitting, PlacementOptions options)
    {
        var nodes = scratch.Fitting.AsSpan(0, fitting);
        if (fitting == 1) return nodes[0];
        var totals = scratch.Totals.AsSpan(0, fitting);
        var values = scratch.Values.AsSpan(0, fitting);
        totals.Clear();
        foreach (var score in Score.AllFor(pod, cluster, nodes, options.Strategy))
        {
            for (int i = 0; i < fitting; i++) values[i] = score.Of(nodes[i]);
            score.Normalize(values);
            for (int i = 0; i < fitting; i++) totals[i] += score.Weight * Math.Floor(values[i]); // whole points, as kube-scheduler counts
        }
        int best = 0, equal = 1;
        var chance = new Random(HashCode(pod.Uid, options.Seed));
        for (int i = 1; i < fitting; i++)
        {
            if (totals[i] > totals[best]) (best, equal) = (i, 1);
            else if (totals[i] == totals[best] && chance.Next(++equal) == 0) best = i;
        }
        return nodes[best];
    }

    /// <summary>The same in every process, unlike string.GetHashCode.</summary>
    private static int HashCode(string text, int seed)
    {
        uint hash = 2166136261 ^ (uint)seed;
        foreach (char letter in text) hash = (hash ^ letter) * 16777619;
        return (int)hash;
    }

    private static Unschedulable Explain(Filter[] filters, IReadOnlyList<NodeState> nodes)
    {
        var reasons = new Dictionary<string, int>();
        var candidates = new List<NodeState>();
        var helped = WakeUp.None;
        foreach (var node in nodes)
        {
            Filter? refused = null;
            bool candidate = true;
            foreach (var filter in filters)
            {
                if (filter.Fits(node)) continue;
                refused ??= filter;
                candidate &= filter.PreemptionHelps(node);
            }
            helped |= refused!.Helped;
            foreach (var reason in refused.Reasons(node)) reasons[reason] = reasons.GetValueOrDefault(reason) + 1;
            if (candidate) candidates.Add(node);
        }
        return new Unschedulable(Refusal(nodes.Count, reasons), helped, candidates);
    }

    /// <summary><c>0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods.</c></summary>
    public static string Refusal(int nodes, IReadOnlyDictionary<string, int> reasons) =>
        string.Create(CultureInfo.InvariantCulture, $"0/{nodes} nodes are available: {string.Join(", ", reasons.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.Value} {pair.Key}")).Order(StringComparer.Ordinal))}.");
}
