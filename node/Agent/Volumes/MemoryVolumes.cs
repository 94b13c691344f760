using System.Globalization;

namespace Eyrie.Node.Volumes;

/// <summary>
/// Volumes in memory: a tmpfs for each, mounted on the volume's directory beneath the node's state, so that all containers of the pod share it. It outlives the agent, not the pod and not the
/// node. Its pages are charged to the container that wrote them (kernel.org, Documentation/admin-guide/cgroup-v1/memory).
/// </summary>
public static class MemoryVolumes
{
    /// <summary>Mounts one on a directory, which is made; where one is mounted already, it stays as it is.</summary>
    /// <param name="directory">The volume's.</param>
    /// <param name="bytes">Writing beyond fails with "no space left"; more than 0.</param>
    /// <param name="group">fsGroup of the pod: owns the directory, and what is made in it.</param>
    /// <exception cref="IOException">It could not be mounted.</exception>
    public static void Mount(string directory, long bytes, int? group)
    {
        Directory.CreateDirectory(directory);
        if (HostFiles.MountOf(directory) != HostFiles.MountOf(Path.GetDirectoryName(directory)!)) return;
        HostFiles.MountMemory(directory, string.Create(CultureInfo.InvariantCulture, $"size={bytes},{(group is { } owner ? $"mode=2777,gid={owner}" : "mode=777")}"));
    }

    /// <summary>Takes down those of one pod; what was in them is gone.</summary>
    /// <param name="home">The pod's directory.</param>
    /// <exception cref="IOException">One could not be unmounted.</exception>
    public static void Remove(string home)
    {
        var volumes = Path.Combine(home, "volumes");
        if (!Directory.Exists(volumes)) return;
        foreach (var volume in Directory.EnumerateDirectories(volumes))
            while (HostFiles.Unmount(volume)) { }
    }

    /// <summary>Takes down those of every pod of a node, whose containers have ended.</summary>
    /// <exception cref="IOException">One could not be unmounted.</exception>
    public static void RemoveAll(string stateDirectory)
    {
        var pods = Path.Combine(stateDirectory, "pods");
        if (!Directory.Exists(pods)) return;
        foreach (var pod in Directory.EnumerateDirectories(pods)) Remove(pod);
    }
}
