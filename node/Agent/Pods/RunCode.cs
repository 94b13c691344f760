using Eyrie.Manifests.Permissions;

namespace Eyrie.Node;

/// <summary>A file that code was run from.</summary>
/// <param name="Path">In the container.</param>
/// <param name="Grantable">The file, or the nearest directory that an entry can name.</param>
/// <param name="Executed">A program or its interpreter; otherwise code that a running program loads, such as a library.</param>
/// <param name="Count">How often it was opened.</param>
public sealed record RunFile(string Path, string Grantable, bool Executed, int Count);

/// <summary>Of the files that a container has opened, those that hold code: the same that <c>processes.exec</c> must name. Pure.</summary>
public static class RunCode
{
    private const string Deleted = " (deleted)";

    /// <summary>Executed or loaded, each file once: one that is both counts as executed.</summary>
    internal static IReadOnlyList<RunFile> Of(IEnumerable<OpenedFile> opened) =>
    [
        .. opened.Where(file => file.Path is ['/', ..] && (file.Executed || IsCode(file.Head))).Select(file => (Path: file.Path.EndsWith(Deleted, StringComparison.Ordinal) ? file.Path[..^Deleted.Length] : file.Path, file.Executed))
            .GroupBy(file => file.Path).Select(group => new RunFile(group.Key, Grantable(group.Key), group.Any(file => file.Executed), group.Any(file => file.Executed) ? group.Count(file => file.Executed) : group.Count())),
    ];

    /// <summary>ELF, and PE: the libraries of .NET, which are mapped to be executed like others.</summary>
    public static bool IsCode(ReadOnlySpan<byte> head) => head.StartsWith("\u007fELF"u8) || head.StartsWith("MZ"u8);

    private static string Grantable(string path)
    {
        while (!CapabilityEntry.IsPath(path)) path = path.LastIndexOf('/') is > 0 and var slash ? path[..slash] : "/";
        return path;
    }
}
