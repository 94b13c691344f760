using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers.Scheduling;

/// <summary>What a pod asks for, as Kubernetes counts it: containers and sidecars together, or what an init container needs at its turn if that is more, plus overhead. Pure.</summary>
public static class PodRequests
{
    private const long ScoredCpuMilli = 100, ScoredMemoryBytes = 200L << 20; // of a container that asks for nothing

    public static Amounts Of(JsonObject pod) => Sum(pod, Requests) with { Pods = 1 };

    /// <summary>For scores: no container counts as nothing.</summary>
    public static Amounts Scored(JsonObject pod) => Sum(pod, container =>
    {
        var amounts = Requests(container);
        return amounts with { CpuMilli = amounts.CpuMilli == 0 ? ScoredCpuMilli : amounts.CpuMilli, MemoryBytes = amounts.MemoryBytes == 0 ? ScoredMemoryBytes : amounts.MemoryBytes };
    }) with { Pods = 1 };

    /// <summary>Resources other than CPU, memory, ephemeral storage and pods: counted by the same rule.</summary>
    public static IReadOnlyDictionary<string, long> Extended(JsonObject pod)
    {
        var (running, sidecars, most) = (new Dictionary<string, long>(), new Dictionary<string, long>(), new Dictionary<string, long>());
        foreach (var container in Containers(pod["spec"], "containers"))
            foreach (var (name, amount) in Wanted(container)) running[name] = running.GetValueOrDefault(name) + amount;
        foreach (var container in Containers(pod["spec"], "initContainers"))
            foreach (var (name, amount) in Wanted(container))
            {
                long at = sidecars.GetValueOrDefault(name) + amount;
                if (container.Text("restartPolicy") == "Always") sidecars[name] = at;
                most[name] = Math.Max(most.GetValueOrDefault(name), at);
            }
        var overhead = Others(pod["spec"]?["overhead"] as JsonObject).ToDictionary(pair => pair.Name, pair => pair.Amount);
        return running.Keys.Union(most.Keys).Union(overhead.Keys).ToDictionary(name => name, name => Math.Max(running.GetValueOrDefault(name) + sidecars.GetValueOrDefault(name), most.GetValueOrDefault(name)) + overhead.GetValueOrDefault(name));
    }

    /// <summary>The request, or the limit where there is none.</summary>
    private static IEnumerable<(string Name, long Amount)> Wanted(JsonObject container) =>
        Others(container["resources"]?["requests"] as JsonObject).Concat(Others(container["resources"]?["limits"] as JsonObject)).DistinctBy(pair => pair.Name);

    /// <summary>Resources with names of their own in a list of amounts.</summary>
    public static IEnumerable<(string Name, long Amount)> Others(JsonObject? amounts) =>
        (amounts ?? []).Where(pair => pair.Key is not ("cpu" or "memory" or "ephemeral-storage" or "pods")).Select(pair => (pair.Key, Amount(pair.Value, 1)));

    private static Amounts Sum(JsonObject pod, Func<JsonObject, Amounts> of)
    {
        var spec = pod["spec"];
        var running = new Amounts(0, 0, 0);
        foreach (var container in Containers(spec, "containers")) running += of(container);
        Amounts sidecars = new(0, 0, 0), most = new(0, 0, 0);
        foreach (var container in Containers(spec, "initContainers"))
        {
            if (container.Text("restartPolicy") == "Always") most = Amounts.Max(most, sidecars += of(container));
            else most = Amounts.Max(most, sidecars + of(container));
        }
        var sum = Amounts.Max(running + sidecars, most);
        return spec?["overhead"] is JsonObject overhead ? sum + new Amounts(Amount(overhead["cpu"], 1000), Amount(overhead["memory"], 1), 0, Amount(overhead["ephemeral-storage"], 1)) : sum;
    }

    private static Amounts Requests(JsonObject container)
    {
        var resources = container["resources"];
        // Without a request the limit, as Kubernetes defaults it.
        long Of(string name, int scale) => Amount(resources?["requests"]?[name] ?? resources?["limits"]?[name], scale);
        return resources is JsonObject { Count: > 0 } ? new Amounts(Of("cpu", 1000), Of("memory", 1), 0, Of("ephemeral-storage", 1)) : new Amounts(0, 0, 0);
    }

    private static long Amount(JsonNode? quantity, int scale) => quantity is not null && Quantity.TryParse(quantity.ToString(), scale, out long amount) ? amount : 0;

    private static IEnumerable<JsonObject> Containers(JsonNode? spec, string list) => (spec?[list] as JsonArray)?.OfType<JsonObject>() ?? [];
}
