namespace Eyrie.ControlPlane.Scheduler.Filters;

/// <summary>Host ports that no other pod of the node has.</summary>
public sealed class HostPorts(PodInfo pod) : Filter
{
    public override bool Fits(NodeState node) => !Taken(node.WithPorts > 0 ? node.Pods : []) && !Taken(node.Nominated.Where(other => other.Uid != pod.Uid && other.Priority >= pod.Priority));
    public override IEnumerable<string> Reasons(NodeState node) => ["node(s) didn't have free ports for the requested pod ports"];
    public override bool PreemptionHelps(NodeState node) => true;
    public override WakeUp Helped => WakeUp.NodeAdded | WakeUp.PodGone;

    private bool Taken(IEnumerable<PodInfo> others) => others.Any(other => other.HostPorts.Any(taken => pod.HostPorts.Any(wanted => wanted.Conflicts(taken))));
}
