using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
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
        if (!path.StartsWith('/') || path.Split('/').Contains("..") || Top(path, offered) is not { } top)
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

    /// <summary>The offered path that one is, or is beneath; null: none.</summary>
    private static string? Top(string path, IReadOnlyList<string> offered) => offered.Select(offer => offer.EndsWith(":ro", StringComparison.Ordinal) ? offer[..^3] : offer).Select(offer => offer.TrimEnd('/'))
        .FirstOrDefault(offer => path == offer || path.StartsWith(offer + "/", StringComparison.Ordinal));

    /// <summary>Whether the node offers the devices of a set; the kernel, which makes them, looks again.</summary>
    /// <exception cref="VolumeUnavailableException">It offers one of them to no pod, or has none of that name.</exception>
    public static void Devices(IEnumerable<string> entries, IReadOnlyList<string> offered)
    {
        foreach (var device in entries.Select(line => CapabilityEntry.TryParse(line, out var entry) ? entry : null).OfType<CapabilityEntry.Device>())
            if (Top(device.Path, offered) is null) throw new VolumeUnavailableException($"device \"{device.Path}\": this node offers it to no pod; start it with --host-path {device.Path}");
            else if (!File.Exists(device.Path)) throw new VolumeUnavailableException($"device \"{device.Path}\": this node has none of that name");
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
