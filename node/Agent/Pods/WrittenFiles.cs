using Eyrie.Manifests.Permissions;

namespace Eyrie.Node;

/// <summary>Something that a container wrote into its own root.</summary>
/// <param name="Path">What was written.</param>
/// <param name="Directory">The directory that must be writable for it.</param>
public sealed record WrittenFile(string Path, string Directory);

/// <summary>From the container's own layer to what must have been writable. Pure.</summary>
public static class WrittenFiles
{
    private static readonly string[] Made = ["/proc", "/dev"];

    /// <param name="upper">Paths of the layer, a directory before what is in it.</param>
    /// <param name="inImage">Whether the image has the path.</param>
    /// <param name="mounts">Where something is mounted: those points, and what leads there, were made by the node.</param>
    public static IReadOnlyList<WrittenFile> Of(IReadOnlyList<LayerEntry> upper, Func<string, bool> inImage, IReadOnlyCollection<string> mounts)
    {
        var points = mounts.Concat(Made).ToList();
        var parents = upper.Select(entry => Parent(entry.Path)).ToHashSet();
        var written = new List<WrittenFile>();
        foreach (var (path, isDirectory) in upper)
        {
            if (points.Any(point => Coverage.Below(path, point))) continue;
            if (isDirectory && parents.Contains(path) && inImage(path)) continue; // there for what is in it
            if (isDirectory && inImage(path)) written.Add(new WrittenFile(path, Grantable(path))); // its owner, mode or something removed again
            else if (!inImage(path) && Parent(path) is var parent && parent != "/" && !inImage(parent) && !points.Any(point => Coverage.Below(parent, point))) continue; // comes with the directory that was made
            else written.Add(new WrittenFile(path, Grantable(Parent(path))));
        }
        return written;
    }

    private static string Parent(string path) => path.LastIndexOf('/') is > 0 and var slash ? path[..slash] : "/";

    /// <summary>The nearest directory that an entry can name.</summary>
    private static string Grantable(string directory)
    {
        while (!CapabilityEntry.IsPath(directory)) directory = Parent(directory);
        return directory;
    }
}
