namespace Eyrie.ControlPlane.Scheduler.Scores;

/// <summary>Preferred node affinity: the weights of the terms that match.</summary>
public sealed class PreferredNodes(PodInfo pod) : Score
{
    public override int Weight => 2;

    public override double Of(NodeState node)
    {
        int sum = 0;
        foreach (var preferred in pod.PreferredNodes)
            if (preferred.Term.Matches(node.Info)) sum += preferred.Weight;
        return sum;
    }

    public override void Normalize(Span<double> values) => ByLargest(values, false);
}
