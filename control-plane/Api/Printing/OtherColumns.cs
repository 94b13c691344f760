using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using static Eyrie.ControlPlane.Api.Printing.Cells;

namespace Eyrie.ControlPlane.Api.Printing;

/// <summary>Columns of networking, storage, access and extensions.</summary>
public static class OtherColumns
{
    public static readonly Dictionary<ResourceKind, Column[]> All = new()
    {
        [Kinds.EndpointSlice] =
        [
            Name, Text("AddressType", "addressType"), new("Ports", item => Or(string.Join(',', Items(item, "ports").Select(port => port["port"]?.ToString())), Unset)),
            new("Endpoints", item => Shown([.. Items(item, "endpoints").SelectMany(endpoint => endpoint["addresses"] as JsonArray ?? []).Select(address => address!.ToString())])), Age,
        ],
        [Kinds.NetworkPolicy] = [Name, new("Pod-Selector", item => LabelSelector(Fields.At(item, "spec.podSelector"))), Age],
        [Kinds.Ingress] =
        [
            Name, Text("Class", "spec.ingressClassName"), new("Hosts", item => Or(string.Join(',', Items(item, "spec.rules").Select(rule => Or(rule["host"], "*"))), "*")),
            new("Address", item => string.Join(',', Items(item, "status.loadBalancer.ingress").Select(address => address.Text("ip") ?? address.Text("hostname")))), new("Ports", item => Items(item, "spec.tls").Any() ? "80, 443" : "80"), Age,
        ],
        [Kinds.IngressClass] = [Name, Text("Controller", "spec.controller"), new("Parameters", item => Fields.At(item, "spec.parameters") is JsonObject parameters ? $"{parameters["kind"]}.{parameters["apiGroup"]}/{parameters["name"]}" : None), Age],
        [Kinds.StorageClass] =
        [
            new("Name", item => item.Metadata()["annotations"]?["storageclass.kubernetes.io/is-default-class"]?.ToString() == "true" ? item.Metadata().Text("name") + " (default)" : item.Metadata().Text("name")),
            Text("Provisioner", "provisioner"), Text("ReclaimPolicy", "reclaimPolicy", "Delete"), Text("VolumeBindingMode", "volumeBindingMode", "Immediate"),
            new("AllowVolumeExpansion", "boolean", item => item["allowVolumeExpansion"]?.GetValue<bool>() ?? false), Age,
        ],
        [Kinds.Role] = [Name, CreatedAt],
        [Kinds.ClusterRole] = [Name, CreatedAt],
        [Kinds.RoleBinding] = Binding,
        [Kinds.ClusterRoleBinding] = Binding,
        [Kinds.CertificateSigningRequest] =
        [
            Name, Age, Text("SignerName", "spec.signerName"), Text("Requestor", "spec.username", ""), new("RequestedDuration", item => Number(item, "spec.expirationSeconds") is > 0 and var seconds ? Words.Length(TimeSpan.FromSeconds(seconds)) : None),
            new("Condition", item => Or(string.Join(',', Items(item, "status.conditions").Select(condition => condition.Text("type")).Concat(Fields.At(item, "status.certificate") is null ? [] : ["Issued"])), "Pending")),
        ],
        [Kinds.CustomResourceDefinition] = [Name, CreatedAt],
        [Kinds.NodeMetrics] = [Name, Text("CPU", "usage.cpu"), Text("Memory", "usage.memory"), Text("Window", "window")],
        [Kinds.PodMetrics] = [Name, new("CPU", item => Sum(item, "cpu", "n")), new("Memory", item => Sum(item, "memory", "Ki")), Text("Window", "window")],
        [Kinds.Lease] = [Name, Text("Holder", "spec.holderIdentity", ""), Age],
    };

    /// <summary>What a pod's containers use together.</summary>
    private static string Sum(JsonObject item, string resource, string unit) =>
        Items(item, "containers").Sum(container => long.TryParse(Fields.At(container, "usage." + resource)?.ToString()[..^unit.Length], out long amount) ? amount : 0) + unit;

    private static Column[] Binding =>
    [
        Name, new("Role", item => $"{Fields.At(item, "roleRef.kind")}/{Fields.At(item, "roleRef.name")}"), Age,
        new Column("Users", item => Subjects(item, "User")).Wide, new Column("Groups", item => Subjects(item, "Group")).Wide, new Column("ServiceAccounts", item => Subjects(item, "ServiceAccount")).Wide,
    ];

    private static JsonNode Shown(List<string> all)
    {
        const int Most = 3;
        return all.Count <= Most ? Or(string.Join(',', all)) : $"{string.Join(',', all.Take(Most))} + {all.Count - Most} more...";
    }
}
