using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Nodes;

/// <summary>What eviction asks of a node.</summary>
/// <param name="Zone">Region and zone; nodes without labels are one zone.</param>
public sealed record NodeHealth(string Name, string Zone, bool Ready)
{
    public static NodeHealth Read(JsonObject node)
    {
        string Label(string name) => node.Metadata()["labels"]?[name]?.ToString() ?? "";
        return new NodeHealth(node.Name(), Label("topology.kubernetes.io/region") + ":" + Label("topology.kubernetes.io/zone"), node.IsReady());
    }
}

/// <summary>
/// How fast lost nodes are emptied, zone by zone, in the numbers of kube-controller-manager: one node every 10 s; in a zone of which 55 % (and more than two nodes) are lost one every 100 s, or none
/// if it has at most 50 nodes; and none at all while every zone is lost altogether, because then it is the control plane that is cut off. Pure: a state in, a state out.
/// </summary>
/// <param name="Last">When the last node of a zone was granted.</param>
/// <param name="Granted">Nodes that may be emptied.</param>
public sealed record EvictionPace(ImmutableDictionary<string, DateTimeOffset> Last, ImmutableHashSet<string> Granted)
{
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10), SlowInterval = TimeSpan.FromSeconds(100);
    public const double UnhealthyShare = 0.55;
    public const int LargeZone = 50;

    public static readonly EvictionPace Start = new(ImmutableDictionary<string, DateTimeOffset>.Empty, []);

    /// <returns>The state from now on, and when another node may be emptied; null: nothing changes with time.</returns>
    public (EvictionPace Next, DateTimeOffset? Again) At(IReadOnlyCollection<NodeHealth> nodes, DateTimeOffset now)
    {
        var zones = nodes.GroupBy(node => node.Zone).ToList();
        if (zones.All(zone => zone.All(node => !node.Ready))) return (Start, null);
        var (last, granted, again) = (Last.ToBuilder(), ImmutableHashSet.CreateBuilder<string>(), (DateTimeOffset?)null);
        foreach (var zone in zones)
        {
            var lost = zone.Where(node => !node.Ready).Select(node => node.Name).Order(StringComparer.Ordinal).ToList();
            var interval = IntervalOf(zone.Count(), lost.Count);
            foreach (var name in lost)
            {
                if (Granted.Contains(name)) granted.Add(name);
                else if (interval is not { } pause) continue;
                else if (!last.TryGetValue(zone.Key, out var before) || before + pause <= now)
                {
                    last[zone.Key] = now;
                    granted.Add(name);
                }
                else if (before + pause < (again ?? DateTimeOffset.MaxValue)) again = before + pause;
            }
        }
        return (new EvictionPace(last.ToImmutable(), granted.ToImmutable()), again);
    }

    /// <summary>null: none is emptied.</summary>
    private static TimeSpan? IntervalOf(int all, int lost) => lost == all || lost <= 2 || lost < UnhealthyShare * all ? Interval : all > LargeZone ? SlowInterval : null;
}
