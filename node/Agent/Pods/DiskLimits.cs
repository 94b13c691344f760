using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;

namespace Eyrie.Node;

/// <summary>Bytes of the node's disk that a pod takes.</summary>
/// <param name="Containers">By container: what it has written outside its volumes, its logs, its termination messages.</param>
/// <param name="Volumes">By volume that stands in the pod's own directory: emptyDir on disk, and what is made from objects.</param>
public sealed record PodDiskUse(IReadOnlyDictionary<string, long> Containers, IReadOnlyDictionary<string, long> Volumes)
{
    public long Total => Containers.Values.Concat(Volumes.Values).Aggregate(0L, (sum, bytes) => Math.Min(sum + bytes, HostDisk.Unmeasured));
}

/// <summary>What a pod may take of the disk: the sizeLimit of each emptyDir on disk, and limits.ephemeral-storage of each container and of all together, as a kubelet has it. 0 is no limit. Pure.</summary>
public static class DiskLimits
{
    private const string Resource = "ephemeral-storage";

    /// <summary>Whether anything of the pod's disk is limited: only then it is measured.</summary>
    public static bool Any(JsonObject pod) => Volumes(pod).Any() || Specs(pod, [PodLists.Init, PodLists.Main]).Any(container => Limit(container) is not null);

    /// <summary>The first limit that was passed, as Kubernetes says it; null: none was.</summary>
    public static string? Passed(JsonObject pod, PodDiskUse used)
    {
        foreach (var (name, limit, text) in Volumes(pod))
            if (used.Volumes.GetValueOrDefault(name) is var bytes && bytes > limit) return $"Usage of EmptyDir volume \"{name}\" exceeds the limit \"{text}\". {Why(bytes)}";
        if (Total(pod) is var (total, said) && used.Total > total) return $"Pod ephemeral local storage usage exceeds the total limit of containers {said}. {Why(used.Total)}";
        foreach (var container in Specs(pod, [PodLists.Init, PodLists.Main]))
            if (Limit(container) is { } own && used.Containers.GetValueOrDefault(container["name"]!.ToString()) is var bytes && bytes > own)
                return $"Container {container["name"]} exceeded its local ephemeral storage limit \"{Said(container)}\". {Why(bytes)}";
        return null;
    }

    private static string Why(long bytes) => bytes < HostDisk.Unmeasured ? "" : string.Create(CultureInfo.InvariantCulture, $"It has directories nested deeper than {HostDisk.Deepest}, which are not measured. ");

    /// <summary>Every emptyDir on disk that has a limit.</summary>
    private static IEnumerable<(string Name, long Limit, string Said)> Volumes(JsonObject pod)
    {
        foreach (var volume in Specs(pod, ["volumes"]))
            if (volume["emptyDir"] is JsonObject empty && empty["medium"]?.ToString() != "Memory" && Bytes(empty["sizeLimit"]) is { } limit) yield return (volume["name"]!.ToString(), limit, empty["sizeLimit"]!.ToString());
    }

    /// <summary>Limit of all containers together: the sum of those that run at the same time and have one (kubernetes, component-helpers/resource, PodLimits); null: none has.</summary>
    private static (long Bytes, string Said)? Total(JsonObject pod)
    {
        var together = Specs(pod, [PodLists.Main]).Where(container => Limit(container) is not null).ToList();
        long sidecars = 0, total = 0;
        foreach (var container in Specs(pod, [PodLists.Init]).Where(container => Limit(container) is not null))
        {
            if (ContainerRecord.RoleOf(container, PodLists.Init) == ContainerRole.Sidecar)
            {
                together.Add(container);
                sidecars += Limit(container)!.Value;
            }
            else total = Math.Max(total, sidecars + Limit(container)!.Value); // while it runs, so do the sidecars before it
        }
        total = Math.Max(total, together.Sum(container => Limit(container)!.Value));
        if (total == 0) return null;
        return (total, together is [var single] && Limit(single) == total ? Said(single) : Written(total));
    }

    /// <summary>With the largest suffix that leaves no fraction.</summary>
    private static string Written(long bytes)
    {
        string[] suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
        int suffix = 0;
        for (; suffix < suffixes.Length - 1 && bytes % 1024 == 0; suffix++) bytes /= 1024;
        return string.Create(CultureInfo.InvariantCulture, $"{bytes}{suffixes[suffix]}");
    }

    private static IEnumerable<JsonObject> Specs(JsonObject pod, IEnumerable<string> lists) => lists.SelectMany(list => (pod["spec"]?[list] as JsonArray ?? []).OfType<JsonObject>());

    private static long? Limit(JsonObject container) => Bytes(container["resources"]?["limits"]?[Resource]);

    private static string Said(JsonObject container) => container["resources"]!["limits"]![Resource]!.ToString();

    private static long? Bytes(JsonNode? quantity) => quantity?.ToString() is { } text && Quantity.TryParse(text, 1, out long bytes) && bytes > 0 ? bytes : null;
}
