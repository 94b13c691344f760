using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Admission;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Autoscaling;

/// <summary>
/// Reads the metrics of an autoscaler: Resource and ContainerResource from what the nodes told (<see cref="PodStatistics"/>); Pods, Object and External by a query to Prometheus:
/// the metric's name with its selector as label matchers, for Pods by the label <c>pod</c>, for Object with a label named as the kind.
/// </summary>
public sealed class MetricSources(PodStatistics statistics, PrometheusQueries prometheus, TimeProvider clock)
{
    public async Task<MetricReading> ReadAsync(JsonObject metric, JsonObject autoscaler, int current, IReadOnlyList<JsonObject> pods, decimal tolerance)
    {
        var type = metric.Text("type") ?? "";
        try
        {
            return type switch
            {
                "Resource" => Resource(metric["resource"]!.AsObject(), null, pods, current, tolerance, metric),
                "ContainerResource" => Resource(metric["containerResource"]!.AsObject(), metric["containerResource"]!["container"]!.ToString(), pods, current, tolerance, metric),
                "Pods" => await PodsAsync(metric["pods"]!.AsObject(), autoscaler, pods, current, tolerance),
                "Object" => await ObjectAsync(metric["object"]!.AsObject(), autoscaler, pods, current, tolerance),
                "External" => await ExternalAsync(metric["external"]!.AsObject(), pods, current, tolerance),
                _ => new MetricReading(null, type, null, "InvalidMetricSourceType", $"unknown metric source type \"{type}\""),
            };
        }
        catch (QueryFailedException exception)
        {
            return new MetricReading(null, type, null, type switch { "Pods" => "FailedGetPodsMetric", "Object" => "FailedGetObjectMetric", _ => "FailedGetExternalMetric" }, exception.Message);
        }
    }

    private MetricReading Resource(JsonObject source, string? container, IReadOnlyList<JsonObject> pods, int current, decimal tolerance, JsonObject metric)
    {
        var (name, target) = (source.Text("name") ?? "", source["target"]!.AsObject());
        var reason = container is null ? "FailedGetResourceMetric" : "FailedGetContainerResourceMetric";
        var measured = new Dictionary<string, (decimal, DateTimeOffset, TimeSpan)>();
        foreach (var pod in pods)
            if (statistics.Pod(pod.Namespace(), pod.Name()) is { } usage && usage.Uid == pod.Uid())
            {
                var used = usage.Containers.Where(entry => container is null || entry.Key == container).Select(entry => entry.Value).ToList();
                if (used.Count > 0) measured[pod.Name()] = (used.Sum(value => name == "cpu" ? value.CpuNanocores / 1e9m : value.MemoryWorkingSetBytes), used.Max(value => value.At), used.Max(value => value.Window));
            }
        var samples = PodSamples.Of(pods, measured, name == "cpu", clock.GetUtcNow());
        if (samples.Values.Count == 0) return new MetricReading(null, name, null, reason, $"failed to get {name} utilization: did not receive metrics for targeted pods (pods might be unready)");
        if (target.Text("type") != "Utilization")
        {
            var (replicas, average) = ReplicaProposal.ByAverage(current, samples, Quantities.Parse(target["averageValue"]) ?? 1, tolerance);
            return new MetricReading(replicas, $"{name} resource", Current(metric, new JsonObject { ["averageValue"] = Quantities.Text(Rounded(average)) }, name, container));
        }
        var requests = pods.ToDictionary(pod => pod.Name(), pod => PodAmounts.Containers(pod, false).Where(item => container is null || item.Text("name") == container)
            .Sum(item => Quantities.Parse(item["resources"]?["requests"]?[name] ?? item["resources"]?["limits"]?[name]) ?? 0));
        if (pods.FirstOrDefault(pod => requests[pod.Name()] == 0) is { } silent) return new MetricReading(null, name, null, reason, $"failed to get {name} utilization: missing request for {name} in container {PodAmounts.Containers(silent, false).First().Text("name")} of Pod {silent.Name()}");
        var (wanted, percent) = ReplicaProposal.ByUtilization(current, samples, requests, target["averageUtilization"].Int(80), tolerance);
        return new MetricReading(wanted, $"{name} {(container is null ? "" : "container ")}resource utilization (percentage of request)", Current(metric, new JsonObject { ["averageUtilization"] = percent, ["averageValue"] = Quantities.Text(Rounded(samples.Values.Values.Average())) }, name, container));
    }

    private async Task<MetricReading> PodsAsync(JsonObject source, JsonObject autoscaler, IReadOnlyList<JsonObject> pods, int current, decimal tolerance)
    {
        var now = clock.GetUtcNow();
        var found = await prometheus.QueryAsync($"sum by (pod) ({Selector(source, ("namespace", autoscaler.Namespace()))})");
        var samples = PodSamples.Of(pods, found.ToDictionary(sample => sample.Labels.Text("pod") ?? "", sample => (sample.Value, now, TimeSpan.Zero)), false, now);
        if (samples.Values.Count == 0) throw new QueryFailedException($"no samples of {source["metric"]?["name"]} with the label pod for the pods of the target");
        var (replicas, average) = ReplicaProposal.ByAverage(current, samples, Target(source, "averageValue"), tolerance);
        return new MetricReading(replicas, $"pods metric {source["metric"]?["name"]}", new JsonObject { ["type"] = "Pods", ["pods"] = new JsonObject { ["metric"] = source["metric"]?.DeepClone(), ["current"] = new JsonObject { ["averageValue"] = Quantities.Text(Rounded(average)) } } });
    }

    private async Task<MetricReading> ObjectAsync(JsonObject source, JsonObject autoscaler, IReadOnlyList<JsonObject> pods, int current, decimal tolerance)
    {
        var about = source["describedObject"]!;
        var value = await prometheus.OneAsync($"sum({Selector(source, ("namespace", autoscaler.Namespace()), (about["kind"]!.ToString().ToLowerInvariant(), about["name"]!.ToString()))})");
        return new MetricReading(Proposed(source, pods, current, value, tolerance), $"{about["kind"]} metric {source["metric"]?["name"]}",
            new JsonObject { ["type"] = "Object", ["object"] = new JsonObject { ["metric"] = source["metric"]?.DeepClone(), ["describedObject"] = about.DeepClone(), ["current"] = new JsonObject { ["value"] = Quantities.Text(Rounded(value)) } } });
    }

    private async Task<MetricReading> ExternalAsync(JsonObject source, IReadOnlyList<JsonObject> pods, int current, decimal tolerance)
    {
        var value = await prometheus.OneAsync($"sum({Selector(source)})");
        return new MetricReading(Proposed(source, pods, current, value, tolerance), $"external metric {source["metric"]?["name"]}", new JsonObject { ["type"] = "External", ["external"] = new JsonObject { ["metric"] = source["metric"]?.DeepClone(), ["current"] = new JsonObject { ["value"] = Quantities.Text(Rounded(value)) } } });
    }

    private static int Proposed(JsonObject source, IReadOnlyList<JsonObject> pods, int current, decimal value, decimal tolerance) => source["target"]?["type"]?.ToString() == "AverageValue"
        ? ReplicaProposal.ByShare(current, value, Target(source, "averageValue"), tolerance) : ReplicaProposal.ByValue(current, pods.Count(pod => pod.IsReady()), value, Target(source, "value"), tolerance);

    private static decimal Target(JsonObject source, string name) => Quantities.Parse(source["target"]?[name]) is > 0 and var target ? target : throw new QueryFailedException($"target.{name} must be more than 0");

    /// <summary>A PromQL selector: the metric's name and its matchLabels.</summary>
    public static string Selector(JsonObject source, params (string Name, string Value)[] more) => source["metric"]?["name"] + "{"
        + string.Join(',', more.Concat((source["metric"]?["selector"]?["matchLabels"] as JsonObject ?? []).Select(pair => (pair.Key, pair.Value?.ToString() ?? ""))).Select(pair => $"{pair.Item1}={JsonValue.Create(pair.Item2).ToJsonString()}")) + "}";

    private static JsonObject Current(JsonObject metric, JsonObject current, string name, string? container)
    {
        var inner = new JsonObject { ["name"] = name, ["current"] = current };
        if (container is not null) inner["container"] = container;
        return new JsonObject { ["type"] = metric["type"]!.DeepClone(), [container is null ? "resource" : "containerResource"] = inner };
    }

    private static decimal Rounded(decimal value) => Math.Round(value, 3);
}
