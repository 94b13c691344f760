namespace Eyrie.ControlPlane.Scheduler.Filters;

/// <summary>spec.nodeName names the only node.</summary>
public sealed class NodeName(PodInfo pod) : Filter
{
    public override bool Fits(NodeState node) => node.Info.Name == pod.Node;
    public override IEnumerable<string> Reasons(NodeState node) => ["node(s) didn't match the requested node name"];
    public override WakeUp Helped => WakeUp.NodeAdded;
}
