namespace Eyrie.Manifests.Permissions;

/// <summary>From a missing entry to the lines of YAML that would declare it.</summary>
public static class Remedy
{
    /// <summary>Lines to add to the container, indented as below <c>containers: - name: ...</c>.</summary>
    public static string For(string entry, string podNamespace)
    {
        if (!CapabilityEntry.TryParse(entry, out var parsed)) return $"# no declaration gives \"{entry}\"";
        return parsed switch
        {
            CapabilityEntry.ApiToken { Audience: "" } or CapabilityEntry.ConnectService { Service: ClusterApi.Service, Port: ClusterApi.Port, Protocol: Protocol.Tcp } => "permissions:\n  api: {token: true}",
            CapabilityEntry.ApiToken token => $"permissions:\n  api: {{audiences: [{token.Audience}]}}",
            CapabilityEntry.Listen listen => $"ports:\n- containerPort: {listen.Port}{(listen.Protocol == Protocol.Udp ? "\n  protocol: UDP" : "")}",
            CapabilityEntry.Quota quota => $"permissions:\n  processes: {{max: {quota.Limit.Processes}{(quota.Limit.ThreadCount is { } threads ? $", threads: {threads}" : "")}}}",
            _ when Grant(parsed, podNamespace) is var (list, lines) => $"permissions:\n  {list}:\n  - {lines.Replace("\n", "\n    ", StringComparison.Ordinal)}",
            CapabilityEntry.HostPath host => $"permissions:\n  host:\n    paths:\n    - path: {host.Path}\n      access: {(host.Writable ? "write" : "read")}",
            CapabilityEntry.HostFact fact => $"permissions:\n  hostFacts: [{fact.Name}]",
            CapabilityEntry.ReadClock => "permissions:\n  clock: read",
            CapabilityEntry.ReadRandom => "permissions:\n  random: read",
            CapabilityEntry.SharedMemory => "permissions:\n  processes: {sharedMemory: true}",
            CapabilityEntry.Identity identity => $"securityContext:\n  runAsUser: {identity.UserId}\n  runAsGroup: {identity.GroupId}",
            _ => $"# no declaration gives \"{entry}\"",
        };
    }

    /// <summary>TCP is what nothing means.</summary>
    private static string By(Protocol protocol) => protocol == Protocol.Tcp ? "" : $"\nprotocol: {protocol.Manifest()}";

    /// <summary>The list of <c>permissions</c> that an entry belongs to, and its item.</summary>
    public static (string List, string Lines)? Grant(CapabilityEntry entry, string podNamespace) => entry switch
    {
        CapabilityEntry.ConnectService service => ("connect", $"service: {Within(podNamespace, service.Service)}\nport: {service.Port}{By(service.Protocol)}"),
        CapabilityEntry.ConnectPods pods => ("connect", $"pods: {pods.Pods.ToManifest().ToJsonString()}\nnamespace: {pods.Namespace}\nport: {pods.Port}{By(pods.Protocol)}"),
        CapabilityEntry.ConnectHost host => ("connect", $"host: {host.Host}\nports: [{host.Ports}]{By(host.Protocol)}"),
        CapabilityEntry.ConnectRange range => ("connect", $"cidr: {range.Network}\nports: [{range.Ports}]{By(range.Protocol)}"),
        CapabilityEntry.Accept accept => ("accept", $"pods: {accept.Pods.ToManifest().ToJsonString()}\nnamespace: {accept.Namespace}\nports: [{accept.Ports}]{By(accept.Protocol)}"),
        CapabilityEntry.Files files => ("files", $"path: {files.Path}\naccess: {(files.Writable ? "write" : "read")}{(files.Creates ? "" : "\ncreate: false")}"),
        CapabilityEntry.Device device => ("devices", $"path: {device.Path}\naccess: {(device.Writable ? "write" : "read")}"),
        CapabilityEntry.Signal signal => ("signals", $"container: {signal.Container}\nsignals: [{signal.Signals.Replace(",", ", ", StringComparison.Ordinal)}]"),
        CapabilityEntry.Execute file => ("files", $"path: {file.Path}\naccess: execute"),
        CapabilityEntry.Listen listen => ("listen", $"port: {listen.Port}{By(listen.Protocol)}"),
        CapabilityEntry.GateCall call => ("gates", $"service: {Within(podNamespace, call.Gate)}"),
        CapabilityEntry.GateServe serve => ("publish", $"gate: {Within(podNamespace, serve.Gate)}"),
        CapabilityEntry.GateAccept accept => ("publish", $"gate: {Within(podNamespace, accept.Gate)}\naccept: [{{pods: {accept.Pods.ToManifest().ToJsonString()}, namespace: {accept.Namespace}}}]"),
        _ => null,
    };

    /// <summary>A name of the pod's own namespace is written without it.</summary>
    private static string Within(string home, string name) => name.StartsWith(home + "/", StringComparison.Ordinal) ? name[(home.Length + 1)..] : name;
}
