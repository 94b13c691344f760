using System.Globalization;

namespace Eyrie.Node.Volumes;

/// <summary>
/// A directory whose files change all at once for whoever looks, as Kubernetes does it: each version is a directory of its own, <c>..data</c> is a link to the newest, replaced
/// by a rename, and every name is a link through it.
/// </summary>
public static class AtomicDirectory
{
    private const string Current = "..data", Next = "..data_tmp";

    /// <returns>Whether anything was written.</returns>
    public static bool Write(string directory, IReadOnlyDictionary<string, VolumeFile> files, int? group)
    {
        Directory.CreateDirectory(directory);
        var old = Version(directory);
        if (old is not null && Same(Path.Combine(directory, old), files)) return false;
        var made = Make(directory, files, group);
        var next = Path.Combine(directory, Next);
        File.Delete(next);
        File.CreateSymbolicLink(next, made);
        HostFiles.Rename(next, Path.Combine(directory, Current));
        var names = files.Keys.Select(path => path.Split('/')[0]).ToHashSet();
        foreach (var name in names.Where(name => new FileInfo(Path.Combine(directory, name)).LinkTarget is null)) File.CreateSymbolicLink(Path.Combine(directory, name), $"{Current}/{name}");
        foreach (var link in Directory.EnumerateFileSystemEntries(directory).Where(link => !Path.GetFileName(link).StartsWith("..", StringComparison.Ordinal) && !names.Contains(Path.GetFileName(link))).ToList()) File.Delete(link);
        foreach (var left in Directory.EnumerateDirectories(directory, "..2*").Where(left => Path.GetFileName(left) != made).ToList()) Directory.Delete(left, true);
        return true;
    }

    /// <summary>The newest version's own name; null: none was written.</summary>
    public static string? Version(string directory) => new FileInfo(Path.Combine(directory, Current)).LinkTarget;

    private static string Make(string directory, IReadOnlyDictionary<string, VolumeFile> files, int? group)
    {
        var stamp = DateTime.UtcNow.ToString("'..'yyyy_MM_dd_HH_mm_ss.", CultureInfo.InvariantCulture);
        string name = stamp + Guid.NewGuid().ToString("N")[..9], root = Path.Combine(directory, name);
        Directory.CreateDirectory(root);
        foreach (var (path, file) in files)
        {
            var target = Path.Combine(root, path);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.WriteAllBytes(target, file.Data);
            File.SetUnixFileMode(target, (UnixFileMode)(group is null ? file.Mode : file.Mode | 0b100_100_000));
            if (group is { } owner) HostFiles.SetOwner(target, 0, owner);
        }
        return name;
    }

    private static bool Same(string version, IReadOnlyDictionary<string, VolumeFile> files)
    {
        var there = Directory.EnumerateFiles(version, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(version, path)).ToHashSet();
        return there.SetEquals(files.Keys) && files.All(file => File.ReadAllBytes(Path.Combine(version, file.Key)).AsSpan().SequenceEqual(file.Value.Data));
    }
}
