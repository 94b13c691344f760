using Eyrie.ControlPlane.Scheduler.Filters;

namespace Eyrie.ControlPlane.Scheduler;

/// <summary>A PodDisruptionBudget: how many of the pods it covers may go now.</summary>
public sealed record DisruptionBudget(string Namespace, Selector Selector, int Allowed)
{
    /// <summary>Pods whose disruption was allowed already.</summary>
    public IReadOnlyCollection<string> Disrupted { get; init; } = [];

    public bool Covers(PodInfo pod) => pod.Namespace == Namespace && pod.Labels.Count > 0 && Selector.Matches(pod.Labels);
}

/// <summary>Where room can be made for a pod, by removing which others; or why nowhere.</summary>
public abstract record PreemptionDecision;

public sealed record Preempt(string Node, IReadOnlyList<PodInfo> Victims) : PreemptionDecision;

public sealed record NoPreemption(string Message) : PreemptionDecision;

/// <summary>
/// Pods of lower priority make room, on the node where that hurts least: fewest broken disruption budgets, then the lowest highest priority, the
/// lowest sum of priorities, the fewest victims, the latest started. The cluster is as before when it returns.
/// </summary>
public static class Preemption
{
    private const int FewestCandidates = 100, CandidatePercentage = 10;

    private sealed record Candidate(NodeState Node, List<PodInfo> Victims, int Violations);

    public static PreemptionDecision Decide(PodInfo pod, Cluster cluster, Unschedulable refused, IReadOnlyList<DisruptionBudget> budgets, int start)
    {
        if (pod.NeverPreempts) return new NoPreemption("not eligible due to preemptionPolicy=Never.");
        if (cluster.Node(pod.Nominated) is { } nominated && nominated.Pods.Any(other => other.Terminating && other.Priority < pod.Priority)) return new NoPreemption("not eligible due to a terminating pod on the nominated node.");
        int enough = Math.Max(FewestCandidates, cluster.Nodes.Count * CandidatePercentage / 100);
        var found = new List<Candidate>();
        for (int i = 0; i < refused.Candidates.Count && found.Count < enough; i++)
            if (Victims(pod, refused.Candidates[(start + i) % refused.Candidates.Count], cluster, budgets) is { } candidate) found.Add(candidate);
        if (found.Count > 0)
        {
            var best = found.MinBy(Hurt)!;
            return new Preempt(best.Node.Info.Name, best.Victims);
        }
        var reasons = new Dictionary<string, int>();
        if (refused.Candidates.Count > 0) reasons["No preemption victims found for incoming pod"] = refused.Candidates.Count;
        if (cluster.Nodes.Count > refused.Candidates.Count) reasons["Preemption is not helpful for scheduling"] = cluster.Nodes.Count - refused.Candidates.Count;
        return new NoPreemption(cluster.Nodes.Count == 0 ? "no nodes" : Placement.Refusal(cluster.Nodes.Count, reasons));
    }

    /// <summary>Compared from left to right.</summary>
    private static (int, int, long, int, long) Hurt(Candidate candidate)
    {
        int highest = candidate.Victims.Max(victim => victim.Priority);
        return (candidate.Violations, highest, candidate.Victims.Sum(victim => (long)victim.Priority - int.MinValue), candidate.Victims.Count,
            -candidate.Victims.Where(victim => victim.Priority == highest).Min(victim => victim.Started.UtcTicks));
    }

    /// <summary>All of lower priority go; then each comes back that can, the most important first and those protected by a budget before the others.</summary>
    private static Candidate? Victims(PodInfo pod, NodeState node, Cluster cluster, IReadOnlyList<DisruptionBudget> budgets)
    {
        var lower = node.Pods.Where(other => other.Priority < pod.Priority).ToList();
        if (lower.Count == 0) return null;
        using var trial = new Trial(pod, node, cluster);
        foreach (var other in lower) trial.Remove(other);
        if (!trial.Fits()) return null;
        lower.Sort((a, b) => a.Priority != b.Priority ? b.Priority.CompareTo(a.Priority) : a.Started != b.Started ? a.Started.CompareTo(b.Started) : string.CompareOrdinal(a.Uid, b.Uid));
        var (violating, others) = Split(lower, budgets);
        var victims = new List<PodInfo>();
        int violations = 0;
        foreach (var (list, violates) in new[] { (violating, 1), (others, 0) })
            foreach (var other in list)
            {
                trial.Add(other);
                if (trial.Fits()) continue;
                trial.Remove(other);
                victims.Add(other);
                violations += violates;
            }
        return victims.Count == 0 ? null : new Candidate(node, victims, violations);
    }

    private static (List<PodInfo> Violating, List<PodInfo> Others) Split(List<PodInfo> pods, IReadOnlyList<DisruptionBudget> budgets)
    {
        if (budgets.Count == 0) return ([], pods);
        var left = budgets.Select(budget => budget.Allowed).ToArray();
        var (violating, others) = (new List<PodInfo>(), new List<PodInfo>());
        foreach (var pod in pods)
        {
            bool violates = false;
            for (int i = 0; i < left.Length; i++)
                if (budgets[i].Covers(pod) && !budgets[i].Disrupted.Contains(pod.Name)) violates |= --left[i] < 0;
            (violates ? violating : others).Add(pod);
        }
        return (violating, others);
    }

    /// <summary>A node with some pods away. Rules that look at other nodes see the removal too, until it is disposed.</summary>
    private sealed class Trial : IDisposable
    {
        private readonly PodInfo _pod;
        private readonly NodeState _node, _copy;
        private readonly Cluster _cluster;
        private readonly List<PodInfo> _away = [];
        private readonly bool _around;
        private Filter[] _filters;

        public Trial(PodInfo pod, NodeState node, Cluster cluster)
        {
            (_pod, _node, _cluster, _copy) = (pod, node, cluster, node.Copy());
            _filters = [.. Filter.AllFor(pod, cluster)];
            _around = _filters.Any(filter => filter.LooksAround);
        }

        public void Remove(PodInfo other)
        {
            _copy.Remove(other);
            if (!_around) return;
            _cluster.Index.Change(other, _node, -1);
            _away.Add(other);
        }

        public void Add(PodInfo other)
        {
            _copy.Add(other);
            if (!_around) return;
            _cluster.Index.Change(other, _node, 1);
            _away.Remove(other);
        }

        public bool Fits()
        {
            if (_around) _filters = [.. Filter.AllFor(_pod, _cluster)];
            return Placement.Fits(_filters, _copy);
        }

        public void Dispose()
        {
            foreach (var other in _away) _cluster.Index.Change(other, _node, 1);
        }
    }
}
