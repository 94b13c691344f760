using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Reads of documents that several rules share.</summary>
public static class Views
{
    public static string Uid(this JsonObject document) => document.Metadata().Text("uid") ?? "";
    public static string Name(this JsonObject document) => document.Metadata().Text("name") ?? "";
    public static string Namespace(this JsonObject document) => document.Metadata().Text("namespace") ?? "";
    public static bool IsDeleted(this JsonObject document) => document.Metadata()["deletionTimestamp"] is not null;
    public static int Int(this JsonNode? node, int absent = 0) => node is JsonValue value && value.TryGetValue(out int number) ? number : absent;
    public static string NodeName(this JsonObject pod) => pod["spec"]?["nodeName"]?.ToString() ?? "";
    public static string Phase(this JsonObject pod) => pod["status"]?["phase"]?.ToString() ?? "Pending";
    public static bool IsOver(this JsonObject pod) => pod.Phase() is "Succeeded" or "Failed";
    public static string PodAddress(this JsonObject pod) => pod["status"]?["podIP"]?.ToString() ?? "";

    public static string? OwnerUid(this JsonObject document) =>
        (document.Metadata()["ownerReferences"] as JsonArray)?.FirstOrDefault(reference => reference?["controller"]?.GetValue<bool>() == true)?["uid"]?.ToString();

    public static JsonObject? Condition(this JsonObject document, string type) =>
        (document["status"]?["conditions"] as JsonArray)?.OfType<JsonObject>().FirstOrDefault(condition => condition.Text("type") == type);

    public static DateTimeOffset? Time(string? text) => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    public static bool IsReady(this JsonObject pod) => pod.Condition("Ready")?.Text("status") == "True";

    /// <inheritdoc cref="PodView.IsAvailable"/>
    public static bool IsAvailable(this JsonObject pod, int minReadySeconds, DateTimeOffset now) => new PodView(pod).IsAvailable(minReadySeconds, now);

    public static bool Selects(JsonObject? selector, JsonObject document) =>
        selector is { Count: > 0 } && selector.All(pair => document.Metadata()["labels"]?[pair.Key]?.ToString() == pair.Value?.ToString());

    public static JsonArray Owner(ResourceKind kind, JsonObject owner) => new(new JsonObject
    {
        ["apiVersion"] = kind.ApiVersion, ["kind"] = kind.Kind, ["name"] = owner.Name(), ["uid"] = owner.Uid(), ["controller"] = true, ["blockOwnerDeletion"] = true,
    });
}
