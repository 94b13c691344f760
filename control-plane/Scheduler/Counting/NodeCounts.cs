namespace Eyrie.ControlPlane.Scheduler.Counting;

/// <summary>How many pods of some sort each node has, and each domain of every topology that was asked for. Kept as pods come and go.</summary>
public sealed class NodeCounts
{
    private readonly Dictionary<NodeState, int> _nodes = [];
    private readonly Dictionary<string, (Topology Topology, int[] Counts)> _domains = [];

    public int Total { get; private set; }

    public int On(NodeState node) => _nodes.GetValueOrDefault(node);

    public void Change(NodeState node, int by, Cluster cluster)
    {
        Total += by;
        int now = _nodes.GetValueOrDefault(node) + by;
        if (now == 0) _nodes.Remove(node);
        else _nodes[node] = now;
        foreach (var (topology, counts) in _domains.Values)
            if (topology.Version == cluster.NodesVersion && topology.Of(node) is >= 0 and var domain) counts[domain] += by;
    }

    /// <summary>Counts of the domains, by their numbers.</summary>
    public int[] Of(Topology topology)
    {
        if (_domains.TryGetValue(topology.Key, out var known) && known.Topology == topology) return known.Counts;
        var counts = new int[topology.Domains];
        foreach (var (node, count) in _nodes)
            if (topology.Of(node) is >= 0 and var domain) counts[domain] += count;
        _domains[topology.Key] = (topology, counts);
        return counts;
    }
}
