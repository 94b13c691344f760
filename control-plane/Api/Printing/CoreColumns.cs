using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using static Eyrie.ControlPlane.Api.Printing.Cells;

namespace Eyrie.ControlPlane.Api.Printing;

/// <summary>Columns of the core group.</summary>
public static class CoreColumns
{
    private const string RolePrefix = "node-role.kubernetes.io/";

    public static readonly Dictionary<ResourceKind, Column[]> All = new()
    {
        [Kinds.Pod] =
        [
            Name, new("Ready", pod => Words.ReadyContainers(pod)), new("Status", pod => Words.PodStatus(pod)), new("Restarts", Words.RestartsAndWhen), Age,
            Text("IP", "status.podIP").Wide, Text("Node", "spec.nodeName").Wide, Text("Nominated Node", "status.nominatedNodeName").Wide, new Column("Readiness Gates", ReadinessGates).Wide,
        ],
        [Kinds.Service] =
        [
            Name, Text("Type", "spec.type"), Text("Cluster-IP", "spec.clusterIP"), new("External-IP", ExternalAddress),
            new("Port(s)", item => Or(string.Join(',', Items(item, "spec.ports").Select(ServicePort)))), Age, new Column("Selector", item => Pairs(Fields.At(item, "spec.selector"))).Wide,
        ],
        [Kinds.Endpoints] = [Name, new("Endpoints", Endpoints), Age],
        [Kinds.Namespace] = [Name, Text("Status", "status.phase"), Age],
        [Kinds.Node] =
        [
            Name, new("Status", node => Words.NodeStatus(node)), new("Roles", Roles), Age, Text("Version", "status.nodeInfo.kubeletVersion"),
            new Column("Internal-IP", item => Address(item, "InternalIP")).Wide, new Column("External-IP", item => Address(item, "ExternalIP")).Wide,
            Text("OS-Image", "status.nodeInfo.osImage").Wide, Text("Kernel-Version", "status.nodeInfo.kernelVersion").Wide, Text("Container-Runtime", "status.nodeInfo.containerRuntimeVersion").Wide,
        ],
        [Kinds.Event] =
        [
            new("Last Seen", item => Words.Age(item.Text("lastTimestamp") ?? item.Text("eventTime") ?? item.Metadata().Text("creationTimestamp"))), Text("Type", "type"), Text("Reason", "reason"),
            new("Object", item => $"{item["involvedObject"]?["kind"]?.ToString().ToLowerInvariant()}/{item["involvedObject"]?["name"]}"),
            Text("Subobject", "involvedObject.fieldPath", "").Wide, Text("Source", "source.component", "").Wide, Text("Message", "message", ""),
            new Column("First Seen", item => Words.Age(item.Text("firstTimestamp") ?? item.Metadata().Text("creationTimestamp"))).Wide, Count("Count", "count").Wide, Name.Wide,
        ],
        [Kinds.EventOfGroup] =
        [
            new("Last Seen", item => Words.Age(item.Text("deprecatedLastTimestamp") ?? item.Text("eventTime") ?? item.Metadata().Text("creationTimestamp"))), Text("Type", "type"), Text("Reason", "reason"),
            new("Object", item => $"{item["regarding"]?["kind"]?.ToString().ToLowerInvariant()}/{item["regarding"]?["name"]}"), Text("Subobject", "regarding.fieldPath", "").Wide, Text("Source", "reportingController", "").Wide, Text("Message", "note", ""), Name.Wide,
        ],
        [Kinds.ConfigMap] = [Name, new("Data", item => Data(item)), Age],
        [Kinds.Secret] = [Name, Text("Type", "type"), new("Data", item => Keys(item["data"])), Age],
        [Kinds.ServiceAccount] = [Name, new("Secrets", "integer", item => Items(item, "secrets").Count()), Age],
        [Kinds.PersistentVolume] =
        [
            Name, Text("Capacity", "spec.capacity.storage", ""), new("Access Modes", item => AccessModes(Fields.At(item, "spec.accessModes"))), Text("Reclaim Policy", "spec.persistentVolumeReclaimPolicy", ""), new("Status", item => Leaving(item) ?? Fields.At(item, "status.phase")?.ToString() ?? ""),
            new("Claim", item => Fields.At(item, "spec.claimRef") is JsonObject claim ? $"{claim["namespace"]}/{claim["name"]}" : ""), Text("StorageClass", "spec.storageClassName", ""),
            Text("VolumeAttributesClass", "spec.volumeAttributesClassName", Unset), Text("Reason", "status.reason", ""), Age, Text("VolumeMode", "spec.volumeMode", Unset).Wide,
        ],
        [Kinds.PersistentVolumeClaim] =
        [
            Name, new("Status", item => Leaving(item) ?? Fields.At(item, "status.phase")?.ToString() ?? "Pending"), Text("Volume", "spec.volumeName", ""), Text("Capacity", "status.capacity.storage", ""), new("Access Modes", item => AccessModes(Fields.At(item, "status.accessModes"))),
            Text("StorageClass", "spec.storageClassName", ""), Text("VolumeAttributesClass", "spec.volumeAttributesClassName", Unset), Age, Text("VolumeMode", "spec.volumeMode", Unset).Wide,
        ],
        [Kinds.ReplicationController] = [Name, Count("Desired", "spec.replicas"), Count("Current", "status.replicas"), Count("Ready", "status.readyReplicas"), Age, .. Template(), Selector],
        [Kinds.LimitRange] = [Name, CreatedAt],
        [Kinds.ResourceQuota] = [Name, new("Request", item => Quota(item, false)), new("Limit", item => Quota(item, true)), Age],
        [Kinds.PodTemplate] = [Name, .. Template("template.spec.containers").Select(column => column with { Priority = 0 }), new("Pod Labels", item => Pairs(Fields.At(item, "template.metadata.labels")))],
    };

    /// <summary>Deleted, and something holds it yet.</summary>
    private static string? Leaving(JsonObject item) => item.Metadata()["deletionTimestamp"] is null ? null : "Terminating";

    private static string Data(JsonObject map) => (((map["data"] as JsonObject)?.Count ?? 0) + ((map["binaryData"] as JsonObject)?.Count ?? 0)).ToString(CultureInfo.InvariantCulture);

    private static JsonNode ReadinessGates(JsonObject pod)
    {
        var gates = Items(pod, "spec.readinessGates").Select(gate => gate.Text("conditionType")).ToList();
        var holding = Items(pod, "status.conditions").Count(condition => gates.Contains(condition.Text("type")) && condition.Text("status") == "True");
        return gates.Count == 0 ? None : $"{holding}/{gates.Count}";
    }

    private static string ServicePort(JsonObject port) => port["nodePort"] is { } node ? $"{port["port"]}:{node}/{port["protocol"] ?? "TCP"}" : $"{port["port"]}/{port["protocol"] ?? "TCP"}";

    private static JsonNode ExternalAddress(JsonObject service) => Fields.At(service, "spec.type")?.ToString() switch
    {
        "ExternalName" => Or(Fields.At(service, "spec.externalName")),
        "LoadBalancer" => Or(string.Join(',', Items(service, "status.loadBalancer.ingress").Select(item => item.Text("ip") ?? item.Text("hostname"))), "<pending>"),
        _ => Or(string.Join(',', (Fields.At(service, "spec.externalIPs") as JsonArray ?? []).Select(address => address?.ToString()))),
    };

    private static JsonNode Endpoints(JsonObject endpoints)
    {
        var all = Items(endpoints, "subsets").SelectMany(subset => Items(subset, "addresses").SelectMany(address => Items(subset, "ports").DefaultIfEmpty([]).Select(port => port["port"] is { } number ? $"{address["ip"]}:{number}" : address.Text("ip")))).ToList();
        const int Shown = 3;
        return all.Count <= Shown ? Or(string.Join(',', all)) : $"{string.Join(',', all.Take(Shown))} + {all.Count - Shown} more...";
    }

    private static JsonNode Roles(JsonObject node) => Or(string.Join(',', (node.Metadata()["labels"] as JsonObject ?? []).Where(label => label.Key.StartsWith(RolePrefix, StringComparison.Ordinal)).Select(label => label.Key[RolePrefix.Length..]).Order(StringComparer.Ordinal)));

    private static string Address(JsonObject node, string type) => Or(Items(node, "status.addresses").FirstOrDefault(address => address.Text("type") == type)?["address"]);

    private static JsonNode Quota(JsonObject quota, bool limits)
    {
        var hard = Fields.At(quota, "status.hard") as JsonObject ?? Fields.At(quota, "spec.hard") as JsonObject ?? [];
        var used = Fields.At(quota, "status.used") as JsonObject ?? [];
        return string.Join(", ", hard.Where(pair => pair.Key.StartsWith("limits.", StringComparison.Ordinal) == limits).OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => $"{pair.Key}: {Or(used[pair.Key], "0")}/{pair.Value}"));
    }
}
