namespace Eyrie.ControlPlane.Scheduler.Filters;

/// <summary>A cordoned node takes only pods that tolerate node.kubernetes.io/unschedulable.</summary>
public sealed class NodeUnschedulable(PodInfo pod) : Filter
{
    private static readonly Taint Cordon = new("node.kubernetes.io/unschedulable", "", "NoSchedule");
    private readonly bool _tolerated = pod.Tolerations.Any(toleration => toleration.Tolerates(Cordon));

    public override bool Fits(NodeState node) => !node.Info.Unschedulable || _tolerated;
    public override IEnumerable<string> Reasons(NodeState node) => ["node(s) were unschedulable"];
    public override WakeUp Helped => WakeUp.NodeAdded | WakeUp.NodeTaints;
}
