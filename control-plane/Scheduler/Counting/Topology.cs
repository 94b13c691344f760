namespace Eyrie.ControlPlane.Scheduler.Counting;

/// <summary>The nodes of a cluster by one label: every value of it is a domain, numbered from 0.</summary>
public sealed class Topology
{
    private readonly int[] _domainOf;

    public Topology(string key, IReadOnlyList<NodeState> nodes, long version)
    {
        (Key, Version) = (key, version);
        _domainOf = new int[nodes.Count];
        var numbers = new Dictionary<string, int>();
        for (int i = 0; i < nodes.Count; i++)
        {
            if (!nodes[i].Info.Labels.TryGetValue(key, out var value)) { (_domainOf[i], Complete) = (-1, false); continue; }
            if (!numbers.TryGetValue(value, out int number)) numbers[value] = number = numbers.Count;
            _domainOf[i] = number;
        }
        Domains = numbers.Count;
    }

    public string Key { get; }
    /// <summary>Of the cluster's set of nodes and their labels.</summary>
    public long Version { get; }
    public int Domains { get; }
    /// <summary>Whether every node carries the label.</summary>
    public bool Complete { get; } = true;

    /// <summary>Domain of a node; -1: it does not carry the label.</summary>
    public int Of(NodeState node) => _domainOf[node.Index];
}
