using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Resources;

/// <summary>One kind of object that the API serves, as Kubernetes names it.</summary>
/// <param name="Group">API group, empty for core.</param>
/// <param name="Version">Served and stored version, e.g. <c>v1</c>.</param>
/// <param name="Kind">e.g. <c>Pod</c>.</param>
/// <param name="Plural">Path segment, e.g. <c>pods</c>.</param>
/// <param name="Singular">e.g. <c>pod</c>.</param>
/// <param name="Namespaced">Whether objects live in a namespace.</param>
public sealed record ResourceKind(string Group, string Version, string Kind, string Plural, string Singular, bool Namespaced)
{
    public IReadOnlyList<string> ShortNames { get; init; } = [];
    public IReadOnlyList<string> Categories { get; init; } = [];
    /// <summary>Whether <c>status</c> is written only through the status subresource.</summary>
    public bool HasStatus { get; init; }
    /// <summary>Where the replicas are, for kinds with a <c>scale</c> subresource.</summary>
    public ScalePaths? Scale { get; init; }
    /// <summary>Subresources beyond <c>status</c> and <c>scale</c>.</summary>
    public IReadOnlyList<Subresource> Subresources { get; init; } = [];
    /// <summary>All of them, as discovery lists them.</summary>
    public IEnumerable<Subresource> AllSubresources => [.. Subresources, .. HasStatus ? [Subresource.Status(Kind)] : Array.Empty<Subresource>(), .. Scale is null ? Array.Empty<Subresource>() : [Subresource.Scale]];
    /// <summary>Name of the class in the models package, where it is not <c>V1</c> and the kind.</summary>
    public string? Model { get; init; }
    /// <summary>What the API answers; kinds that are asked and never stored (reviews) have only <c>create</c>.</summary>
    public IReadOnlyList<string> Verbs { get; init; } = Subresource.AllVerbs;
    /// <summary>Kind of a list; empty: the kind and <c>List</c>.</summary>
    public string ListKind { get => field.Length > 0 ? field : Kind + "List"; init; } = "";
    /// <summary>What a CustomResourceDefinition says beyond that; null: a standard kind.</summary>
    public CustomKind? Custom { get; init; }
    /// <summary>Its objects are those of another kind, in other words; null: they are its own.</summary>
    public KindView? View { get; init; }
    /// <summary>Whether objects are kept in the store.</summary>
    public bool Stored => Verbs.Contains("list") && Verbs.Contains("create");
    /// <summary><c>v1</c> or <c>apps/v1</c>.</summary>
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";
    /// <summary>Store key prefix, e.g. <c>/apps/deployments/</c> (core: <c>/core/pods/</c>).</summary>
    public string KeyPrefix => View is not null ? View.Of.KeyPrefix : $"/{(Group.Length == 0 ? "core" : Group)}/{Plural}/";
    public string Key(ObjectName name) => Namespaced ? $"{KeyPrefix}{name.Namespace}/{name.Name}" : $"{KeyPrefix}{name.Name}";
    public override string ToString() => Group.Length == 0 ? Plural : $"{Plural}.{Group}";

    /// <summary>A kind is its path: whatever else is known of it.</summary>
    public bool Equals(ResourceKind? other) => other is not null && Plural == other.Plural && Group == other.Group && Version == other.Version;

    public override int GetHashCode() => HashCode.Combine(Plural, Group, Version);
}

/// <summary>How one kind shows the objects of another.</summary>
/// <param name="Of">The kind as which they are stored.</param>
/// <param name="AfterRead">Brings a stored document to this kind's words.</param>
/// <param name="BeforeWrite">And back.</param>
public sealed record KindView(ResourceKind Of, Action<JsonObject> AfterRead, Action<JsonObject> BeforeWrite);

/// <summary>What only kinds have that a CustomResourceDefinition adds.</summary>
/// <param name="StorageVersion">apiVersion that stored documents carry.</param>
/// <param name="AfterRead">Brings a stored document to this version: its apiVersion, and defaults that came after it was written.</param>
/// <param name="Columns">Of tables, beside the name.</param>
/// <param name="SelectableFields">Paths for field selectors, e.g. <c>spec.colour</c>.</param>
/// <param name="Ending">The definition is being deleted: nothing new is made.</param>
public sealed record CustomKind(string StorageVersion, Action<JsonObject> AfterRead, IReadOnlyList<PrinterColumn> Columns, IReadOnlyList<string> SelectableFields, bool Ending);

/// <summary>additionalPrinterColumns of a CustomResourceDefinition. Priority 0 is always shown.</summary>
public sealed record PrinterColumn(string Name, string Type, string Format, string Description, int Priority, string Path);

/// <summary>Every kind there is now: the standard ones, and those of CustomResourceDefinitions.</summary>
public sealed class KnownKinds
{
    private volatile IReadOnlyList<ResourceKind> _stored = Kinds.Served;

    /// <summary>Kinds whose objects are stored, one a group and plural: of several versions the stored one.</summary>
    public IReadOnlyList<ResourceKind> Stored => _stored;

    /// <summary>The kinds of CustomResourceDefinitions are these from now on.</summary>
    public void SetCustom(IEnumerable<ResourceKind> custom) => _stored = [.. Kinds.Served, .. custom];
}

/// <summary>A path below an object, e.g. <c>pods/log</c>, and the kind that goes over it.</summary>
/// <param name="Name">Last path segment.</param>
/// <param name="ApiVersion">Of <paramref name="Kind"/>; empty: the parent's.</param>
/// <param name="Kind">What is sent and answered.</param>
/// <param name="Verbs">As discovery lists them.</param>
public sealed record Subresource(string Name, string ApiVersion, string Kind, params IReadOnlyList<string> Verbs)
{
    public static readonly IReadOnlyList<string> AllVerbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

    public static readonly Subresource Scale = new("scale", "autoscaling/v1", "Scale", "get", "patch", "update");

    public static Subresource Status(string kind) => new("status", "", kind, "get", "patch", "update");
}

/// <summary>Field paths, separated by dots, of what <c>autoscaling/v1 Scale</c> shows. <paramref name="Selector"/> may be empty: there is none.</summary>
public sealed record ScalePaths(string Replicas, string StatusReplicas, string Selector)
{
    public static readonly ScalePaths Standard = new("spec.replicas", "status.replicas", "spec.selector");
}

/// <summary>Namespace (empty for cluster-scoped kinds) and name.</summary>
public readonly record struct ObjectName(string Namespace, string Name)
{
    public override string ToString() => Namespace.Length == 0 ? Name : $"{Namespace}/{Name}";
}
