using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>metrics.k8s.io: what nodes and pods use, as their nodes told it last (<c>kubectl top</c>). Shown with the labels of the object, so that selectors choose as usual.</summary>
public sealed class Metrics(IObjects objects, PodStatistics statistics)
{
    public static bool Has(ResourceKind kind) => kind == Kinds.NodeMetrics || kind == Kinds.PodMetrics;

    public async Task GetAsync(Call call)
    {
        var of = Measured(call.Kind);
        var shown = await objects.GetAsync(of, call.Name, call.Ends) is { } document ? Shown(call.Kind, document) : null;
        await call.AnswerAsync(shown ?? throw new ObjectNotFoundException(call.Kind, call.Name));
    }

    public async Task ListAsync(Call call)
    {
        if (call.Query["watch"].ToString() is "true" or "1") throw new StatusException(405, "MethodNotAllowed", "metrics are not watched: ask again");
        var matches = Selectors.Parse(call.Query["labelSelector"], call.Query["fieldSelector"]);
        var list = await objects.ListAsync(Measured(call.Kind), call.Request.Namespace, call.Ends);
        var items = list.Items.Where(matches).Select(item => Shown(call.Kind, item)).OfType<JsonObject>();
        await call.SendAsync(call.Shape.ShowList(call.Kind, items, new JsonObject { ["resourceVersion"] = list.At.ToString() }));
    }

    private static ResourceKind Measured(ResourceKind kind) => kind == Kinds.NodeMetrics ? Kinds.Node : Kinds.Pod;

    /// <summary>null: nothing was measured.</summary>
    private JsonObject? Shown(ResourceKind kind, JsonObject document)
    {
        var name = ObjectStamp.NameOf(document);
        if (kind == Kinds.NodeMetrics) return statistics.Node(name.Name) is { } node ? With(Head(kind, document, node), "usage", Usage(node)) : null;
        if (statistics.Pod(name.Namespace, name.Name) is not { Containers.Count: > 0 } pod || pod.Uid != document.Metadata().Text("uid")) return null;
        var containers = pod.Containers.OrderBy(container => container.Key, StringComparer.Ordinal).Select(container => new JsonObject { ["name"] = container.Key, ["usage"] = Usage(container.Value) });
        return With(Head(kind, document, pod.Containers.Values.First()), "containers", new JsonArray([.. containers]));
    }

    private static JsonObject With(JsonObject document, string name, JsonNode value)
    {
        document[name] = value;
        return document;
    }

    private static JsonObject Head(ResourceKind kind, JsonObject document, ResourceUsage usage)
    {
        var metadata = new JsonObject { ["name"] = document.Metadata().Text("name") };
        if (document.Metadata()["namespace"] is { } space) metadata["namespace"] = space.DeepClone();
        if (document.Metadata()["labels"] is { } labels) metadata["labels"] = labels.DeepClone();
        metadata["creationTimestamp"] = ObjectStamp.Time(usage.At);
        return new JsonObject
        {
            ["kind"] = kind.Kind, ["apiVersion"] = kind.ApiVersion, ["metadata"] = metadata, ["timestamp"] = ObjectStamp.Time(usage.At), ["window"] = string.Create(CultureInfo.InvariantCulture, $"{usage.Window.TotalSeconds:0.###}s"),
        };
    }

    private static JsonObject Usage(ResourceUsage usage) => new()
    {
        ["cpu"] = string.Create(CultureInfo.InvariantCulture, $"{usage.CpuNanocores}n"), ["memory"] = string.Create(CultureInfo.InvariantCulture, $"{(usage.MemoryWorkingSetBytes + 1023) / 1024}Ki"),
    };
}
