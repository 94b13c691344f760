using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>
/// What NetworkPolicies give a pod: egress becomes connect entries, ingress accept entries. A policy never takes a grant away that another declaration gives; what Eyrie cannot carry (SCTP, named ports
/// of peers, ranges within the cluster) is left out with a note, because denied is the safe side. Pure.
/// </summary>
public sealed class NetworkPolicies(CompileContext context)
{
    private readonly List<PermissionError> _notes = [];

    public IReadOnlyList<PermissionError> Notes => _notes;

    private IEnumerable<JsonObject> Selecting(string @namespace, JsonNode? labels) => context.NetworkPolicies
        .Where(policy => policy.NamespaceOf() == @namespace && LabelSelector.Read(policy.At("spec", "podSelector"), out _) is { } selector && selector.Selects(labels));

    public IEnumerable<ExplainedEntry> Of(string @namespace, JsonNode? labels)
    {
        foreach (var policy in Selecting(@namespace, labels))
        {
            var name = $"networkpolicy/{@namespace}/{policy.NameOf()}";
            foreach (var entry in Rules(policy, "egress", name, Egress)) yield return entry;
            foreach (var entry in Rules(policy, "ingress", name, Ingress)) yield return entry;
        }
    }

    /// <summary>Whether something says who may connect to a pod with these labels; then nobody else may.</summary>
    public bool Isolates(string @namespace, JsonNode? labels) => Selecting(@namespace, labels).Any(policy => policy.At("spec", "policyTypes") is JsonArray types ? types.Any(type => type.Word() == "Ingress") : true);

    private IEnumerable<ExplainedEntry> Rules(JsonObject policy, string direction, string name, Func<JsonObject, JsonObject, string, string, IEnumerable<CapabilityEntry>> read)
    {
        var rules = policy.At("spec", direction) as JsonArray ?? [];
        for (int i = 0; i < rules.Count; i++)
        {
            var at = $"spec.{direction}[{i}]";
            if (rules[i] is not JsonObject rule) continue;
            foreach (var entry in read(policy, rule, at, name)) yield return new ExplainedEntry(entry.ToString(), new SourceLocation(at, Object: name));
        }
    }

    private void Note(string at, string name, string message)
    {
        var note = new PermissionError(new SourceLocation(at, Object: name), message);
        if (!_notes.Contains(note)) _notes.Add(note); // the same of TCP and of UDP is said once
    }

    private IEnumerable<CapabilityEntry> Egress(JsonObject policy, JsonObject rule, string at, string name)
    {
        var entries = new List<CapabilityEntry>();
        foreach (var (protocol, ports) in Ports(rule, at, name))
            foreach (var peer in Peers(rule, "to", at))
            {
                if (peer.Peer is null or JsonObject { Count: 0 }) entries.Add(new CapabilityEntry.ConnectRange(IPNetwork.Parse("0.0.0.0/0"), ports, protocol));
                if (peer.Peer.At("ipBlock") is JsonObject block) entries.AddRange(Block(block, peer.At, name).Select(network => new CapabilityEntry.ConnectRange(network, ports, protocol)));
                else foreach (var (home, pods) in Pods(policy, peer.Peer, peer.At, name)) entries.AddRange(Reach(home, pods, ports, protocol, peer.At, name));
            }
        return entries;
    }

    /// <summary>The pods at their own ports, and the Services that lead to nobody else.</summary>
    private IEnumerable<CapabilityEntry> Reach(string home, LabelSelector pods, PortSet ports, Protocol protocol, string at, string name)
    {
        const int Most = 64;
        if (ports.Count > Most) { Note(at, name, $"not granted: pods are granted port by port, at most {Most}; list the ports"); yield break; }
        foreach (int port in ports.Ports) yield return new CapabilityEntry.ConnectPods(home, pods, port, protocol);
        foreach (var service in context.Services.Where(service => service.NamespaceOf() == home && service.At("spec", "selector") is JsonObject { Count: > 0 } labels && pods.Selects(labels)))
            foreach (var item in service.At("spec", "ports").Objects())
                if (item["port"].Whole() is { } port && (item["targetPort"].Whole() ?? port) is > 0 and < 65536 and var target && ports.Contains((int)target) && (Protocols.Of(item["protocol"].Word()) ?? Protocol.Tcp) == protocol)
                    yield return new CapabilityEntry.ConnectService($"{home}/{service.NameOf()}", (int)port, protocol);
    }

    private IEnumerable<CapabilityEntry> Ingress(JsonObject policy, JsonObject rule, string at, string name)
    {
        var listed = Ports(rule, at, name);
        var entries = new List<CapabilityEntry>();
        foreach (var peer in Peers(rule, "from", at))
        {
            if (peer.Peer.At("ipBlock") is not null) { Note(peer.At, name, "not granted: only pods of the cluster can be named as those who may connect"); continue; }
            var from = peer.Peer ?? new JsonObject { ["namespaceSelector"] = new JsonObject() };
            entries.AddRange(Pods(policy, from, peer.At, name).SelectMany(pods => listed.Select(part => new CapabilityEntry.Accept(pods.Namespace, pods.Selector, part.Ports, part.Protocol))));
        }
        return entries;
    }

    /// <summary>No peers at all: everybody.</summary>
    private static IEnumerable<(JsonObject? Peer, string At)> Peers(JsonObject rule, string list, string at)
    {
        if (rule[list] is not JsonArray { Count: > 0 } peers) return [(null, at)];
        return peers.Select((peer, index) => (peer as JsonObject, $"{at}.{list}[{index}]"));
    }

    private List<(string Namespace, LabelSelector Selector)> Pods(JsonObject policy, JsonObject? peer, string at, string name)
    {
        if (peer is null) return [.. context.Namespaces.Select(home => (home.NameOf(), LabelSelector.Everything))];
        if (LabelSelector.Read(peer["podSelector"], out var problem) is not { } pods || LabelSelector.Read(peer["namespaceSelector"], out problem) is not { } homes)
        {
            Note(at, name, "not granted: its selector " + problem);
            return [];
        }
        if (peer["namespaceSelector"] is null) return peer["podSelector"] is null ? [] : [(policy.NamespaceOf(), pods)];
        return [.. context.Namespaces.Where(home => homes.Selects(Labels(home))).Select(home => (home.NameOf(), pods)).Distinct().OrderBy(pair => pair.Item1, StringComparer.Ordinal)];
    }

    /// <summary>Every namespace has the label of its own name.</summary>
    private static JsonObject Labels(JsonObject home)
    {
        var labels = home.At("metadata", "labels") is JsonObject known ? (JsonObject)known.DeepClone() : [];
        labels["kubernetes.io/metadata.name"] = home.NameOf();
        return labels;
    }

    /// <summary>Every port of every protocol where nothing is said; empty: nothing of the rule can be carried.</summary>
    private List<(Protocol Protocol, PortSet Ports)> Ports(JsonObject rule, string at, string name)
    {
        if (rule["ports"] is not JsonArray { Count: > 0 } listed) return [(Protocol.Tcp, PortSet.All), (Protocol.Udp, PortSet.All)];
        var ranges = new List<(Protocol Protocol, (int, int) Range)>();
        for (int i = 0; i < listed.Count; i++)
        {
            var item = listed[i];
            var place = $"{at}.ports[{i}]";
            if (Protocols.Of(item.At("protocol").Word()) is not { } protocol) Note(place, name, $"not granted: {item.At("protocol").Word()} is not available, only TCP and UDP");
            else if (item.At("port") is null) ranges.Add((protocol, (1, 65535)));
            else if (item.At("port").Whole() is > 0 and < 65536 and var low && (item.At("endPort").Whole() ?? low) is < 65536 and var high && high >= low) ranges.Add((protocol, ((int)low, (int)high)));
            else Note(place, name, $"not granted: \"{item.At("port").Word()}\" is no number between 1 and 65535; write the number of the port");
        }
        return [.. ranges.GroupBy(range => range.Protocol, range => range.Range).OrderBy(group => group.Key).Select(group => (group.Key, new PortSet(group)))];
    }

    private List<IPNetwork> Block(JsonObject block, string at, string name)
    {
        if (CapabilityEntry.Range(block["cidr"].Word() ?? "") is not { } network) { Note(at, name, $"not granted: \"{block["cidr"].Word()}\" is not an IPv4 network"); return []; }
        List<IPNetwork> left = [network];
        foreach (var item in block["except"] as JsonArray ?? [])
        {
            if (CapabilityEntry.Range(item.Word() ?? "") is not { } hole) { Note(at, name, $"not granted: the exception \"{item.Word()}\" is not an IPv4 network"); return []; }
            left = [.. left.SelectMany(part => Without(part, hole))];
        }
        return left;
    }

    /// <summary>A network without another, as networks: halves until the hole is met.</summary>
    public static IEnumerable<IPNetwork> Without(IPNetwork network, IPNetwork hole)
    {
        if (hole.PrefixLength <= network.PrefixLength && hole.Contains(network.BaseAddress)) yield break;
        if (!network.Contains(hole.BaseAddress)) { yield return network; yield break; }
        int prefix = network.PrefixLength + 1;
        uint first = BitConverter.ToUInt32([.. network.BaseAddress.GetAddressBytes().Reverse()]), second = first | 1u << (32 - prefix);
        foreach (uint half in new[] { first, second })
            foreach (var part in Without(IPNetwork.Parse(string.Create(CultureInfo.InvariantCulture, $"{half >> 24}.{half >> 16 & 255}.{half >> 8 & 255}.{half & 255}/{prefix}")), hole)) yield return part;
    }
}
