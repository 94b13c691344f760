using System.Text.Json.Nodes;

namespace Eyrie.Node;

/// <summary>What a pod as a whole may use: the time of activeDeadlineSeconds, and the disk (<see cref="DiskLimits"/>).</summary>
public static class PodBounds
{
    /// <summary>Reason of a pod that has passed a limit of the disk.</summary>
    public const string Evicted = "Evicted";

    /// <summary>How long its containers have then, as on a kubelet: the disk fills meanwhile.</summary>
    public static readonly TimeSpan EvictionGrace = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Check = TimeSpan.FromSeconds(5);

    /// <summary>Watches until cancelled; tells the first bound that was passed.</summary>
    /// <param name="pod">Its document.</param>
    /// <param name="measure">Of its disk.</param>
    /// <param name="began">When the pod came to this node: its time runs from there.</param>
    /// <param name="time">The host's clocks.</param>
    /// <param name="passed">Told the reason and the message.</param>
    /// <param name="cancellationToken">The pod is over.</param>
    public static async Task WatchAsync(JsonObject pod, Func<PodDiskUse> measure, SteadyTime began, TimeProvider time, Action<string, string> passed, CancellationToken cancellationToken)
    {
        SteadyTime? deadline = pod["spec"]?["activeDeadlineSeconds"] is JsonValue value && value.TryGetValue(out long seconds) ? began + TimeSpan.FromSeconds(seconds) : null;
        bool measured = DiskLimits.Any(pod);
        while (measured || deadline is not null)
        {
            var before = ThreadTime.Now;
            if (measured && DiskLimits.Passed(pod, measure()) is { } over) { passed(Evicted, over); return; }
            var cost = ThreadTime.Now - before;
            var left = deadline is { } end ? end - SteadyTime.Now(time) : TimeSpan.MaxValue;
            if (left <= TimeSpan.Zero) { passed("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"); return; }
            await Task.Delay(Pause(measured ? cost : null, left), time, cancellationToken);
        }
    }

    /// <summary>How long it is until the next look: 5 s, and a hundred times the processor time of a measurement, so that it takes a hundredth of a processor at most; but no later than the deadline.</summary>
    /// <param name="cost">null: nothing is measured.</param>
    /// <param name="left">Until the deadline.</param>
    public static TimeSpan Pause(TimeSpan? cost, TimeSpan left)
    {
        var next = cost is not { } measured ? TimeSpan.FromDays(1) : 100 * measured > Check ? 100 * measured : Check;
        return left < next ? left : next;
    }
}
