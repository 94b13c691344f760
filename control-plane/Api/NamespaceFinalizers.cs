using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

/// <summary>
/// The finalizer that keeps a namespace until what is in it has gone. It is no matter of whoever writes the namespace: older versions of kubectl send <c>spec: {}</c>, and without the finalizer the
/// namespace would go at once and leave everything behind. Only the subresource finalize takes it off. Pure.
/// </summary>
public static class NamespaceFinalizers
{
    private const string Contents = "kubernetes", Path = "spec.finalizers";

    /// <summary>A namespace that is made has it.</summary>
    public static void Begin(JsonObject document)
    {
        var given = Names(document);
        if (!given.Contains(Contents)) Fields.Set(document, Path, new JsonArray([.. given.Append(Contents).Select(name => (JsonNode)name)]));
    }

    /// <summary>A namespace that is written keeps those it has.</summary>
    public static void Keep(JsonObject document, JsonObject stored)
    {
        if (Names(stored) is { Count: > 0 } kept) Fields.Set(document, Path, new JsonArray([.. kept.Select(name => (JsonNode)name)]));
        else (document["spec"] as JsonObject)?.Remove("finalizers");
    }

    private static List<string> Names(JsonObject document) => [.. (Fields.At(document, Path) as JsonArray ?? []).OfType<JsonValue>().Select(name => name.ToString())];
}
