using System.Text.Json.Nodes;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Tokens;
using Eyrie.Node.Volumes;

namespace Eyrie.Node;

/// <summary>A pod's own address and the address that its 127.0.0.1 stands for.</summary>
public sealed record PodAddress(string Pod, string Loopback);

/// <summary>The container cannot be made as its manifest and image stand; the message says what to change.</summary>
public sealed class ContainerConfigException(string message) : Exception(message);

/// <summary>From a pod's container and its image to what MettEagle is told.</summary>
public static class ContainerSpecs
{
    private const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", DefaultMessagePath = "/dev/termination-log";

    /// <exception cref="ContainerConfigException"/><exception cref="VolumeUnavailableException"/>
    public static ContainerSpec For(StartRequest request, Image image, IReadOnlyList<string> capabilities, HeldTokens tokens, NodeOptions options)
    {
        var (pod, container, desired) = (request.Pod, request.Container, request.Desired);
        var facts = options.Facts(pod, desired.Uid, request.Address);
        var objects = new PodObjects(desired.Objects);
        HostVolume.Devices(capabilities, options.HostPaths);
        var given = ContainerEnvironment.Of(container, facts, objects, desired.ServiceEnvironment);
        string Expand(string text) => Expansion.Expand(text, given.GetValueOrDefault);
        var command = Strings(container["command"]) is { Count: > 0 } named ? [.. named.Select(Expand)] : image.Entrypoint;
        var arguments = Strings(container["args"]) is { Count: > 0 } listed ? [.. listed.Select(Expand)] : Strings(container["command"]).Count > 0 ? [] : image.Command;
        if (command.Count + arguments.Count == 0) throw new ContainerConfigException($"no command specified: image {container["image"]} has neither an entrypoint nor a command; give the container a `command`");
        var identity = Identity.Of(pod, container, image.User, path => ImageFiles.Lines(options.StateDirectory, image.Layers, path));
        var environment = new Dictionary<string, string> { ["PATH"] = DefaultPath, ["HOSTNAME"] = PodFiles.Hostname(pod), ["HOME"] = identity.Home };
        foreach (var variable in image.Environment)
            if (variable.IndexOf('=', StringComparison.Ordinal) is > 0 and var at) environment[variable[..at]] = variable[(at + 1)..];
        foreach (var (name, value) in given) environment[name] = value;
        return new ContainerSpec
        {
            Id = request.Id, Layers = image.Layers, Writable = "containers/" + request.Id, LogPath = request.LogPath, PodAddress = request.Address.Pod, PodLoopback = request.Address.Loopback,
            Arguments = [.. command, .. arguments], Environment = [.. environment.Select(pair => $"{pair.Key}={pair.Value}")],
            WorkingDirectory = container["workingDir"]?.ToString() is { Length: > 0 } directory ? directory : image.WorkingDirectory.Length > 0 ? image.WorkingDirectory : "/", Hostname = PodFiles.Hostname(pod),
            Terminal = Flag(container, "tty"), OpenInput = Flag(container, "stdin"), Subject = Subject(pod, desired.Uid, container), UserId = identity.User, GroupId = identity.Group, Groups = identity.Groups, Capabilities = capabilities,
            Mounts = [.. Own(desired.Uid, request), .. SignalPipes.Mounts(desired.Uid, container["name"]!.ToString(), capabilities), .. Account(desired.Uid, request, capabilities, tokens, options), .. new PodVolumes(options, desired.Uid, tokens).Mounts(container, facts, objects, given)],
        };
    }

    private const int MaxSubject = 240;

    /// <summary>Who a container is to those whose gates it calls. A pod's name can be too long for the kernel; its UID, which no name can look like, takes its place then.</summary>
    private static string Subject(JsonObject pod, string uid, JsonObject container)
    {
        string Of(string name) => $"{pod["metadata"]?["namespace"]}/{name}/{container["name"]}";
        return Of(pod["metadata"]?["name"]?.ToString() ?? "") is { Length: <= MaxSubject } subject ? subject : Of("uid:" + uid);
    }

    /// <summary>The files that every container has from its node.</summary>
    private static IEnumerable<MountSpec> Own(string uid, StartRequest request)
    {
        yield return new MountSpec($"pods/{uid}/hosts", "/etc/hosts", true);
        yield return new MountSpec($"pods/{uid}/hostname", "/etc/hostname", true);
        yield return new MountSpec($"pods/{uid}/resolv.conf", "/etc/resolv.conf", true);
        if (request.Desired.Capabilities.Any(set => set.Container == request.Container["name"]!.ToString() && set.Entries.Contains($"dir {MessagePath(request.Container)} read,write")))
            yield return new MountSpec(PodFiles.MessageFile(uid, request.Id), MessagePath(request.Container), false);
    }

    private static IEnumerable<MountSpec> Account(string uid, StartRequest request, IReadOnlyList<string> capabilities, HeldTokens tokens, NodeOptions options)
    {
        if (!TokenNeed.Of(request.Pod, request.Container, capabilities).Contains(TokenNeed.Account) || tokens.Find(TokenNeed.Account) is not { Length: > 0 } token) yield break;
        AccountFiles.Write(options, uid, request.Pod, token, PodVolumes.Group(request.Pod));
        yield return AccountFiles.Mount(uid);
    }

    public static string MessagePath(JsonObject container) => container["terminationMessagePath"]?.ToString() is { Length: > 0 } path ? path : DefaultMessagePath;

    public static bool Flag(JsonObject container, string name) => container[name] is JsonValue value && value.TryGetValue(out bool set) && set;

    private static IReadOnlyList<string> Strings(JsonNode? list) => [.. (list as JsonArray ?? []).Select(item => item!.ToString())];
}
