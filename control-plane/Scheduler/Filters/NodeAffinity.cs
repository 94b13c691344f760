namespace Eyrie.ControlPlane.Scheduler.Filters;

/// <summary>nodeSelector, and required node affinity: one of its terms.</summary>
public sealed class NodeAffinity(PodInfo pod) : Filter
{
    public override bool Fits(NodeState node) => Matches(pod, node.Info);
    public override IEnumerable<string> Reasons(NodeState node) => ["node(s) didn't match Pod's node affinity/selector"];
    public override WakeUp Helped => WakeUp.NodeAdded | WakeUp.NodeLabels | WakeUp.PodChanged;

    public static bool Matches(PodInfo pod, NodeInfo node)
    {
        for (int i = 0; i < pod.NodeSelector.Count; i++)
            if (!pod.NodeSelector[i].Holds(node.Labels)) return false;
        return pod.NodeTerms is null || pod.NodeTerms.Any(term => term.Matches(node));
    }
}
