using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>Somebody may connect to somebody. <paramref name="To"/> is <c>service ns/name</c>, <c>pods ns/selector</c>, <c>gate ns/name</c> or <c>cidr RANGE</c>.</summary>
public sealed record GraphEdge(string From, string To, string Ports);

/// <summary>Who may talk to whom, over the whole cluster. Pure.</summary>
public static class PermissionGraph
{
    /// <summary>One edge for all pods of a workload.</summary>
    public static IReadOnlyList<GraphEdge> Of(CompileContext cluster) =>
    [
        .. cluster.Pods.SelectMany(pod => PermissionCompiler.Compile(pod, cluster).Sets.SelectMany(set => set.Lines).Select(Target).OfType<(string To, string Ports)>().Select(target => (From: Workload(pod), target.To, target.Ports)))
            .Distinct().GroupBy(edge => (edge.From, edge.To)).Select(group => new GraphEdge(group.Key.From, group.Key.To, string.Join(',', group.Select(edge => edge.Ports).Distinct().Order(StringComparer.Ordinal))))
            .OrderBy(edge => edge.From, StringComparer.Ordinal).ThenBy(edge => edge.To, StringComparer.Ordinal),
    ];

    /// <summary>As Graphviz reads it.</summary>
    public static string ToDot(IEnumerable<GraphEdge> edges) =>
        "digraph permissions {\n  rankdir=LR;\n" + string.Concat(edges.Select(edge => $"  \"{edge.From}\" -> \"{edge.To}\" [label=\"{edge.Ports}\"];\n")) + "}\n";

    private static string By(Protocol protocol) => protocol == Protocol.Udp ? "/udp" : "";

    private static (string, string)? Target(string line) => CapabilityEntry.TryParse(line, out var entry) && !ClusterDns.Is(entry) ? entry switch
    {
        CapabilityEntry.ConnectService service => ($"service {service.Service}", $"{service.Port}{By(service.Protocol)}"),
        CapabilityEntry.ConnectPods pods => ($"pods {pods.Namespace}/{pods.Pods}", $"{pods.Port}{By(pods.Protocol)}"),
        CapabilityEntry.ConnectHost host => ($"host {host.Host}", $"{host.Ports}{By(host.Protocol)}"),
        CapabilityEntry.ConnectRange range => ($"cidr {range.Network}", $"{range.Ports}{By(range.Protocol)}"),
        CapabilityEntry.GateCall call => ($"gate {call.Gate}", "call"),
        CapabilityEntry.GateServe serve => ($"gate {serve.Gate}", "serve"),
        _ => null,
    } : null;

    /// <summary>A ReplicaSet of a Deployment is named by the Deployment: what its pods have in common.</summary>
    public static string Workload(JsonObject pod)
    {
        var owner = (pod.At("metadata", "ownerReferences") as JsonArray)?.OfType<JsonObject>().FirstOrDefault();
        var name = owner?["name"].Word() ?? pod.NameOf();
        if (owner?["kind"].Word() == "ReplicaSet" && pod.At("metadata", "labels").At("pod-template-hash").Word() is { Length: > 0 } hash && name.EndsWith("-" + hash, StringComparison.Ordinal)) name = name[..^(hash.Length + 1)];
        return $"{pod.NamespaceOf()}/{name}";
    }
}
