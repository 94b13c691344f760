namespace Eyrie.Node;

/// <summary>An image that is here, as far as collecting goes.</summary>
/// <param name="Record">Path of its record: what its name means.</param>
/// <param name="Layers">Relative to the node root.</param>
public sealed record KeptImage(string Record, IReadOnlyList<string> Layers, DateTimeOffset LastUsed);

/// <summary>A layer that is here.</summary>
public sealed record KeptLayer(string Path, long Bytes, DateTimeOffset Made);

/// <summary>Which images go when the disk fills: those that no pod of the node wants, the longest unused first, until enough is freed. A layer goes with the last image that has it. Pure.</summary>
public static class ImageGarbagePlan
{
    /// <summary>What was used or made so recently stays: its pod may be about to begin.</summary>
    public static readonly TimeSpan Youngest = TimeSpan.FromMinutes(2);

    /// <param name="images">All images.</param>
    /// <param name="layers">All layers.</param>
    /// <param name="wanted">Records of the images of pods that run or are to run.</param>
    /// <param name="bytes">How much is to be freed.</param>
    /// <param name="now">The time.</param>
    public static (IReadOnlyList<string> Records, IReadOnlyList<string> Layers) Decide(IReadOnlyList<KeptImage> images, IReadOnlyList<KeptLayer> layers, IReadOnlySet<string> wanted, long bytes, DateTimeOffset now)
    {
        var users = images.SelectMany(image => image.Layers.Distinct()).GroupBy(layer => layer).ToDictionary(group => group.Key, group => group.Count());
        var sizes = layers.ToDictionary(layer => layer.Path, layer => layer.Bytes);
        var gone = layers.Where(layer => !users.ContainsKey(layer.Path) && now - layer.Made >= Youngest).Select(layer => layer.Path).ToList();
        var records = new List<string>();
        long freed = gone.Sum(layer => sizes[layer]);
        foreach (var image in images.Where(image => !wanted.Contains(image.Record) && now - image.LastUsed >= Youngest).OrderBy(image => image.LastUsed))
        {
            if (freed >= bytes) break;
            records.Add(image.Record);
            foreach (var layer in image.Layers.Distinct().Where(layer => --users[layer] == 0 && sizes.ContainsKey(layer)))
            {
                gone.Add(layer);
                freed += sizes[layer];
            }
        }
        return (records, gone);
    }
}
