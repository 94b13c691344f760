namespace Eyrie.Node;

/// <summary>Reads of single files out of an image's layers, without mounting them.</summary>
public static class ImageFiles
{
    private const long Largest = 1 << 20;

    /// <summary>A text file's lines as the topmost layer has it; empty when there is none, or it is reached through a link.</summary>
    public static IReadOnlyList<string> Lines(string stateDirectory, IReadOnlyList<string> layers, string path)
    {
        foreach (var layer in layers.Reverse())
        {
            var at = Path.Combine(stateDirectory, layer);
            foreach (var part in path.Split('/')) at = new FileInfo(at).LinkTarget is null ? Path.Combine(at, part) : "/dev/null";
            var file = new FileInfo(at);
            if (!file.Exists) continue;
            return file.LinkTarget is null && file.Length is > 0 and < Largest ? File.ReadAllLines(at) : [];
        }
        return [];
    }
}
