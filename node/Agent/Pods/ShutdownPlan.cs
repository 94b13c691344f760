using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>How a node goes down, in the kubelet's words (graceful node shutdown): the ordinary pods first, then the critical ones, each within its own grace and a share of the node's. Pure.</summary>
public static class ShutdownPlan
{
    public const string Reason = "Terminated", Message = "Pod was terminated in response to imminent node shutdown.";

    /// <summary>Priority of system-cluster-critical; system-node-critical is above.</summary>
    public const int Critical = 2_000_000_000;

    private static readonly TimeSpan LongestDrain = TimeSpan.FromSeconds(5);

    /// <summary>Who ends together, and how long they have, one group after the other; a group without pods takes no time.</summary>
    /// <param name="pods">All pods.</param>
    /// <param name="priority">A pod's.</param>
    /// <param name="grace">All groups together.</param>
    /// <param name="critical">The critical ones' share of it.</param>
    public static IReadOnlyList<(IReadOnlyList<TPod> Pods, TimeSpan Longest)> Decide<TPod>(IReadOnlyList<TPod> pods, Func<TPod, int> priority, TimeSpan grace, TimeSpan critical)
    {
        var groups = new (IReadOnlyList<TPod> Pods, TimeSpan Longest)[] { ([.. pods.Where(pod => priority(pod) < Critical)], grace - critical), ([.. pods.Where(pod => priority(pod) >= Critical)], critical) };
        return [.. groups.Where(group => group.Pods.Count > 0)];
    }

    /// <summary>A pod's time, split: first its open connections end by themselves, a quarter of it at most; then its containers have the rest, or their own grace when that is less.</summary>
    public static (TimeSpan Grace, TimeSpan Drain) Split(TimeSpan own, TimeSpan longest)
    {
        var drain = longest / 4 < LongestDrain ? longest / 4 : LongestDrain;
        return (own < longest - drain ? own : longest - drain, drain);
    }

    /// <summary>Of a pod that came too late.</summary>
    public static PodStatusReport Rejected(DesiredPod desired, DateTimeOffset now)
    {
        var metadata = JsonNode.Parse(desired.PodJson)!["metadata"]!;
        var status = new JsonObject
        {
            ["phase"] = "Failed", ["reason"] = "NodeShutdown", ["message"] = "Pod was rejected as the node is shutting down.",
            ["startTime"] = now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        };
        return new PodStatusReport { Uid = desired.Uid, Namespace = metadata["namespace"]!.ToString(), Name = metadata["name"]!.ToString(), StatusJson = status.ToJsonString() };
    }
}
