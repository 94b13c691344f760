using System.Collections.Concurrent;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>CPU and memory that something used, measured over a window that ended at <paramref name="At"/>.</summary>
/// <param name="CpuNanocores">Mean: nanoseconds of CPU time a second.</param>
/// <param name="MemoryWorkingSetBytes">Charged memory without idle files.</param>
public sealed record ResourceUsage(DateTimeOffset At, TimeSpan Window, long CpuNanocores, long MemoryWorkingSetBytes);

/// <summary>What one pod's running containers used, by container name.</summary>
public sealed record PodUsage(string Namespace, string Name, string Uid, string Node, IReadOnlyDictionary<string, ResourceUsage> Containers);

/// <summary>
/// The newest usage that each node told, in memory: for metrics.k8s.io, <c>kubectl top</c> and horizontal autoscaling. Filled by <see cref="NodeSessionsActor"/>; any thread may read.
/// What is older than <see cref="Stale"/> is not shown: a node that is gone uses nothing that anybody knows.
/// </summary>
public sealed class PodStatistics(TimeProvider clock)
{
    public static readonly TimeSpan Stale = TimeSpan.FromSeconds(60);

    private sealed record NodeReport(DateTimeOffset At, ResourceUsage Node, IReadOnlyDictionary<(string Namespace, string Name), PodUsage> Pods);

    private readonly ConcurrentDictionary<string, NodeReport> _nodes = new();

    /// <summary>Replaces what the node told before. Its time is when it came here: clocks of nodes may differ.</summary>
    public void Take(string node, UsageReport report)
    {
        var now = clock.GetUtcNow();
        ResourceUsage Of(Usage usage) => new(now, TimeSpan.FromMilliseconds(usage.WindowMilliseconds), usage.CpuNanocores, usage.MemoryWorkingSetBytes);
        var pods = report.Containers.GroupBy(container => (container.Namespace, container.Pod)).ToDictionary(group => group.Key, group =>
            new PodUsage(group.Key.Namespace, group.Key.Pod, group.First().PodUid, node, group.ToDictionary(container => container.Container, container => Of(container.Usage))));
        _nodes[node] = new NodeReport(now, Of(report.Node), pods);
    }

    /// <summary>null: it does not run, or was not measured yet.</summary>
    public PodUsage? Pod(string @namespace, string name) => Fresh().Select(report => report.Value.Pods.GetValueOrDefault((@namespace, name))).FirstOrDefault(usage => usage is not null);

    /// <summary>Every pod that was measured; with a namespace, those there.</summary>
    public IEnumerable<PodUsage> Pods(string? @namespace = null) => Fresh().SelectMany(report => report.Value.Pods.Values).Where(pod => @namespace is null || pod.Namespace == @namespace);

    /// <summary>A node's containers, microkernel, servers and agent together.</summary>
    public ResourceUsage? Node(string name) => _nodes.TryGetValue(name, out var report) && IsFresh(report) ? report.Node : null;

    public IEnumerable<(string Name, ResourceUsage Usage)> Nodes() => Fresh().Select(report => (report.Key, report.Value.Node));

    private IEnumerable<KeyValuePair<string, NodeReport>> Fresh() => _nodes.Where(report => IsFresh(report.Value));

    private bool IsFresh(NodeReport report) => clock.GetUtcNow() - report.At < Stale;
}
