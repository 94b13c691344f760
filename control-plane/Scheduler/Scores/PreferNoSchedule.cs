namespace Eyrie.ControlPlane.Scheduler.Scores;

/// <summary>Fewer PreferNoSchedule taints that the pod does not tolerate.</summary>
public sealed class PreferNoSchedule(PodInfo pod) : Score
{
    public static PreferNoSchedule? For(PodInfo pod, ReadOnlySpan<NodeState> fitting)
    {
        foreach (var node in fitting)
            if (node.Info.Taints.Count > 0 && node.Info.Taints.Any(taint => taint.Effect == "PreferNoSchedule")) return new PreferNoSchedule(pod);
        return null;
    }

    public override int Weight => 3;

    public override double Of(NodeState node) => node.Info.Taints.Count(taint => taint.Effect == "PreferNoSchedule" && !pod.Tolerations.Any(toleration => toleration.Tolerates(taint)));

    public override void Normalize(Span<double> values) => ByLargest(values, true);
}
