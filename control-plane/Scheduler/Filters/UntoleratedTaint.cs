namespace Eyrie.ControlPlane.Scheduler.Filters;

/// <summary>Taints with NoSchedule and NoExecute keep pods away that do not tolerate them.</summary>
public sealed class UntoleratedTaint(PodInfo pod) : Filter
{
    public override bool Fits(NodeState node) => node.Info.Taints.Count == 0 || First(node.Info) is null;

    public override IEnumerable<string> Reasons(NodeState node) => [$"node(s) had untolerated taint {First(node.Info)}"];

    public override WakeUp Helped => WakeUp.NodeAdded | WakeUp.NodeTaints | WakeUp.PodChanged;

    public static bool Tolerated(PodInfo pod, NodeInfo node) => node.Taints.Count == 0 || new UntoleratedTaint(pod).First(node) is null;

    private Taint? First(NodeInfo node)
    {
        foreach (var taint in node.Taints)
            if (taint.Effect is "NoSchedule" or "NoExecute" && !pod.Tolerations.Any(toleration => toleration.Tolerates(taint))) return taint;
        return null;
    }
}
