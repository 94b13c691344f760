namespace Eyrie.ControlPlane.Scheduler.Scores;

/// <summary>Gates lead to pods of the same node: a pod that calls some goes where they are served, and one that serves some where it is called.</summary>
public sealed class GatePeers : Score
{
    private readonly PodInfo _pod;

    private GatePeers(PodInfo pod) => _pod = pod;

    public static GatePeers? For(PodInfo pod) => pod.CalledGates.Count + pod.ServedGates.Count > 0 ? new GatePeers(pod) : null;

    /// <summary>Elsewhere nothing of what is called answers, which outweighs how full nodes are.</summary>
    public override int Weight => 10;

    /// <summary>Gates called that are served there, and callers there of the gates that it serves.</summary>
    public override double Of(NodeState node)
    {
        int served = 0, callers = 0;
        foreach (var gate in _pod.CalledGates)
            if (node.Pods.Any(other => other.ServedGates.Contains(gate))) served++;
        foreach (var other in node.Pods)
            if (other.CalledGates.Any(gate => _pod.ServedGates.Contains(gate))) callers++;
        return served + callers;
    }

    public override void Normalize(Span<double> values) => ByLargest(values, reversed: false);
}
