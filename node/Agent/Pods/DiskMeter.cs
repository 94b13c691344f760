using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.Node;

/// <summary>Measures what one pod takes of the node's disk, by looking at every file of it.</summary>
public sealed class DiskMeter(NodeOptions options, string uid)
{
    private const string LogEnding = ".log";

    /// <param name="pod">Its document.</param>
    /// <param name="containers">Each container and the id of its newest run; empty: it had none. Of older runs only logs and messages are left.</param>
    public PodDiskUse Look(JsonObject pod, IEnumerable<(string Name, string Id)> containers)
    {
        var used = new Dictionary<string, (string Name, long Bytes)>(); // by the id of a run without its number
        void Add(string? run, string path)
        {
            if (run is not null && used.TryGetValue(run, out var known)) used[run] = known with { Bytes = Math.Min(known.Bytes + HostDisk.Bytes(path), HostDisk.Unmeasured) };
        }
        foreach (var (name, id) in containers) used[OfContainer(name)] = (name, id.Length > 0 ? HostDisk.Bytes(Path.Combine(options.StateDirectory, "containers", id, "upper")) : 0);
        foreach (var path in Entries("pods", uid, "messages")) Add(OfRun(Path.GetFileName(path)), path);
        foreach (var path in Entries("logs", uid)) Add(OfLog(Path.GetFileName(path)), path);
        var inMemory = Volumes(pod).Where(volume => volume["emptyDir"]?["medium"]?.ToString() == "Memory").Select(volume => volume["name"]!.ToString()).ToHashSet();
        var volumes = Entries("pods", uid, "volumes").Where(path => !inMemory.Contains(Path.GetFileName(path))).ToDictionary(path => Path.GetFileName(path), HostDisk.Bytes);
        return new PodDiskUse(used.Values.ToDictionary(known => known.Name, known => known.Bytes), volumes);
    }

    private IEnumerable<string> Entries(params string[] directory)
    {
        var path = Path.Combine([options.StateDirectory, .. directory]);
        return Directory.Exists(path) ? Directory.EnumerateFileSystemEntries(path) : [];
    }

    private string OfContainer(string name) => PodFiles.ContainerId(uid, name, 0)[..^2];

    private static IEnumerable<JsonObject> Volumes(JsonObject pod) => (pod["spec"]?["volumes"] as JsonArray ?? []).OfType<JsonObject>();

    /// <summary>The id of a run without its number.</summary>
    private static string? OfRun(string id) => id.LastIndexOf('-') is > 0 and var dash && int.TryParse(id.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out _) ? id[..dash] : null;

    /// <summary>The same, of a log's file, which has the container's whole name.</summary>
    private string? OfLog(string file) => file.LastIndexOf(LogEnding, StringComparison.Ordinal) is > 0 and var end && OfRun(file[..end]) is { } container ? OfContainer(container) : null;
}
