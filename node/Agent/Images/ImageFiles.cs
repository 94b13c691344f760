namespace Eyrie.Node;

/// <summary>Reads of single files out of an image's layers, without mounting them.</summary>
public static class ImageFiles
{
    private const long Largest = 1 << 20;

    /// <summary>A text file's lines as overlayfs would show it: of the topmost layer that has it, unless one above hides it. Empty when there is none, or it is reached through a link.</summary>
    public static IReadOnlyList<string> Lines(string stateDirectory, IReadOnlyList<string> layers, string path)
    {
        var parts = path.Split('/');
        bool hidden = false;
        foreach (var layer in layers.Reverse())
        {
            if (hidden) break;
            if (Folder(Path.Combine(stateDirectory, layer), parts[..^1], ref hidden) is not { } folder) continue;
            var file = new FileInfo(Path.Combine(folder, parts[^1]));
            if (file.LinkTarget is not null) return [];
            if (Path.Exists(file.FullName)) return file.Exists && file.Length is > 0 and < Largest ? File.ReadAllLines(file.FullName) : []; // a whiteout is a device, and has no length
        }
        return [];
    }

    /// <summary>The directory of a layer that these parts lead to; null: this layer has none.</summary>
    /// <param name="at">The layer.</param>
    /// <param name="parts">From its root.</param>
    /// <param name="hidden">Set when lower layers show nothing there.</param>
    private static string? Folder(string at, string[] parts, ref bool hidden)
    {
        foreach (var part in parts)
        {
            at = Path.Combine(at, part);
            if (HostDisk.Directory(at) is null)
            {
                hidden |= Path.Exists(at) || new FileInfo(at).LinkTarget is not null; // a whiteout, a file or a link in its place
                return null;
            }
            hidden |= HostFiles.IsOpaque(at);
        }
        return at;
    }
}
