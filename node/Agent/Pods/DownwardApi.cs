using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;

namespace Eyrie.Node;

/// <summary>The downward API: values of fieldRef and resourceFieldRef as Kubernetes writes them. Pure.</summary>
public static class DownwardApi
{
    /// <exception cref="ContainerConfigException">There is no such field.</exception>
    public static string Field(PodFacts facts, string path)
    {
        var metadata = facts.Pod["metadata"]!;
        if (Keyed(path, "metadata.labels['") is { } label) return metadata["labels"]?[label]?.ToString() ?? "";
        if (Keyed(path, "metadata.annotations['") is { } annotation) return metadata["annotations"]?[annotation]?.ToString() ?? "";
        return path switch
        {
            "metadata.name" => metadata["name"]!.ToString(), "metadata.namespace" => metadata["namespace"]!.ToString(), "metadata.uid" => facts.Uid,
            "metadata.labels" => Listed(metadata["labels"]), "metadata.annotations" => Listed(metadata["annotations"]),
            "spec.nodeName" => facts.Node, "spec.serviceAccountName" => facts.Pod["spec"]?["serviceAccountName"]?.ToString() ?? "default",
            "status.podIP" or "status.podIPs" => facts.Address, "status.hostIP" or "status.hostIPs" => facts.HostAddress,
            _ => throw new ContainerConfigException($"fieldRef \"{path}\": there is no such field; known are metadata.name, metadata.namespace, metadata.uid, metadata.labels['KEY'], metadata.annotations['KEY'], spec.nodeName, spec.serviceAccountName, status.podIP and status.hostIP"),
        };
    }

    private static string? Keyed(string path, string head) => path.StartsWith(head, StringComparison.Ordinal) && path.EndsWith("']", StringComparison.Ordinal) ? path[head.Length..^2] : null;

    private static string Listed(JsonNode? map)
    {
        var text = new StringBuilder();
        foreach (var (key, value) in (map as JsonObject ?? []).OrderBy(pair => pair.Key, StringComparer.Ordinal))
            text.Append(text.Length > 0 ? "\n" : "").Append(CultureInfo.InvariantCulture, $"{key}=\"{Escaped(value!.ToString())}\"");
        return text.ToString();
    }

    private static string Escaped(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal).Replace("\t", "\\t", StringComparison.Ordinal).Replace("\r", "\\r", StringComparison.Ordinal);

    /// <summary>A container's limit or request over the divisor, rounded up. A limit that is not set is what the node has.</summary>
    /// <param name="facts">The pod and its node.</param>
    /// <param name="container">The container that asks; the reference may name another.</param>
    /// <param name="reference">A v1.ResourceFieldSelector.</param>
    public static string Resource(PodFacts facts, JsonObject? container, JsonObject reference)
    {
        var resource = reference["resource"]?.ToString() ?? "";
        if (reference["containerName"]?.ToString() is { Length: > 0 } named)
            container = PodLists.All.SelectMany(list => (facts.Pod["spec"]?[list] as JsonArray ?? []).OfType<JsonObject>()).FirstOrDefault(candidate => candidate["name"]?.ToString() == named)
                ?? throw new ContainerConfigException($"resourceFieldRef: the pod has no container \"{named}\"");
        if (resource.Split('.') is not [("limits" or "requests") and var list2, ("cpu" or "memory" or "ephemeral-storage") and var name])
            throw new ContainerConfigException($"resourceFieldRef \"{resource}\": there is no such resource; known are limits and requests of cpu, memory and ephemeral-storage");
        int scale = name == "cpu" ? 1000 : 1;
        var given = container?["resources"]?[list2]?[name] ?? (list2 == "requests" ? container?["resources"]?["limits"]?[name] : null);
        long amount = given is not null && Quantity.TryParse(given.ToString(), scale, out long set) ? set
            : list2 == "requests" ? 0 : name switch { "cpu" => facts.NodeCpuMilli, "memory" => facts.NodeMemoryBytes, _ => facts.NodeDiskBytes };
        long divisor = scale;
        if (reference["divisor"]?.ToString() is { Length: > 0 } text && text != "0" && (!Quantity.TryParse(text, scale, out divisor) || divisor == 0))
            throw new ContainerConfigException($"resourceFieldRef {resource}: divisor \"{text}\" is not a quantity such as 1m or 1Mi");
        return ((amount + divisor - 1) / divisor).ToString(CultureInfo.InvariantCulture);
    }
}
