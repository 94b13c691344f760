namespace Eyrie.Node;

/// <summary>Looks what an audited container has written into its own layer; each file is told once.</summary>
public sealed class WrittenWatch(string stateDirectory, string id, IReadOnlyList<string> layers, IReadOnlyCollection<string> mounts)
{
    public IReadOnlyList<string> Layers => layers;
    public IReadOnlyCollection<string> Mounts => mounts;

    private const int MostEntries = 5_000;
    private readonly HashSet<string> _told = [];

    /// <summary>What was not there when it was asked before.</summary>
    public IReadOnlyList<WrittenFile> New()
    {
        lock (_told)
        {
            var upper = HostFiles.Beneath(Path.Combine(stateDirectory, "containers", id, "upper"), MostEntries);
            return [.. WrittenFiles.Of(upper, InImage, mounts).Where(file => _told.Add(file.Path))];
        }
    }

    private bool InImage(string path) => layers.Any(layer => Path.Exists(Path.Combine(stateDirectory, layer) + path));
}
