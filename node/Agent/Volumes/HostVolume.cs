using System.Text.Json.Nodes;
using Eyrie.Microkernel.Client;

namespace Eyrie.Node.Volumes;

/// <summary>A hostPath volume: what of the host this node offers, of the type that the volume asks for. The kernel opens it again beneath the offered path, and follows no link.</summary>
public static class HostVolume
{
    /// <param name="offered">Paths of the node's options, <c>:ro</c> behind those that are read only.</param>
    /// <exception cref="VolumeUnavailableException">The node does not offer it, or what is there is of another type.</exception>
    /// <exception cref="ContainerConfigException">A type that cannot be had.</exception>
    public static MountSpec Mount(string name, JsonObject volume, string subPath, IReadOnlyList<string> offered)
    {
        var path = (volume["path"]?.ToString() ?? "").TrimEnd('/');
        var tops = offered.Select(offer => offer.EndsWith(":ro", StringComparison.Ordinal) ? offer[..^3] : offer).Select(offer => offer.TrimEnd('/'));
        if (!path.StartsWith('/') || path.Split('/').Contains("..") || tops.FirstOrDefault(offer => path == offer || path.StartsWith(offer + "/", StringComparison.Ordinal)) is not { } top)
            throw new VolumeUnavailableException($"hostPath \"{path}\": this node offers it to no pod; start it with --host-path {path}");
        var type = volume["type"]?.ToString() ?? "";
        if (type == "DirectoryOrCreate" && path != top) Made(name, top, path[(top.Length + 1)..]);
        bool right = type switch
        {
            "" => Path.Exists(path), "Directory" or "DirectoryOrCreate" => Directory.Exists(path), "File" => File.Exists(path),
            _ => throw new ContainerConfigException($"volume \"{name}\": hostPath type {type} cannot be had; known are Directory, DirectoryOrCreate and File"),
        };
        if (!right) throw new VolumeUnavailableException($"hostPath type check failed: {path} is not {(type.Length == 0 ? "there" : type is "File" ? "a file" : "a directory")}");
        return new MountSpec(path + (subPath.Length > 0 ? "/" + subPath.TrimEnd('/') : ""), "", false);
    }

    private static void Made(string name, string top, string below)
    {
        try
        {
            HostFiles.MakeBeneath(top, below, 0b111_101_101);
        }
        catch (IOException exception)
        {
            throw new ContainerConfigException($"volume \"{name}\": hostPath {exception.Message}");
        }
    }
}
