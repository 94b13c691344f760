using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>A taint of a node.</summary>
/// <param name="Added">When; null: it does not say.</param>
public sealed record NodeTaint(string Key, string Value, string Effect, DateTimeOffset? Added);

/// <summary>Reads of taints. Pure.</summary>
public static class Taints
{
    public static IReadOnlyList<NodeTaint> Of(JsonObject node) =>
        [.. (node["spec"]?["taints"] as JsonArray ?? []).OfType<JsonObject>().Select(taint => new NodeTaint(taint.Text("key") ?? "", taint.Text("value") ?? "", taint.Text("effect") ?? "", Views.Time(taint.Text("timeAdded"))))];
}
