namespace Eyrie.Manifests.Permissions;

/// <summary>Where something stands: a field path, and for text that was read the file, line and column (1-based; 0: unknown).</summary>
public sealed record SourceLocation(string FieldPath, string File = "", int Line = 0, int Column = 0);

/// <summary>One entry of a capability set and the declaration it comes from.</summary>
/// <param name="Entry">Entry line, e.g. <c>connect tcp service default/hello 80</c>.</param>
/// <param name="Source">The declaration.</param>
public sealed record ExplainedEntry(string Entry, SourceLocation Source);

/// <summary>The capability set of one container.</summary>
public sealed record ContainerCapabilitySet(string Container, IReadOnlyList<ExplainedEntry> Entries)
{
    /// <summary>Entry lines, ordinally sorted, without repetition.</summary>
    public IReadOnlyList<string> Lines => [.. Entries.Select(entry => entry.Entry).Distinct().Order(StringComparer.Ordinal)];
}

/// <summary>A mistake in a declaration: where, what, and what to do.</summary>
public sealed record PermissionError(SourceLocation Source, string Message);

/// <summary>The sets of all containers of a pod (init containers first), or every error at once.</summary>
public sealed record CompileResult(IReadOnlyList<ContainerCapabilitySet> Sets, IReadOnlyList<PermissionError> Errors);
