using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Scheduling;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Dashboard;

/// <param name="CpuRequested">Thousandths of a core that pods there ask for, of <paramref name="CpuCapacity"/>.</param>
/// <param name="MemoryRequested">Bytes, of <paramref name="MemoryCapacity"/>.</param>
public sealed record NodeRow(string Name, string Status, bool Ready, int Pods, int PodCapacity, long CpuRequested, long CpuCapacity, long MemoryRequested, long MemoryCapacity, string Kernel, string Created);

public sealed record WorkloadRow(string Namespace, string Name, int Desired, int Updated, int Available, string Images, string Problem, string Created)
{
    public bool Settled => Updated == Desired && Available == Desired;
}

/// <param name="Denials">Uses that were refused for want of a grant, as far as events are kept.</param>
/// <param name="Warning">The newest warning, or empty.</param>
public sealed record PodRow(string Namespace, string Name, string Uid, string Status, string Ready, int Restarts, string Node, string Address, int Denials, string Warning, string Created)
{
    public bool Good => Status is "Running" or "Completed" or "Succeeded";
}

/// <summary>The cluster at one moment, as the page shows it.</summary>
public sealed record ClusterRows(ImmutableArray<string> Namespaces, ImmutableArray<NodeRow> Nodes, ImmutableArray<WorkloadRow> Workloads, ImmutableArray<PodRow> Pods);

/// <summary>From documents to rows. Pure.</summary>
public static class Rows
{
    private const string Denied = "PermissionDenied";

    /// <param name="events">Warnings by the uid of what they are about.</param>
    /// <param name="namespace">Only this one; null: all.</param>
    public static ClusterRows Of(IReadOnlyCollection<JsonObject> namespaces, IReadOnlyCollection<JsonObject> nodes, IReadOnlyCollection<JsonObject> deployments, IReadOnlyCollection<JsonObject> pods, ILookup<string, JsonObject> events, string? @namespace)
    {
        bool Shown(JsonObject document) => @namespace is null || document.Namespace() == @namespace;
        return new ClusterRows(
            [.. namespaces.Select(item => item.Name()).Order(StringComparer.Ordinal)],
            [.. nodes.OrderBy(item => item.Name(), StringComparer.Ordinal).Select(item => Node(item, [.. pods.Where(pod => pod.NodeName() == item.Name() && !pod.IsOver())]))],
            [.. Ordered(deployments.Where(Shown)).Select(Workload)],
            [.. Ordered(pods.Where(Shown)).Select(pod => Pod(pod, events[pod.Uid()]))]);
    }

    private static IEnumerable<JsonObject> Ordered(IEnumerable<JsonObject> documents) => documents.OrderBy(item => item.Namespace(), StringComparer.Ordinal).ThenBy(item => item.Name(), StringComparer.Ordinal);

    private static NodeRow Node(JsonObject node, List<JsonObject> here)
    {
        var capacity = NodeReader.Capacity(node);
        var requested = here.Select(PodRequests.Of).ToList();
        return new NodeRow(node.Name(), Words.NodeStatus(node), node.IsReady(), here.Count, capacity.Pods, requested.Sum(amounts => amounts.CpuMilli), capacity.CpuMilli,
            requested.Sum(amounts => amounts.MemoryBytes), capacity.MemoryBytes, node["status"]?["nodeInfo"]?["kernelVersion"]?.ToString() ?? "", Created(node));
    }

    private static WorkloadRow Workload(JsonObject deployment)
    {
        var status = deployment["status"];
        var problem = (status?["conditions"] as JsonArray ?? []).FirstOrDefault(condition => (condition?["type"]?.ToString(), condition?["status"]?.ToString()) is ("ReplicaFailure", "True") or ("Progressing", "False"));
        return new WorkloadRow(deployment.Namespace(), deployment.Name(), deployment["spec"]?["replicas"].Int(1) ?? 1, status?["updatedReplicas"].Int() ?? 0, status?["availableReplicas"].Int() ?? 0,
            string.Join(", ", (deployment["spec"]?["template"]?["spec"]?["containers"] as JsonArray ?? []).Select(container => container?["image"]?.ToString())), problem?["message"]?.ToString() ?? "", Created(deployment));
    }

    private static PodRow Pod(JsonObject pod, IEnumerable<JsonObject> events)
    {
        var warnings = events.Where(item => item.Text("type") == "Warning").OrderBy(When).ToList();
        return new PodRow(pod.Namespace(), pod.Name(), pod.Uid(), Words.PodStatus(pod), Words.ReadyContainers(pod), Words.Restarts(pod), pod.NodeName(), pod.PodAddress(),
            warnings.Where(item => item.Text("reason") == Denied).Sum(item => item["count"].Int(1)), warnings.LastOrDefault()?.Text("message") ?? "", Created(pod));
    }

    /// <summary>When an event was last seen, in RFC 3339, which sorts.</summary>
    public static string When(JsonObject item) => item.Text("lastTimestamp") ?? item.Text("eventTime") ?? item.Metadata().Text("creationTimestamp") ?? "";

    private static string Created(JsonObject document) => document.Metadata().Text("creationTimestamp") ?? "";

    /// <summary>Bytes in binary units: 512 MiB, 15.6 GiB.</summary>
    public static string Bytes(long bytes) => bytes switch
    {
        >= 1L << 30 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.#} GiB"),
        >= 1L << 20 => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 20):0} MiB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes} B"),
    };
}
