using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Resources;

/// <summary>The finalizers that say how the dependents of an object go, as the API server of Kubernetes sets them. Pure.</summary>
public static class Finalizers
{
    public const string Foreground = "foregroundDeletion", Orphan = "orphan", JobTracking = "batch.kubernetes.io/job-tracking";

    /// <summary>The object with the finalizer that a propagation policy asks for; null: as it is.</summary>
    public static JsonObject For(JsonObject document, string? propagation) => propagation switch
    {
        "Foreground" => With(Without(document, Orphan), Foreground),
        "Orphan" => With(Without(document, Foreground), Orphan),
        "Background" => Without(Without(document, Orphan), Foreground),
        _ => (JsonObject)document.DeepClone(),
    };

    public static JsonObject Without(JsonObject document, string finalizer)
    {
        var made = (JsonObject)document.DeepClone();
        if (made.Metadata()["finalizers"] is not JsonArray finalizers) return made;
        var left = finalizers.Where(name => name?.ToString() != finalizer).Select(name => name?.DeepClone()).ToArray();
        if (left.Length == 0) made.Metadata().Remove("finalizers");
        else made.Metadata()["finalizers"] = new JsonArray(left);
        return made;
    }

    private static JsonObject With(JsonObject document, string finalizer)
    {
        var made = Without(document, finalizer);
        if (made.Metadata()["finalizers"] is not JsonArray) made.Metadata()["finalizers"] = new JsonArray();
        made.Metadata()["finalizers"]!.AsArray().Add(finalizer);
        return made;
    }
}
