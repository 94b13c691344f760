using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>Where something stands: a field path, and for text that was read the file, line and column (1-based; 0: unknown).</summary>
/// <param name="Object">Another object than the pod, e.g. <c>networkpolicy/shop/allow-db</c>; empty: the pod itself.</param>
public sealed record SourceLocation(string FieldPath, string File = "", int Line = 0, int Column = 0, string Object = "")
{
    public override string ToString() => (Line > 0 ? $"{File}:{Line}:{Column} " : "") + (Object.Length > 0 ? $"{Object} " : "") + FieldPath;
}

/// <summary>One entry of a capability set and the declaration it comes from.</summary>
/// <param name="Entry">Entry line, e.g. <c>connect tcp service default/hello 80</c>.</param>
/// <param name="Source">The declaration.</param>
/// <param name="Name">The grant's name, or empty.</param>
public sealed record ExplainedEntry(string Entry, SourceLocation Source, string Name = "");

/// <summary>The capability set of one container.</summary>
public sealed record ContainerCapabilitySet(string Container, IReadOnlyList<ExplainedEntry> Entries)
{
    /// <summary>Entry lines, ordinally sorted, without repetition.</summary>
    public IReadOnlyList<string> Lines => [.. Entries.Select(entry => entry.Entry).Distinct().Order(StringComparer.Ordinal)];
}

/// <summary>A mistake in a declaration: where, what, and what to do.</summary>
public sealed record PermissionError(SourceLocation Source, string Message);

/// <summary>The sets of all containers of a pod (init containers first, those added while it runs last), and every error at once. What an error is about is in no set.</summary>
public sealed record CompileResult(IReadOnlyList<ContainerCapabilitySet> Sets, IReadOnlyList<PermissionError> Errors)
{
    /// <summary>What was left out without being a mistake, and what is granted for now: for people to read.</summary>
    public IReadOnlyList<PermissionError> Notes { get; init; } = [];
}

/// <summary>What beside the pod decides its sets: documents of the cluster, whole; those of other namespaces do no harm.</summary>
public sealed record CompileContext
{
    public static readonly CompileContext Nothing = new();

    public IReadOnlyCollection<JsonObject> Namespaces { get; init; } = [];
    public IReadOnlyCollection<JsonObject> NetworkPolicies { get; init; } = [];
    public IReadOnlyCollection<JsonObject> Services { get; init; } = [];
    public IReadOnlyCollection<JsonObject> Pods { get; init; } = [];
    public IReadOnlyCollection<JsonObject> PermissionSets { get; init; } = [];
    public IReadOnlyCollection<JsonObject> PermissionRecords { get; init; } = [];
    public NodeFacts Node { get; init; } = new();
}

/// <summary>What a node's microkernel takes.</summary>
public sealed record NodeFacts(int MaxEntries = 400, int MaxEntryLength = 200);
