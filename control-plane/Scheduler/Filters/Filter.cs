namespace Eyrie.ControlPlane.Scheduler.Filters;

/// <summary>One rule, prepared for one pod: on which nodes it may be.</summary>
public abstract class Filter
{
    public abstract bool Fits(NodeState node);

    /// <summary>Why not, worded as kube-scheduler does. Asked only where <see cref="Fits"/> said no.</summary>
    public abstract IEnumerable<string> Reasons(NodeState node);

    /// <summary>Whether fewer pods on the node could make it fit.</summary>
    public virtual bool PreemptionHelps(NodeState node) => false;

    /// <summary>Whether it looks at pods beyond the node itself.</summary>
    public virtual bool LooksAround => false;

    /// <summary>What could make a node fit that did not.</summary>
    public abstract WakeUp Helped { get; }

    /// <summary>The rules that concern a pod, in kube-scheduler's order: the first that refuses a node gives the reason.</summary>
    public static List<Filter> AllFor(PodInfo pod, Cluster cluster)
    {
        var filters = new List<Filter>(4) { new NodeUnschedulable(pod) };
        if (pod.Node.Length > 0) filters.Add(new NodeName(pod));
        filters.Add(new UntoleratedTaint(pod));
        if (pod.NodeSelector.Count > 0 || pod.NodeTerms is not null) filters.Add(new NodeAffinity(pod));
        if (pod.HostPorts.Count > 0) filters.Add(new HostPorts(pod));
        filters.Add(new Resources(pod));
        if (pod.VolumeTerms.Count > 0) filters.Add(new VolumeAffinity(pod));
        if (pod.Spread.Any(constraint => constraint.Hard)) filters.Add(new TopologySpread(pod, cluster));
        if (PodAffinity.For(pod, cluster) is { } affinity) filters.Add(affinity);
        return filters;
    }
}
