using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

/// <summary>Server-side tables (meta.k8s.io/v1 Table) with the columns that people know from kubectl.</summary>
public static class Tables
{
    private sealed record Column(string Name, string Type, Func<JsonObject, JsonNode?> Value, int Priority = 0);

    private static readonly Column NameColumn = new("Name", "string", document => document.Metadata().Text("name"));
    private static readonly Column Age = new("Age", "string", document => Words.Age(document.Metadata().Text("creationTimestamp")));

    private static readonly Dictionary<ResourceKind, Column[]> Columns = new()
    {
        [Kinds.Pod] =
        [
            NameColumn, new("Ready", "string", pod => Words.ReadyContainers(pod)),
            new("Status", "string", pod => Words.PodStatus(pod)), new("Restarts", "string", pod => Words.Restarts(pod).ToString(CultureInfo.InvariantCulture)), Age,
            new("IP", "string", pod => Or(pod["status"]?["podIP"]), 1), new("Node", "string", pod => Or(pod["spec"]?["nodeName"]), 1),
            new("Nominated Node", "string", pod => Or(pod["status"]?["nominatedNodeName"]), 1), new("Readiness Gates", "string", _ => "<none>", 1),
        ],
        [Kinds.Deployment] =
        [
            NameColumn, new("Ready", "string", item => $"{Number(item, "status", "readyReplicas")}/{Number(item, "spec", "replicas")}"),
            new("Up-to-date", "integer", item => Number(item, "status", "updatedReplicas")), new("Available", "integer", item => Number(item, "status", "availableReplicas")), Age,
            new("Containers", "string", item => Containers(item, "name"), 1), new("Images", "string", item => Containers(item, "image"), 1), new("Selector", "string", Selector, 1),
        ],
        [Kinds.ReplicaSet] =
        [
            NameColumn, new("Desired", "integer", item => Number(item, "spec", "replicas")), new("Current", "integer", item => Number(item, "status", "replicas")),
            new("Ready", "integer", item => Number(item, "status", "readyReplicas")), Age,
            new("Containers", "string", item => Containers(item, "name"), 1), new("Images", "string", item => Containers(item, "image"), 1), new("Selector", "string", Selector, 1),
        ],
        [Kinds.Service] =
        [
            NameColumn, new("Type", "string", item => item["spec"]?["type"]?.ToString()), new("Cluster-IP", "string", item => Or(item["spec"]?["clusterIP"])), new("External-IP", "string", _ => "<none>"),
            new("Port(s)", "string", item => string.Join(',', (item["spec"]?["ports"] as JsonArray ?? []).Select(port => $"{port!["port"]}/{port["protocol"]}"))), Age,
            new("Selector", "string", item => Pairs(item["spec"]?["selector"]), 1),
        ],
        [Kinds.Namespace] = [NameColumn, new("Status", "string", item => item["status"]?["phase"]?.ToString()), Age],
        [Kinds.Node] =
        [
            NameColumn, new("Status", "string", node => Words.NodeStatus(node)), new("Roles", "string", _ => "<none>"), Age, new("Version", "string", item => item["status"]?["nodeInfo"]?["kubeletVersion"]?.ToString()),
            new("Internal-IP", "string", item => Or((item["status"]?["addresses"] as JsonArray)?.FirstOrDefault()?["address"]), 1), new("External-IP", "string", _ => "<none>", 1),
            new("OS-Image", "string", item => Or(item["status"]?["nodeInfo"]?["osImage"]), 1), new("Kernel-Version", "string", item => Or(item["status"]?["nodeInfo"]?["kernelVersion"]), 1),
            new("Container-Runtime", "string", item => Or(item["status"]?["nodeInfo"]?["containerRuntimeVersion"]), 1),
        ],
        [Kinds.Event] =
        [
            new("Last Seen", "string", item => Words.Age(item.Text("lastTimestamp") ?? item.Metadata().Text("creationTimestamp"))), new("Type", "string", item => item.Text("type")), new("Reason", "string", item => item.Text("reason")),
            new("Object", "string", item => $"{item["involvedObject"]?["kind"]?.ToString().ToLowerInvariant()}/{item["involvedObject"]?["name"]}"), new("Message", "string", item => item.Text("message")),
        ],
        [Kinds.ConfigMap] = [NameColumn, new("Data", "integer", item => (item["data"] as JsonObject)?.Count ?? 0), Age],
        [Kinds.Secret] = [NameColumn, new("Type", "string", item => item.Text("type")), new("Data", "integer", item => (item["data"] as JsonObject)?.Count ?? 0), Age],
    };

    /// <param name="kind">Kind of the items.</param>
    /// <param name="items">One row each.</param>
    /// <param name="metadata">Of the table.</param>
    /// <param name="definitions">Whether to name the columns; in a watch only the first table does.</param>
    /// <param name="include">What a row carries of its object: None, Metadata or Object.</param>
    public static JsonObject Of(ResourceKind kind, IEnumerable<JsonObject> items, JsonObject metadata, bool definitions, string include)
    {
        var columns = Columns.GetValueOrDefault(kind, [NameColumn, Age]);
        return new JsonObject
        {
            ["kind"] = "Table", ["apiVersion"] = "meta.k8s.io/v1", ["metadata"] = metadata,
            ["columnDefinitions"] = definitions
                ? new JsonArray([.. columns.Select(column => new JsonObject { ["name"] = column.Name, ["type"] = column.Type, ["format"] = column.Name == "Name" ? "name" : "", ["description"] = column.Name, ["priority"] = column.Priority })])
                : null,
            ["rows"] = new JsonArray([.. items.Select(item => new JsonObject
            {
                ["cells"] = new JsonArray([.. columns.Select(column => column.Value(item))]),
                ["object"] = include switch { "None" => null, "Object" => item.DeepClone(), _ => Shape.Partial(item) },
            })]),
        };
    }

    private static JsonNode Number(JsonObject item, string part, string name) => item[part]?[name]?.DeepClone() ?? 0;

    private static string Containers(JsonObject item, string field) => string.Join(',', (item["spec"]?["template"]?["spec"]?["containers"] as JsonArray ?? []).Select(container => container?[field]?.ToString()));

    private static JsonNode? Selector(JsonObject item) => Pairs(item["spec"]?["selector"]?["matchLabels"]);

    private static string Pairs(JsonNode? map) => map is JsonObject { Count: > 0 } pairs ? string.Join(',', pairs.Select(pair => $"{pair.Key}={pair.Value}")) : "<none>";

    private static string Or(JsonNode? value) => value?.ToString() is { Length: > 0 } text ? text : "<none>";
}
