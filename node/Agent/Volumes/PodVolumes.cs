using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Tokens;

namespace Eyrie.Node.Volumes;

/// <summary>The volumes of one pod on the node, and what of them is mounted into a container.</summary>
public sealed class PodVolumes(NodeOptions options, string uid, HeldTokens tokens)
{
    private string Directory(string volume) => Path.Combine(options.StateDirectory, "pods", uid, "volumes", volume);

    /// <summary>Of a volume that is made from objects, relative to the node root: apart, if it carries tokens.</summary>
    private string Home(JsonObject volume) => $"{(TokenNeed.IsCarriedBy(volume) ? AccountFiles.Directory(uid) : $"pods/{uid}")}/volumes/{volume["name"]}";

    private static IEnumerable<JsonObject> Volumes(JsonObject pod) => (pod["spec"]?["volumes"] as JsonArray ?? []).OfType<JsonObject>();

    public static int? Group(JsonObject pod) => pod["spec"]?["securityContext"]?["fsGroup"] is JsonValue value && value.TryGetValue(out int group) ? group : null;

    /// <summary>Makes what can be made, and brings what is made from objects up to date: running containers see the new files at once.</summary>
    public void Write(PodFacts facts, PodObjects objects)
    {
        if (tokens.Find(TokenNeed.Account) is { Length: > 0 } token) AccountFiles.Write(options, uid, facts.Pod, token, Group(facts.Pod));
        foreach (var volume in Volumes(facts.Pod))
        {
            var directory = Path.Combine(options.StateDirectory, Home(volume));
            if (volume["emptyDir"] is { } empty)
            {
                if (InMemory(empty)) MemoryVolumes.Mount(directory, MemorySize(empty, facts), Group(facts.Pod));
                else if (!System.IO.Directory.Exists(directory)) Empty(directory, Group(facts.Pod));
                continue;
            }
            try
            {
                if (VolumeContent.Of(volume, facts, objects, tokens.Find) is { } files) AtomicDirectory.Write(directory, files, Group(facts.Pod));
            }
            catch (Exception exception) when (exception is VolumeUnavailableException or ContainerConfigException)
            {
                // Containers that run keep what they have; one that starts says what is missing (see Mounts).
            }
        }
    }

    private static void Empty(string directory, int? group)
    {
        const int SetGroup = 0b010_000_000_000, All = 0b111_111_111;
        System.IO.Directory.CreateDirectory(directory);
        if (group is { } owner) HostFiles.SetOwner(directory, 0, owner);
        File.SetUnixFileMode(directory, (UnixFileMode)(group is null ? All : All | SetGroup));
    }

    /// <summary>What a container mounts, in its order.</summary>
    /// <exception cref="VolumeUnavailableException"/><exception cref="ContainerConfigException"/>
    public IEnumerable<MountSpec> Mounts(JsonObject container, PodFacts facts, PodObjects objects, IReadOnlyDictionary<string, string> environment)
    {
        foreach (var mount in (container["volumeMounts"] as JsonArray ?? []).OfType<JsonObject>())
        {
            var name = mount["name"]!.ToString();
            var volume = Volumes(facts.Pod).FirstOrDefault(candidate => candidate["name"]?.ToString() == name) ?? throw new ContainerConfigException($"the pod has no volume \"{name}\"");
            var path = mount["subPathExpr"]?.ToString() is { Length: > 0 } expression ? Expansion.Expand(expression, environment.GetValueOrDefault) : mount["subPath"]?.ToString() ?? "";
            if (path.StartsWith('/') || path.Split('/').Contains("..")) throw new ContainerConfigException($"volume \"{name}\": subPath \"{path}\" must be relative and without \"..\"");
            bool readOnly = mount["readOnly"] is JsonValue value && value.TryGetValue(out bool only) && only;
            var source = volume["emptyDir"] is JsonObject ? FromEmpty(name, path) : volume["hostPath"] is JsonObject host ? HostVolume.Mount(name, host, path, options.HostPaths) : volume["persistentVolumeClaim"] is JsonObject claim ? FromClaim(name, claim, path, Group(facts.Pod), objects) : FromObjects(name, volume, path, facts, objects);
            yield return source with { Target = mount["mountPath"]!.ToString().TrimEnd('/') is { Length: > 0 } target ? target : "/", ReadOnly = readOnly || source.ReadOnly };
        }
    }

    private MountSpec FromEmpty(string name, string path)
    {
        Beneath(name, Directory(name), path);
        return new MountSpec(Relative(name, path), "", false);
    }

    private static void Beneath(string name, string directory, string path)
    {
        if (path.Length == 0) return;
        try
        {
            HostFiles.MakeBeneath(directory, path, 0b111_111_111);
        }
        catch (IOException exception)
        {
            throw new ContainerConfigException($"volume \"{name}\": subPath {exception.Message}");
        }
    }

    private MountSpec FromClaim(string name, JsonObject claim, string path, int? group, PodObjects objects)
    {
        var claimName = claim["claimName"]?.ToString() ?? "";
        if (objects.VolumeOf(claimName) is not { } volume) throw new VolumeUnavailableException($"persistentvolumeclaim \"{claimName}\" not found, or not bound");
        Beneath(name, LocalVolumes.Make(options.StateDirectory, volume, group), path);
        return new MountSpec(LocalVolumes.Relative(volume) + (path.Length > 0 ? "/" + path.TrimEnd('/') : ""), "", claim["readOnly"] is JsonValue value && value.TryGetValue(out bool only) && only);
    }

    private MountSpec FromObjects(string name, JsonObject volume, string path, PodFacts facts, PodObjects objects)
    {
        var files = VolumeContent.Of(volume, facts, objects, tokens.Find) ?? throw new ContainerConfigException($"volume \"{name}\": type {volume.Select(field => field.Key).FirstOrDefault(field => field != "name")} is not supported; known are emptyDir, hostPath, persistentVolumeClaim, configMap, secret, downwardAPI and projected");
        var (home, directory) = (Home(volume), Path.Combine(options.StateDirectory, Home(volume)));
        AtomicDirectory.Write(directory, files, Group(facts.Pod));
        if (path.Length == 0) return new MountSpec(home, "", true);
        // The very file of this version: a mount of one file does not follow later versions.
        var file = Path.Combine(AtomicDirectory.Version(directory)!, path);
        if (!Path.Exists(Path.Combine(directory, file))) throw new ContainerConfigException($"volume \"{name}\" has no \"{path}\" (subPath); it has {string.Join(", ", files.Keys)}");
        return new MountSpec($"{home}/{file.TrimEnd('/')}", "", true);
    }

    private string Relative(string volume, string path) => $"pods/{uid}/volumes/{volume}" + (path.Length > 0 ? "/" + path.TrimEnd('/') : "");

    private static bool InMemory(JsonNode empty) => empty["medium"]?.ToString() == "Memory";

    /// <summary>Size in bytes of a volume in memory, as on a kubelet: the least of its sizeLimit, the memory of the pod if each of its containers has a limit, and the node's memory.</summary>
    public static long MemorySize(JsonNode empty, PodFacts facts)
    {
        var limits = (facts.Pod["spec"]?["containers"] as JsonArray ?? []).Select(container => Bytes(container?["resources"]?["limits"]?["memory"])).ToList();
        long pod = limits.Count > 0 && limits.TrueForAll(limit => limit is not null) ? limits.Sum(limit => Math.Min(limit!.Value, facts.NodeMemoryBytes)) : long.MaxValue;
        return Math.Min(Math.Min(Limit(empty) ?? long.MaxValue, pod), facts.NodeMemoryBytes);
    }

    private static long? Limit(JsonNode empty) => Bytes(empty["sizeLimit"]);

    /// <summary>Null: none is given, or 0, which means the same.</summary>
    private static long? Bytes(JsonNode? quantity) => quantity?.ToString() is { } text && Quantity.TryParse(text, 1, out long bytes) && bytes > 0 ? bytes : null;
}
