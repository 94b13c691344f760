namespace Eyrie.ControlPlane.Scheduler;

/// <summary>A node and the pods that are, or are going to be, there.</summary>
public sealed class NodeState(NodeInfo info)
{
    private List<PodInfo> _pods = [];
    private Dictionary<string, long>? _extended;

    public NodeInfo Info { get; set; } = info;
    /// <summary>Place in <see cref="Cluster.Nodes"/>.</summary>
    public int Index { get; set; }
    public IReadOnlyList<PodInfo> Pods => _pods;
    public Amounts Requested { get; private set; }
    public Amounts ScoredRequests { get; private set; }
    /// <summary>Pods with host ports among them.</summary>
    public int WithPorts { get; private set; }
    /// <summary>Pods for which room is being made here.</summary>
    public List<PodInfo> Nominated { get; private set; } = [];

    public long ExtendedUse(string name) => _extended?.GetValueOrDefault(name) ?? 0;

    public void Add(PodInfo pod)
    {
        _pods.Add(pod);
        Count(pod, 1);
    }

    public bool Remove(PodInfo pod)
    {
        int at = _pods.FindIndex(other => other.Uid == pod.Uid);
        if (at < 0) return false;
        Count(_pods[at], -1);
        _pods[at] = _pods[^1];
        _pods.RemoveAt(_pods.Count - 1);
        return true;
    }

    /// <summary>A copy to try things on.</summary>
    public NodeState Copy() => new(Info) { Index = Index, _pods = [.. _pods], Requested = Requested, ScoredRequests = ScoredRequests, WithPorts = WithPorts, Nominated = Nominated, _extended = _extended is null ? null : new Dictionary<string, long>(_extended) };

    private void Count(PodInfo pod, int sign)
    {
        Requested = sign > 0 ? Requested + pod.Requests : Requested - pod.Requests;
        ScoredRequests = sign > 0 ? ScoredRequests + pod.ScoredRequests : ScoredRequests - pod.ScoredRequests;
        if (pod.HostPorts.Count > 0) WithPorts += sign;
        foreach (var (name, amount) in pod.Extended) (_extended ??= [])[name] = ExtendedUse(name) + (sign * amount);
    }
}
