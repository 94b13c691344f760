namespace Eyrie.ControlPlane.Scheduler.Counting;

/// <summary>
/// The placed pods, counted by what rules ask: by owner always, by selector from the first time one is asked for, and the affinity terms that placed pods
/// hold against others. So a decision costs the domains it compares, not the pods there are.
/// </summary>
public sealed class PodIndex(Cluster cluster)
{
    private sealed record Query(string Key, (string, string)? Anchor, Func<PodInfo, bool> Selects, NodeCounts Counts);

    /// <summary>A term that placed pods hold, and where they are. Weight 0: required anti-affinity; required affinity and preferences have theirs.</summary>
    public sealed record Held(string Key, PodTerm Term, int Weight, NodeCounts Counts);

    private readonly Dictionary<string, NodeCounts> _owners = [];
    private readonly Dictionary<(string, string), Dictionary<string, (PodInfo Pod, NodeState Node)>> _byLabel = [];
    private readonly Dictionary<string, Query> _queries = [];
    private readonly Anchored<Query> _anchoredQueries = new();
    private readonly Dictionary<string, Held> _held = [];
    private readonly Anchored<Held> _anchoredHeld = new();
    private int _sweepAt = 1024;

    /// <summary>Required affinity of a placed pod draws others to it with this weight, as hardPodAffinityWeight does.</summary>
    private const int RequiredAffinityWeight = 1;

    public void Change(PodInfo pod, NodeState node, int by)
    {
        if (pod.Owner is { } owner && !pod.Terminating)
        {
            if (!_owners.TryGetValue(owner, out var counts)) _owners[owner] = counts = new NodeCounts();
            counts.Change(node, by, cluster);
            if (counts.Total == 0) _owners.Remove(owner);
        }
        foreach (var (key, value) in pod.Labels)
        {
            if (!_byLabel.TryGetValue((key, value), out var pods)) _byLabel[(key, value)] = pods = [];
            if (by > 0) pods[pod.Uid] = (pod, node);
            else if (pods.Remove(pod.Uid) && pods.Count == 0) _byLabel.Remove((key, value));
        }
        foreach (var query in _anchoredQueries.Perhaps(pod.Labels))
            if (query.Selects(pod)) query.Counts.Change(node, by, cluster);
        if (pod.HoldsTerms) ChangeHeld(pod, node, by);
    }

    /// <summary>Where the pods of an owner are, without those being deleted; null: it has none.</summary>
    public NodeCounts? OfOwner(string owner) => _owners.GetValueOrDefault(owner);

    /// <summary>Pods of a namespace that a spread constraint selects; those being deleted no longer count. A selector without requirements counts none, as in kube-scheduler.</summary>
    public NodeCounts Spread(string @namespace, Selector selector) => selector.Requirements.Count == 0 ? new NodeCounts() :
        Ask($"spread {@namespace}|{selector}", selector.Anchor, pod => !pod.Terminating && pod.Namespace == @namespace && selector.Matches(pod.Labels));

    /// <summary>Pods that every term selects.</summary>
    public NodeCounts Selected(IReadOnlyList<PodTerm> terms) =>
        Ask("terms " + string.Join('&', terms.Select(term => term.Pods)), terms.Select(term => term.Selector.Anchor).FirstOrDefault(anchor => anchor is not null), pod => terms.All(term => term.Selects(pod, cluster)));

    /// <summary>Terms that placed pods hold and that select this pod.</summary>
    public IEnumerable<Held> Against(PodInfo pod) => _held.Count == 0 ? [] : _anchoredHeld.Perhaps(pod.Labels).Where(held => held.Term.Selects(pod, cluster));

    /// <summary>The labels of namespaces have changed: what was counted by them is counted anew when asked for.</summary>
    public void Forget()
    {
        _queries.Clear();
        _anchoredQueries.Clear();
    }

    private NodeCounts Ask(string key, (string, string)? anchor, Func<PodInfo, bool> selects)
    {
        if (_queries.TryGetValue(key, out var known)) return known.Counts;
        var query = new Query(key, anchor, selects, new NodeCounts());
        var candidates = anchor is null ? cluster.Nodes.SelectMany(node => node.Pods.Select(pod => (pod, node))) : _byLabel.TryGetValue(anchor.Value, out var pods) ? pods.Values.Select(entry => (entry.Pod, entry.Node)) : [];
        foreach (var (pod, node) in candidates)
            if (selects(pod)) query.Counts.Change(node, 1, cluster);
        if (_queries.Count >= _sweepAt) Sweep();
        _queries[key] = query;
        _anchoredQueries.Add(anchor, query);
        return query.Counts;
    }

    /// <summary>Selectors that select nothing any more are dropped: they cost a look at every pod.</summary>
    private void Sweep()
    {
        foreach (var query in _queries.Values.Where(query => query.Counts.Total == 0).ToList())
        {
            _queries.Remove(query.Key);
            _anchoredQueries.Remove(query.Anchor, query);
        }
        _sweepAt = Math.Max(1024, _queries.Count * 2);
    }

    private void ChangeHeld(PodInfo pod, NodeState node, int by)
    {
        foreach (var term in pod.AntiAffinity) Hold(term, 0);
        foreach (var term in pod.Affinity) Hold(term, RequiredAffinityWeight);
        foreach (var (weight, term) in pod.PreferredPods) Hold(term, weight);

        void Hold(PodTerm term, int weight)
        {
            var key = $"{weight} {term.TopologyKey} {term.Pods}";
            if (!_held.TryGetValue(key, out var held))
            {
                _held[key] = held = new Held(key, term, weight, new NodeCounts());
                _anchoredHeld.Add(term.Selector.Anchor, held);
            }
            held.Counts.Change(node, by, cluster);
            if (held.Counts.Total > 0) return;
            _held.Remove(key);
            _anchoredHeld.Remove(term.Selector.Anchor, held);
        }
    }
}
