using System.Globalization;

namespace Eyrie.Manifests.Permissions.Learning;

/// <summary>
/// From files that code was run from to what <c>processes.exec</c> names: each program by itself, because a directory of programs is far more than was seen; the directory of its libraries, because which of them are loaded changes
/// from day to day. Pure.
/// </summary>
public static class Programs
{
    /// <summary>Programs of one directory for which the directory is named.</summary>
    public const int Many = 16;

    /// <summary>Entries that find room in one set without crowding others out; above, <see cref="Generalisation.Several"/> programs of a directory are many.</summary>
    public const int Room = 48;

    /// <param name="uses">Of the operations <c>execute</c> and <c>load</c>.</param>
    /// <param name="made">Where a container makes files itself: what it can write, and what it did write with the directory that it must be able to write for it. What is run from there is not there yet when it starts, so the directory is named.</param>
    /// <returns>Paths, each with what was seen.</returns>
    public static IReadOnlyList<(string Path, string Why)> Of(IReadOnlyList<SeenUse> uses, IReadOnlyList<(string Path, string Directory)>? made = null)
    {
        string Lasting(string path) => (made ?? []).Where(place => Coverage.Below(place.Path, path)).Select(place => place.Directory).MaxBy(directory => directory.Length) ?? path;
        var files = uses.Select(use => (Use: use, Path: CapabilityEntry.TryParse(use.Entry, out var entry) && entry is CapabilityEntry.Execute program ? Lasting(program.Path) : "")).Where(file => file.Path.Length > 0).ToList();
        var programs = files.Where(file => file.Use.Operation == "execute").Select(file => file.Path).ToHashSet();
        var libraries = files.Select(file => file.Path).Where(path => !programs.Contains(path)).ToHashSet();
        var named = Joined([.. Joined(programs, Many).Concat(Joined(libraries, Generalisation.Several))]);
        if (named.Count > Room) named = Joined([.. Joined(programs, Generalisation.Several).Concat(Joined(libraries, Generalisation.Several))]);
        return [.. named.Order(StringComparer.Ordinal).Select(path => (path, Why(path, [.. files.Where(file => Coverage.Below(path, file.Path)).Select(file => file.Use)])))];
    }

    /// <summary>Files, or the directory of those that are many in one.</summary>
    private static IEnumerable<string> Joined(IEnumerable<string> files, int many) =>
        files.GroupBy(Directory).SelectMany(group => group.Count() >= many && group.Key != "/" ? [group.Key] : group.AsEnumerable());

    /// <summary>Without those that another covers.</summary>
    private static HashSet<string> Joined(HashSet<string> paths) => [.. paths.Where(path => !paths.Any(other => other != path && Coverage.Below(other, path)))];

    private static string Directory(string path) => path.LastIndexOf('/') is > 0 and var slash ? path[..slash] : "/";

    private static string Why(string path, IReadOnlyList<SeenUse> uses)
    {
        var executed = uses.Where(use => use.Operation == "execute").ToList();
        int files = uses.Select(use => use.Target).Distinct().Count();
        var what = executed.Count == 0 ? "loaded" : Words.Times("executed", executed.Sum(use => use.Count));
        return path + (uses.All(use => use.Target == path) ? $" was {what}" : string.Create(CultureInfo.InvariantCulture, $" has {files} {(files == 1 ? "file" : "files")} that {(files == 1 ? "was" : "were")} {what}"));
    }
}
