using Eyrie.ControlPlane.Scheduler.Counting;

namespace Eyrie.ControlPlane.Scheduler;

/// <summary>What decisions are made on: nodes, the pods placed on them, and namespaces. Updated change by change by one caller; decisions only read it.</summary>
public sealed class Cluster
{
    private static readonly Dictionary<string, string> NoLabels = [];
    private readonly List<NodeState> _nodes = [];
    private readonly Dictionary<string, NodeState> _byName = [];
    private readonly Dictionary<string, (PodInfo Pod, NodeState? Node)> _pods = [];
    private readonly Dictionary<string, List<PodInfo>> _homeless = []; // pods whose node is not known
    private readonly Dictionary<string, Dictionary<string, string>> _namespaces = [];
    private readonly Dictionary<string, Topology> _topologies = [];
    private readonly Dictionary<string, int> _images = [];

    public Cluster() => Index = new PodIndex(this);

    public IReadOnlyList<NodeState> Nodes => _nodes;
    /// <summary>Grows when nodes come, go or change labels.</summary>
    public long NodesVersion { get; private set; }
    public PodIndex Index { get; }
    /// <summary>Placed pods.</summary>
    public int Pods => _pods.Count;

    public NodeState? Node(string name) => _byName.GetValueOrDefault(name);

    public Topology Topology(string key) => _topologies.TryGetValue(key, out var known) ? known : _topologies[key] = new Topology(key, _nodes, NodesVersion);

    public Dictionary<string, string> NamespaceLabels(string name) => _namespaces.GetValueOrDefault(name, NoLabels);

    public void SetNamespace(string name, Dictionary<string, string>? labels)
    {
        if (labels is null) _namespaces.Remove(name);
        else _namespaces[name] = labels;
        Index.Forget();
    }

    /// <summary>How many nodes have an image.</summary>
    public int NodesWith(string image) => _images.GetValueOrDefault(image);

    public void SetNode(NodeInfo info)
    {
        if (_byName.TryGetValue(info.Name, out var state))
        {
            bool moved = !SameLabels(state.Info.Labels, info.Labels);
            CountImages(state.Info, -1);
            state.Info = info;
            CountImages(info, 1);
            if (moved) Renumber();
            return;
        }
        state = new NodeState(info);
        _nodes.Add(state);
        _byName[info.Name] = state;
        CountImages(info, 1);
        Renumber();
        if (!_homeless.Remove(info.Name, out var pods)) return;
        foreach (var pod in pods) Place(pod, state);
    }

    public void RemoveNode(string name)
    {
        if (!_byName.Remove(name, out var state)) return;
        var pods = state.Pods.ToList();
        foreach (var pod in pods) RemovePod(pod.Uid);
        _nodes.Remove(state);
        CountImages(state.Info, -1);
        Renumber();
        foreach (var pod in pods) SetPod(pod);
    }

    /// <summary>A placed pod is there, or has changed.</summary>
    public void SetPod(PodInfo pod)
    {
        RemovePod(pod.Uid);
        if (_byName.TryGetValue(pod.Node, out var node)) { Place(pod, node); return; }
        _pods[pod.Uid] = (pod, null);
        if (!_homeless.TryGetValue(pod.Node, out var waiting)) _homeless[pod.Node] = waiting = [];
        waiting.Add(pod);
    }

    public bool RemovePod(string uid)
    {
        if (!_pods.Remove(uid, out var entry)) return false;
        if (entry.Node is { } node)
        {
            node.Remove(entry.Pod);
            Index.Change(entry.Pod, node, -1);
        }
        else if (_homeless.TryGetValue(entry.Pod.Node, out var waiting))
        {
            waiting.Remove(entry.Pod);
            if (waiting.Count == 0) _homeless.Remove(entry.Pod.Node);
        }
        return true;
    }

    public PodInfo? Pod(string uid) => _pods.TryGetValue(uid, out var entry) ? entry.Pod : null;

    /// <summary>Room is being made for a pod on a node (empty: no longer).</summary>
    public void Nominate(PodInfo pod, string node)
    {
        foreach (var state in _nodes.Where(state => state.Nominated.Count > 0)) state.Nominated.RemoveAll(other => other.Uid == pod.Uid);
        if (_byName.TryGetValue(node, out var wanted)) wanted.Nominated.Add(pod);
    }

    private void Place(PodInfo pod, NodeState node)
    {
        _pods[pod.Uid] = (pod, node);
        node.Add(pod);
        Index.Change(pod, node, 1);
    }

    private void Renumber()
    {
        NodesVersion++;
        _topologies.Clear();
        for (int i = 0; i < _nodes.Count; i++) _nodes[i].Index = i;
    }

    private void CountImages(NodeInfo info, int by)
    {
        foreach (var image in info.Images.Keys) _images[image] = _images.GetValueOrDefault(image) + by;
    }

    private static bool SameLabels(Dictionary<string, string> a, Dictionary<string, string> b) => a.Count == b.Count && a.All(pair => b.TryGetValue(pair.Key, out var value) && value == pair.Value);
}
