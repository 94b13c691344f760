using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>What a node reports of a pod, and what of the status is not the node's to say. Pure.</summary>
public static class PodReports
{
    /// <summary>Writes what was reported into the pod; false: it says that already.</summary>
    public static bool Merge(JsonObject stored, JsonNode? reported)
    {
        var status = Merged(stored, reported);
        if (JsonNode.DeepEquals(status, stored["status"])) return false;
        stored["status"] = status;
        return true;
    }

    /// <summary>The reported status with the conditions that others wrote: those that the node does not report stay.</summary>
    public static JsonNode? Merged(JsonObject stored, JsonNode? reported)
    {
        if (reported is not JsonObject status) return reported;
        var told = (status["conditions"] as JsonArray ?? []).OfType<JsonObject>().Select(condition => condition.Text("type")).ToHashSet();
        var others = (stored["status"]?["conditions"] as JsonArray ?? []).OfType<JsonObject>().Where(condition => !told.Contains(condition.Text("type"))).ToList();
        if (others.Count == 0) return status;
        if (status["conditions"] is not JsonArray conditions) status["conditions"] = conditions = [];
        foreach (var condition in others) conditions.Add(condition.DeepClone());
        return status;
    }
}
