namespace Eyrie.ControlPlane.Scheduler.Filters;

/// <summary>Every bound volume can be reached from the node.</summary>
public sealed class VolumeAffinity(PodInfo pod) : Filter
{
    public override bool Fits(NodeState node) => pod.VolumeTerms.All(terms => terms.Any(term => term.Matches(node.Info)));
    public override IEnumerable<string> Reasons(NodeState node) => ["node(s) didn't match PersistentVolume's node affinity"];
    public override WakeUp Helped => WakeUp.NodeAdded | WakeUp.NodeLabels | WakeUp.Volume;
}
