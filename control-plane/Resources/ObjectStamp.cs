using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Resources;

/// <summary>Pure rules for the parts of metadata that the system owns, and for what a write may change.</summary>
public static class ObjectStamp
{
    public static JsonObject Metadata(this JsonObject document)
    {
        if (document["metadata"] is JsonObject metadata) return metadata;
        var made = new JsonObject();
        document["metadata"] = made;
        return made;
    }

    public static string? Text(this JsonObject document, string name) => document[name] is JsonValue value && value.TryGetValue(out string? text) ? text : null;

    public static ObjectName NameOf(JsonObject document) => new(document.Metadata().Text("namespace") ?? "", document.Metadata().Text("name") ?? "");

    /// <summary>A new object: uid, time, generation 1, no status unless the kind has none apart.</summary>
    public static JsonObject New(ResourceKind kind, JsonObject document, Guid uid, DateTimeOffset now, string suffix)
    {
        var made = (JsonObject)document.DeepClone();
        Begin(kind, made, uid, now, suffix);
        return made;
    }

    /// <summary>The same of a document that is the caller's to alter.</summary>
    public static void Begin(ResourceKind kind, JsonObject made, Guid uid, DateTimeOffset now, string suffix)
    {
        made["apiVersion"] = kind.ApiVersion;
        made["kind"] = kind.Kind;
        var metadata = made.Metadata();
        if (string.IsNullOrEmpty(metadata.Text("name")) && metadata.Text("generateName") is { Length: > 0 } prefix) metadata["name"] = prefix + suffix;
        metadata["uid"] = uid.ToString();
        metadata["creationTimestamp"] = Time(now);
        if (kind.HasStatus || kind.Custom is not null) metadata["generation"] = 1;
        metadata.Remove("resourceVersion");
        metadata.Remove("deletionTimestamp");
        metadata.Remove("deletionGracePeriodSeconds");
        metadata.Remove("selfLink");
        if (!kind.Namespaced) metadata.Remove("namespace");
    }

    /// <summary>The stored object with everything but status and system-owned metadata taken from the wanted one.</summary>
    public static JsonObject Replace(ResourceKind kind, JsonObject stored, JsonObject wanted)
    {
        var made = (JsonObject)wanted.DeepClone();
        made["apiVersion"] = kind.ApiVersion;
        made["kind"] = kind.Kind;
        var metadata = made.Metadata();
        foreach (var name in new[] { "uid", "creationTimestamp", "namespace", "name", "generateName", "generation", "deletionTimestamp", "deletionGracePeriodSeconds" })
            Keep(metadata, stored.Metadata(), name);
        metadata.Remove("resourceVersion");
        if (kind.HasStatus) Keep(made, stored, "status");
        if (kind.Custom is not null ? !SameContent(kind, made, stored) : kind.HasStatus && !JsonNode.DeepEquals(made["spec"], stored["spec"]))
            metadata["generation"] = (stored.Metadata()["generation"]?.GetValue<long>() ?? 0) + 1;
        return made;
    }

    /// <summary>Whether everything is the same but metadata and, where it is written apart, status.</summary>
    private static bool SameContent(ResourceKind kind, JsonObject one, JsonObject other)
    {
        static JsonObject Content(ResourceKind kind, JsonObject document) => new(document.Where(pair => pair.Key != "metadata" && !(pair.Key == "status" && kind.HasStatus)).Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone())));
        return JsonNode.DeepEquals(Content(kind, one), Content(kind, other));
    }

    public static JsonObject ReplaceStatus(JsonObject stored, JsonObject wanted)
    {
        var made = (JsonObject)stored.DeepClone();
        made.Metadata().Remove("resourceVersion");
        made["status"] = wanted["status"]?.DeepClone();
        return made;
    }

    public static JsonObject MarkDeleted(JsonObject stored, DateTimeOffset now, long graceSeconds)
    {
        var made = (JsonObject)stored.DeepClone();
        var metadata = made.Metadata();
        metadata.Remove("resourceVersion");
        metadata["deletionTimestamp"] = Time(now.AddSeconds(graceSeconds));
        metadata["deletionGracePeriodSeconds"] = graceSeconds;
        if (made["spec"] is not null && metadata["generation"] is { } generation) metadata["generation"] = generation.GetValue<long>() + 1;
        return made;
    }

    /// <summary>It was deleted and nothing holds it any more: no finalizer, no grace period.</summary>
    public static bool IsFree(ResourceKind kind, JsonObject document) => document.Metadata()["deletionTimestamp"] is not null && !HasFinalizers(document)
        && (document.Metadata()["deletionGracePeriodSeconds"]?.GetValue<long>() ?? 0) == 0 && !(kind == Kinds.Namespace && document["spec"]?["finalizers"] is JsonArray { Count: > 0 });

    public static bool HasFinalizers(JsonObject document) => document.Metadata()["finalizers"] is JsonArray { Count: > 0 };

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static void Keep(JsonObject target, JsonObject source, string name)
    {
        if (source[name] is { } value) target[name] = value.DeepClone();
        else target.Remove(name);
    }
}
