namespace Eyrie.ControlPlane.Scheduler;

/// <summary>What happens in a cluster, as far as it can make a pod fit that did not.</summary>
[Flags]
public enum WakeUp
{
    None = 0,
    NodeAdded = 1,
    NodeLabels = 2,
    NodeTaints = 4,
    NodeCapacity = 8,
    /// <summary>A placed pod has gone or ended.</summary>
    PodGone = 16,
    /// <summary>A pod has been placed, or a placed one has other labels.</summary>
    PodPlaced = 32,
    /// <summary>The waiting pod itself was changed.</summary>
    PodChanged = 64,
    /// <summary>A volume or a claim was bound or changed.</summary>
    Volume = 128,
    Namespace = 256,
    All = 511,
}
