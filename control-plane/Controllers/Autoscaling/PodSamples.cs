using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Controllers.Autoscaling;

/// <summary>The pods of a scale target, as a metric sees them.</summary>
/// <param name="Ready">How many count as they are.</param>
/// <param name="Unready">Pods that are starting: what they use says nothing yet.</param>
/// <param name="Missing">Pods that were not measured.</param>
/// <param name="Values">What the ready ones use, by pod.</param>
public sealed record PodSamples(int Ready, IReadOnlyList<string> Unready, IReadOnlyList<string> Missing, IReadOnlyDictionary<string, decimal> Values)
{
    /// <summary>A pod's first minutes do not count for CPU, nor the first moments of readiness for anything (--horizontal-pod-autoscaler-cpu-initialization-period, -initial-readiness-delay).</summary>
    private static readonly TimeSpan CpuInitialization = TimeSpan.FromMinutes(5), ReadinessDelay = TimeSpan.FromSeconds(30);

    /// <param name="pods">Pods of the target.</param>
    /// <param name="measured">Values by name of the pod, with the time of the measurement and the window it was taken over.</param>
    /// <param name="cpu">Whether it is CPU, whose first minutes do not count.</param>
    /// <param name="now">The time.</param>
    public static PodSamples Of(IEnumerable<JsonObject> pods, IReadOnlyDictionary<string, (decimal Value, DateTimeOffset At, TimeSpan Window)> measured, bool cpu, DateTimeOffset now)
    {
        var (unready, missing, values) = (new List<string>(), new List<string>(), new Dictionary<string, decimal>());
        foreach (var pod in pods.Where(pod => !pod.IsDeleted() && pod.Phase() is not ("Failed" or "Succeeded")))
        {
            if (pod.Phase() == "Pending") unready.Add(pod.Name());
            else if (!measured.TryGetValue(pod.Name(), out var sample)) missing.Add(pod.Name());
            else if (cpu && IsStarting(pod, sample.At, sample.Window, now)) unready.Add(pod.Name());
            else values[pod.Name()] = sample.Value;
        }
        return new PodSamples(values.Count, unready, missing, values);
    }

    private static bool IsStarting(JsonObject pod, DateTimeOffset at, TimeSpan window, DateTimeOffset now)
    {
        if (pod.Condition("Ready") is not { } ready || Views.Time(pod["status"]?["startTime"]?.ToString()) is not { } started) return true;
        var turned = Views.Time(ready["lastTransitionTime"]?.ToString()) ?? started;
        return started + CpuInitialization > now ? !pod.IsReady() || at < turned + window : !pod.IsReady() && started + ReadinessDelay > turned;
    }
}
