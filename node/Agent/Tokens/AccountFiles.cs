using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Volumes;

namespace Eyrie.Node.Tokens;

/// <summary>What clients of the API look for in a container: the token of its account, the cluster's authority and the namespace.</summary>
public static class AccountFiles
{
    public const string Target = "/var/run/secrets/kubernetes.io/serviceaccount";
    private const int Mode = 0b110_100_100;

    /// <summary>Where a pod's files with tokens stand: the container service mounts nothing of it without the entry.</summary>
    public static string Directory(string uid) => $"pods/{uid}/tokens";

    public static MountSpec Mount(string uid) => new(Directory(uid) + "/account", Target, true);

    /// <summary>Makes them, or brings them up to date: running containers see the new token at once.</summary>
    public static void Write(NodeOptions options, string uid, JsonObject pod, string token, int? group) =>
        AtomicDirectory.Write(Path.Combine(options.StateDirectory, Directory(uid), "account"), new SortedDictionary<string, VolumeFile>(StringComparer.Ordinal)
        {
            ["token"] = new(Encoding.UTF8.GetBytes(token), Mode), ["ca.crt"] = new(File.ReadAllBytes(options.AuthorityFile), Mode), ["namespace"] = new(Encoding.UTF8.GetBytes(pod["metadata"]!["namespace"]!.ToString()), Mode),
        }, group);
}
