using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;

namespace Eyrie.Manifests;

/// <summary>A pod's quality of service class, from the requests and limits of its containers (Kubernetes: pkg/apis/core/helper/qos). Pure.</summary>
public static class QualityOfService
{
    /// <param name="spec">A pod's spec.</param>
    /// <returns>Guaranteed: every container has limits of CPU and memory, and requests no less. BestEffort: none has a request or a limit. Otherwise Burstable.</returns>
    public static string Of(JsonNode? spec)
    {
        var amounts = new[] { "initContainers", "containers" }.SelectMany(list => spec?[list] as JsonArray ?? []).SelectMany(container => new[] { "cpu", "memory" }
            .Select(name => (Request: Amount(container, "requests", name), Limit: Amount(container, "limits", name)))).ToList();
        if (amounts.All(amount => amount is { Request: null or 0, Limit: null or 0 })) return "BestEffort";
        return amounts.All(amount => amount.Limit is > 0 && (amount.Request ?? amount.Limit) == amount.Limit) ? "Guaranteed" : "Burstable";
    }

    /// <summary>In thousandths; null: not given.</summary>
    private static long? Amount(JsonNode? container, string list, string name) =>
        container?["resources"]?[list]?[name] is { } text && Quantity.TryParse(text.ToString(), 1000, out long amount) ? amount : null;
}
