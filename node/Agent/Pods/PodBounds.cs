using System.Text.Json.Nodes;
using Eyrie.Node.Volumes;

namespace Eyrie.Node;

/// <summary>What a pod as a whole may use: the time of activeDeadlineSeconds, and the disk of emptyDir volumes with a sizeLimit.</summary>
public static class PodBounds
{
    private static readonly TimeSpan Check = TimeSpan.FromSeconds(5);

    /// <summary>Watches until cancelled; tells the first bound that was passed.</summary>
    /// <param name="pod">Its document.</param>
    /// <param name="volumes">Its volumes.</param>
    /// <param name="began">When the pod came to this node: its time runs from there.</param>
    /// <param name="time">The host's clocks.</param>
    /// <param name="passed">Told the reason and the message.</param>
    /// <param name="cancellationToken">The pod is over.</param>
    public static async Task WatchAsync(JsonObject pod, PodVolumes volumes, SteadyTime began, TimeProvider time, Action<string, string> passed, CancellationToken cancellationToken)
    {
        SteadyTime? deadline = pod["spec"]?["activeDeadlineSeconds"] is JsonValue value && value.TryGetValue(out long seconds) ? began + TimeSpan.FromSeconds(seconds) : null;
        bool measured = PodVolumes.HasLimit(pod);
        while (measured || deadline is not null)
        {
            var left = deadline is { } end ? end - SteadyTime.Now(time) : Check;
            if (left <= TimeSpan.Zero) { passed("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"); return; }
            if (measured && volumes.OverLimit(pod) is { } over) { passed("Evicted", over); return; }
            await Task.Delay(left < Check || !measured ? (left < TimeSpan.FromDays(1) ? left : TimeSpan.FromDays(1)) : Check, time, cancellationToken);
        }
    }
}
