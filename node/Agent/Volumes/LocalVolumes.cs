namespace Eyrie.Node.Volumes;

/// <summary>Persistent volumes that are directories of this node: <c>volumes/NAME</c> beneath its state, for as long as the control plane wants them.</summary>
public static class LocalVolumes
{
    private const string Folder = "volumes", Leaving = ".leaving-";

    /// <summary>Path beneath the state directory.</summary>
    public static string Relative(string volume) => $"{Folder}/{volume}";

    /// <summary>The directory of a volume, made when it is not there; whoever runs in the pod may write in it.</summary>
    /// <param name="group">fsGroup of the pod: owns the directory, and what is made in it.</param>
    /// <exception cref="ContainerConfigException">The name is no name of a volume.</exception>
    public static string Make(string stateDirectory, string volume, int? group)
    {
        const int SetGroup = 0b010_000_000_000, All = 0b111_111_111;
        if (!IsName(volume)) throw new ContainerConfigException($"\"{volume}\" is not the name of a volume");
        var directory = Path.Combine(stateDirectory, Relative(volume));
        bool made = !Directory.Exists(directory);
        Directory.CreateDirectory(directory);
        if (group is { } owner) HostFiles.SetOwner(directory, 0, owner);
        if (made || group is not null) File.SetUnixFileMode(directory, (UnixFileMode)(group is null ? All : All | SetGroup));
        return directory;
    }

    /// <summary>Removes a volume with everything in it: first out of reach, then from the disk. One that is not there has been removed.</summary>
    public static void Remove(string stateDirectory, string volume)
    {
        if (!IsName(volume)) return;
        string directory = Path.Combine(stateDirectory, Relative(volume)), leaving = Path.Combine(stateDirectory, Folder, Leaving + volume);
        if (Directory.Exists(leaving)) Directory.Delete(leaving, true); // a removal that was cut short
        if (!Directory.Exists(directory)) return;
        Directory.Move(directory, leaving);
        Directory.Delete(leaving, true);
    }

    private static bool IsName(string volume) => volume.Length is > 0 and < 254 && volume[0] != '.' && volume.All(letter => letter is >= 'a' and <= 'z' or >= '0' and <= '9' or '-' or '.');
}
