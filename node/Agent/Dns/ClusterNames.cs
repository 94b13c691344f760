using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Node.Dns;

/// <summary>
/// The names of the cluster (Kubernetes DNS specification 1.1.0): Services, their ports and the pods behind headless ones. A name of what the asking pod may not reach is none, as is every other name. Pure.
/// </summary>
public sealed class ClusterNames
{
    public const string Domain = "cluster.local";
    private const int Seconds = 5;
    private readonly ILookup<string, ServicePort> _services;
    private readonly IReadOnlyList<ServicePort> _table;

    public ClusterNames(IReadOnlyList<ServicePort> table) => (_table, _services) = (table, table.ToLookup(port => $"{port.Namespace}/{port.Name}"));

    /// <summary>A Service that is there and that the pod may not reach: whom it asked for, and a port of it; null: it is granted, or there is none of this name.</summary>
    public ServicePort? Withheld(PodReach reach, string name)
    {
        var labels = Labels(name);
        if (labels is not [.., var service, var home, "svc"] || reach.Reaches($"{home}/{service}")) return null;
        return _services[$"{home}/{service}"].FirstOrDefault();
    }

    /// <summary>A Service that is granted by its name and is not there, <c>namespace/name</c>; null: there is one, or it is not granted.</summary>
    public string? Missing(PodReach reach, string name) =>
        Labels(name) is [.., var service, var home, "svc"] && reach.Grants($"{home}/{service}") && !_services.Contains($"{home}/{service}") ? $"{home}/{service}" : null;

    /// <summary>null: the name is not one of the cluster's.</summary>
    public DnsAnswer? Answer(PodReach reach, DnsQuestion question)
    {
        var name = question.Name.ToLowerInvariant();
        if (name.EndsWith(".in-addr.arpa", StringComparison.Ordinal)) return Backwards(reach, question, name[..^13]);
        if (name == Domain) return DnsAnswer.Nothing;
        if (Labels(name) is not { } labels) return null;
        if (labels is ["dns-version"]) return question.Type is RecordType.Txt or RecordType.Any ? Records(new DnsRecord(question.Name, RecordType.Txt, [5, .. "1.1.0"u8], Seconds)) : DnsAnswer.Nothing;
        if (labels is not [.. var rest, var service, var home, "svc"]) return Empty(reach, labels) ? DnsAnswer.Nothing : DnsAnswer.NoSuchName;
        var full = $"{home}/{service}";
        var ports = _services[full].ToList();
        if (!reach.Reaches(full)) return rest is [var pod] ? OfGrantedPods(reach, question, ports, pod) : DnsAnswer.NoSuchName;
        if (ports.Count == 0) return DnsAnswer.NoSuchName;
        if (ports[0].ExternalName.Length > 0) return rest.Length > 0 ? DnsAnswer.NoSuchName : Records(new DnsRecord(question.Name, RecordType.Cname, DnsMessage.Encode(ports[0].ExternalName.TrimEnd('.')), Seconds));
        return rest switch
        {
            [] => Addresses(question, ports[0].ClusterAddress.Length > 0 ? [ports[0].ClusterAddress] : ports.SelectMany(port => port.Endpoints).Select(endpoint => endpoint.Address)),
            [var port, var protocol] when port.StartsWith('_') && protocol.StartsWith('_') => Ports(reach, question, ports, $"{service}.{home}.svc.{Domain}", port[1..], protocol[1..].ToUpperInvariant()),
            [var host] when ports[0].ClusterAddress.Length == 0 => Addresses(question, ports.SelectMany(port => port.Endpoints).Where(endpoint => Host(endpoint) == host).Select(endpoint => endpoint.Address)) is { Code: ResponseCode.NoError } found ? found : DnsAnswer.NoSuchName,
            _ => DnsAnswer.NoSuchName,
        };
    }

    /// <summary>The labels in front of the domain; null: it is another.</summary>
    private static string[]? Labels(string name)
    {
        name = name.ToLowerInvariant();
        return name.EndsWith("." + Domain, StringComparison.Ordinal) ? name[..^(Domain.Length + 1)].Split('.') : null;
    }

    /// <summary>Between the domain and what has a name there is nothing, which is not the same as no name.</summary>
    private bool Empty(PodReach reach, string[] labels) => labels is ["svc"] || labels is [var home, "svc"] && _table.Any(port => port.Namespace == home && reach.Reaches($"{home}/{port.Name}"));

    /// <summary>A pod of a headless Service that is granted by its labels and not by the Service.</summary>
    private DnsAnswer OfGrantedPods(PodReach reach, DnsQuestion question, List<ServicePort> ports, string host)
    {
        var granted = _table.Where(reach.ReachesPods).SelectMany(entry => entry.Endpoints).Select(endpoint => endpoint.Address).ToHashSet();
        return Addresses(question, ports.Where(port => port.ClusterAddress.Length == 0).SelectMany(port => port.Endpoints).Where(endpoint => Host(endpoint) == host && granted.Contains(endpoint.Address)).Select(endpoint => endpoint.Address));
    }

    private static string Host(Endpoint endpoint) => endpoint.Hostname.Length > 0 ? endpoint.Hostname : endpoint.Address.Replace('.', '-');

    private static DnsAnswer Records(params DnsRecord[] records) => new(ResponseCode.NoError, records, []);

    /// <summary>No address: no such name. Of another type there is nothing.</summary>
    private static DnsAnswer Addresses(DnsQuestion question, IEnumerable<string> addresses)
    {
        var found = addresses.Distinct().Select(address => Address(question.Name, address)).OfType<DnsRecord>().ToArray();
        if (found.Length == 0) return DnsAnswer.NoSuchName;
        Random.Shared.Shuffle(found); // whoever takes the first takes another one each time
        return question.Type is RecordType.A or RecordType.Any ? Records(found) : DnsAnswer.Nothing;
    }

    private static DnsRecord? Address(string name, string address) =>
        IPAddress.TryParse(address, out var parsed) && parsed.AddressFamily == AddressFamily.InterNetwork ? new DnsRecord(name, RecordType.A, parsed.GetAddressBytes(), Seconds) : null;

    private static DnsAnswer Ports(PodReach reach, DnsQuestion question, List<ServicePort> ports, string service, string name, string protocol)
    {
        var named = ports.Where(port => port.PortName == name && (port.Protocol == "UDP" ? "UDP" : "TCP") == protocol && reach.Reaches($"{port.Namespace}/{port.Name}", port)).ToList();
        if (named.Count == 0) return DnsAnswer.NoSuchName;
        if (question.Type is not (RecordType.Srv or RecordType.Any)) return DnsAnswer.Nothing;
        var targets = named.SelectMany(port => port.ClusterAddress.Length > 0 ? [(Target: service, Address: port.ClusterAddress, port.Port)] : port.Endpoints.Select(endpoint => (Target: $"{Host(endpoint)}.{service}", endpoint.Address, endpoint.Port))).ToList();
        if (targets.Count == 0) return DnsAnswer.NoSuchName;
        return new DnsAnswer(ResponseCode.NoError, [.. targets.Select(target => new DnsRecord(question.Name, RecordType.Srv, Srv(target.Port, target.Target), Seconds))],
            [.. targets.DistinctBy(target => target.Target).Select(target => Address(target.Target, target.Address)).OfType<DnsRecord>()]);
    }

    /// <summary>RFC 2782: priority, weight, port, target.</summary>
    private static byte[] Srv(int port, string target)
    {
        var name = DnsMessage.Encode(target);
        var data = new byte[6 + name.Length];
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(2), 1);
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(4), (ushort)port);
        name.CopyTo(data, 6);
        return data;
    }

    private DnsAnswer Backwards(PodReach reach, DnsQuestion question, string reversed)
    {
        var address = string.Join('.', reversed.Split('.').Reverse());
        var names = _table.Where(port => reach.Reaches($"{port.Namespace}/{port.Name}") && port.ExternalName.Length == 0).SelectMany(port =>
        {
            var service = string.Create(CultureInfo.InvariantCulture, $"{port.Name}.{port.Namespace}.svc.{Domain}");
            return port.ClusterAddress.Length > 0 ? port.ClusterAddress == address ? [service] : [] : port.Endpoints.Where(endpoint => endpoint.Address == address).Select(endpoint => $"{Host(endpoint)}.{service}");
        }).Distinct().ToList();
        if (names.Count == 0) return DnsAnswer.NoSuchName;
        return question.Type is RecordType.Ptr or RecordType.Any ? Records([.. names.Select(name => new DnsRecord(question.Name, RecordType.Ptr, DnsMessage.Encode(name), Seconds))]) : DnsAnswer.Nothing;
    }
}
