using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>A pod's own address and the address that its 127.0.0.1 stands for.</summary>
public sealed record PodAddress(string Pod, string Loopback);

/// <summary>The container cannot be made as its manifest and image stand; the message says what to change.</summary>
public sealed class ContainerConfigException(string message) : Exception(message);

/// <summary>From a pod's container and its image to what MettEagle is told. Pure.</summary>
public static partial class ContainerSpecs
{
    public static ContainerSpec For(JsonObject pod, JsonObject container, Image image, string id, string logPath, PodAddress address, IEnumerable<string> capabilities, DesiredPod desired, NodeOptions options)
    {
        var environment = Environment(pod, container, image, address, desired, options);
        string Expand(string text) => Reference().Replace(text, match => environment.TryGetValue(match.Groups[1].Value, out var value) ? value : match.Value);
        var command = Strings(container["command"]) is { Count: > 0 } given ? given : image.Entrypoint;
        var arguments = Strings(container["args"]) is { Count: > 0 } listed ? listed : Strings(container["command"]).Count > 0 ? [] : image.Command;
        if (command.Count + arguments.Count == 0) throw new ContainerConfigException($"no command specified: image {container["image"]} has neither an entrypoint nor a command; give the container a `command`");
        uint Id(string name) => (uint)((container["securityContext"]?[name] ?? pod["spec"]?["securityContext"]?[name])?.GetValue<long>() ?? 0);
        return new ContainerSpec
        {
            Id = id, Layers = image.Layers, Writable = "containers/" + id, LogPath = logPath, PodAddress = address.Pod, PodLoopback = address.Loopback,
            Arguments = [.. command.Concat(arguments).Select(Expand)], Environment = [.. environment.Select(pair => $"{pair.Key}={pair.Value}")],
            WorkingDirectory = container["workingDir"]?.ToString() ?? (image.WorkingDirectory.Length > 0 ? image.WorkingDirectory : "/"), Hostname = PodFiles.Hostname(pod),
            UserId = Id("runAsUser"), GroupId = Id("runAsGroup"), Capabilities = [.. capabilities], Mounts = [.. Mounts(pod, container, desired.Uid)],
        };
    }

    private static Dictionary<string, string> Environment(JsonObject pod, JsonObject container, Image image, PodAddress address, DesiredPod desired, NodeOptions options)
    {
        var environment = new Dictionary<string, string> { ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ["HOSTNAME"] = PodFiles.Hostname(pod) };
        foreach (var variable in image.Environment)
            if (variable.IndexOf('=', StringComparison.Ordinal) is > 0 and var at) environment[variable[..at]] = variable[(at + 1)..];
        foreach (var (name, value) in desired.ServiceEnvironment) environment[name] = value;
        foreach (var variable in (container["env"] as JsonArray ?? []).OfType<JsonObject>())
        {
            var name = variable["name"]!.ToString();
            environment[name] = variable["value"]?.ToString() ?? variable["valueFrom"]?["fieldRef"]?["fieldPath"]?.ToString() switch
            {
                "metadata.name" => pod["metadata"]!["name"]!.ToString(), "metadata.namespace" => pod["metadata"]!["namespace"]!.ToString(), "metadata.uid" => desired.Uid,
                "status.podIP" => address.Pod, "spec.nodeName" => options.Name, _ => "",
            };
            environment[name] = Reference().Replace(environment[name], match => environment.TryGetValue(match.Groups[1].Value, out var known) ? known : match.Value);
        }
        return environment;
    }

    private static IEnumerable<MountSpec> Mounts(JsonObject pod, JsonObject container, string uid)
    {
        yield return new MountSpec($"pods/{uid}/hosts", "/etc/hosts", true);
        yield return new MountSpec($"pods/{uid}/hostname", "/etc/hostname", true);
        var volumes = (pod["spec"]?["volumes"] as JsonArray ?? []).OfType<JsonObject>().ToDictionary(volume => volume["name"]!.ToString());
        foreach (var mount in (container["volumeMounts"] as JsonArray ?? []).OfType<JsonObject>())
        {
            var volume = volumes[mount["name"]!.ToString()];
            if (volume["emptyDir"] is null) throw new ContainerConfigException($"volume \"{mount["name"]}\": only emptyDir volumes are supported");
            bool memory = volume["emptyDir"]?["medium"]?.ToString() == "Memory";
            yield return new MountSpec(memory ? "" : $"pods/{uid}/volumes/{mount["name"]}", mount["mountPath"]!.ToString(), mount["readOnly"]?.GetValue<bool>() ?? false);
        }
    }

    private static IReadOnlyList<string> Strings(JsonNode? list) => [.. (list as JsonArray ?? []).Select(item => item!.ToString())];

    [GeneratedRegex(@"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")]
    private static partial Regex Reference();
}
