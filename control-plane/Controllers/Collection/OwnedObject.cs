using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Collection;

/// <summary>A reference from a dependent to its owner.</summary>
/// <param name="Blocks">Whether a deletion of the owner in the foreground waits for the dependent.</param>
public sealed record OwnerReference(string ApiVersion, string Kind, string Name, string Uid, bool Blocks)
{
    /// <summary>API group, empty for core.</summary>
    public string Group => ApiVersion.Contains('/', StringComparison.Ordinal) ? ApiVersion[..ApiVersion.IndexOf('/', StringComparison.Ordinal)] : "";
}

/// <summary>What the garbage collector knows of an object.</summary>
/// <param name="Going">It has a deletionTimestamp.</param>
/// <param name="Foreground">It waits for its dependents to go first.</param>
/// <param name="Orphan">It waits for its dependents to be made nobody's.</param>
/// <param name="Tracked">A Job that owns it wants to count it first.</param>
public sealed record OwnedObject(ResourceKind Kind, ObjectName Name, string Uid, IReadOnlyList<OwnerReference> Owners, bool Going, bool Foreground, bool Orphan, bool Tracked = false)
{
    public bool Waits => Going && Foreground;

    public static OwnedObject Read(ResourceKind kind, JsonObject document)
    {
        var finalizers = document.Metadata()["finalizers"] as JsonArray;
        bool Has(string name) => finalizers is not null && finalizers.Any(finalizer => finalizer?.ToString() == name);
        return new OwnedObject(kind, ObjectStamp.NameOf(document), document.Uid(), References(document), document.IsDeleted(), Has(Finalizers.Foreground), Has(Finalizers.Orphan), Has(Finalizers.JobTracking));
    }

    public static IReadOnlyList<OwnerReference> References(JsonObject document) => document.Metadata()["ownerReferences"] is not JsonArray { Count: > 0 } references ? []
        : [.. references.OfType<JsonObject>().Select(reference => new OwnerReference(reference.Text("apiVersion") ?? "", reference.Text("kind") ?? "", reference.Text("name") ?? "", reference.Text("uid") ?? "", reference["blockOwnerDeletion"]?.GetValue<bool>() == true))];

    public bool Equals(OwnedObject? other) => other is not null && Uid == other.Uid && Kind == other.Kind && Name == other.Name && (Going, Foreground, Orphan, Tracked) == (other.Going, other.Foreground, other.Orphan, other.Tracked) && Owners.SequenceEqual(other.Owners);

    public override int GetHashCode() => Uid.GetHashCode(StringComparison.Ordinal);
}
