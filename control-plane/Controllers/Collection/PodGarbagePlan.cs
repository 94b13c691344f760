using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Collection;

/// <param name="Message">Why, in the words of the pod garbage collector; empty: it has ended by itself.</param>
public sealed record GarbagePod(JsonObject Pod, string Message);

/// <summary>
/// Pods that nobody else removes: those of nodes that are no more, those that were to be deleted before they had a node, those that are being deleted on a node that is marked out of service,
/// and of those that have ended the evicted and then the oldest over a threshold. Pure.
/// </summary>
public static class PodGarbagePlan
{
    /// <summary>How many ended pods are kept, as kube-controller-manager (--terminated-pod-gc-threshold).</summary>
    public const int Threshold = 12_500;
    public const string OutOfService = "node.kubernetes.io/out-of-service";
    /// <summary>How long a node must be missing before its pods are nobody's.</summary>
    public static readonly TimeSpan Quarantine = TimeSpan.FromSeconds(40);

    /// <param name="pods">All pods.</param>
    /// <param name="node">A node, or null.</param>
    /// <param name="missingSince">When a node that pods are bound to was first found missing.</param>
    /// <param name="now">The time.</param>
    /// <param name="threshold">How many ended pods are kept.</param>
    public static IReadOnlyList<GarbagePod> Decide(IReadOnlyCollection<JsonObject> pods, Func<string, JsonObject?> node, IReadOnlyDictionary<string, DateTimeOffset> missingSince, DateTimeOffset now, int threshold = Threshold)
    {
        var found = new List<GarbagePod>();
        foreach (var pod in pods)
        {
            if (pod.NodeName() is not { Length: > 0 } name)
            {
                if (pod.IsDeleted()) found.Add(new GarbagePod(pod, "PodGC: pod was never scheduled"));
            }
            else if (node(name) is not { } home)
            {
                if (missingSince.TryGetValue(name, out var since) && since + Quarantine <= now) found.Add(new GarbagePod(pod, "PodGC: node no longer exists"));
            }
            else if (pod.IsDeleted() && !home.IsReady() && Taints.Of(home).Any(taint => taint.Key == OutOfService)) found.Add(new GarbagePod(pod, "PodGC: node is out of service"));
        }
        var ended = pods.Where(pod => pod.IsOver() && !pod.IsDeleted()).ToList();
        if (ended.Count > threshold) found.AddRange(ended.OrderBy(pod => pod["status"]?["reason"]?.ToString() == "Evicted" ? 0 : 1).ThenBy(pod => pod.Metadata()["creationTimestamp"]?.ToString(), StringComparer.Ordinal).ThenBy(pod => pod.Uid(), StringComparer.Ordinal).Take(ended.Count - threshold).Except(found.Select(garbage => garbage.Pod)).Select(pod => new GarbagePod(pod, "")).ToList());
        return found;
    }

    /// <summary>Nodes that pods are bound to and that are not there, since when; those known before keep their time.</summary>
    public static Dictionary<string, DateTimeOffset> Missing(IReadOnlyCollection<JsonObject> pods, Func<string, JsonObject?> node, IReadOnlyDictionary<string, DateTimeOffset> before, DateTimeOffset now) =>
        pods.Select(pod => pod.NodeName()).Where(name => name.Length > 0).Distinct().Where(name => node(name) is null).ToDictionary(name => name, name => before.GetValueOrDefault(name, now));
}
