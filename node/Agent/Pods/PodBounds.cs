using System.Text.Json.Nodes;
using Eyrie.Node.Volumes;

namespace Eyrie.Node;

/// <summary>What a pod as a whole may use: the time of activeDeadlineSeconds, and the disk of emptyDir volumes with a sizeLimit.</summary>
public static class PodBounds
{
    private static readonly TimeSpan Check = TimeSpan.FromSeconds(5);

    /// <summary>Watches until cancelled; tells the first bound that was passed.</summary>
    public static async Task WatchAsync(JsonObject pod, PodVolumes volumes, Action<string, string> passed, CancellationToken cancellationToken)
    {
        var deadline = pod["spec"]?["activeDeadlineSeconds"] is JsonValue value && value.TryGetValue(out long seconds) ? DateTimeOffset.UtcNow.AddSeconds(seconds) : DateTimeOffset.MaxValue;
        bool measured = PodVolumes.HasLimit(pod);
        while (measured || deadline != DateTimeOffset.MaxValue)
        {
            var left = deadline - DateTimeOffset.UtcNow;
            if (left <= TimeSpan.Zero) { passed("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"); return; }
            if (measured && volumes.OverLimit(pod) is { } over) { passed("Evicted", over); return; }
            await Task.Delay(left < Check || !measured ? (left < TimeSpan.FromDays(1) ? left : TimeSpan.FromDays(1)) : Check, cancellationToken);
        }
    }
}
