using Eyrie.ControlPlane.Scheduler;

namespace Eyrie.ControlPlane.Controllers.Scheduling;

/// <summary>What a change of a node may help. Pure.</summary>
public static class SchedulerWakeUps
{
    public static WakeUp Of(NodeInfo? before, NodeInfo now)
    {
        if (before is null) return WakeUp.NodeAdded;
        var happened = WakeUp.None;
        if (before.Labels.Count != now.Labels.Count || before.Labels.Except(now.Labels).Any()) happened |= WakeUp.NodeLabels;
        if (before.Unschedulable != now.Unschedulable || !before.Taints.SequenceEqual(now.Taints)) happened |= WakeUp.NodeTaints;
        if (before.Capacity != now.Capacity || !Same(before.Extended, now.Extended)) happened |= WakeUp.NodeCapacity;
        return happened;
    }

    private static bool Same(IReadOnlyDictionary<string, long> a, IReadOnlyDictionary<string, long> b) => a.Count == b.Count && !a.Except(b).Any();
}
