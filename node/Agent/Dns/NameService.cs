using System.Net;
using System.Net.Sockets;
using Eyrie.Manifests.Permissions;
using Eyrie.Microkernel.Client;

namespace Eyrie.Node.Dns;

/// <summary>Answers the pods of this node: names of the cluster from the table of Services, names outside from the host's resolver, each pod as far as it may reach what is named.</summary>
/// <param name="options">Where it answers, and the host's resolver.</param>
/// <param name="pod">The pod of an address of this node; null: none has it.</param>
public sealed class NameService(NodeOptions options, Func<string, PodWorker?> pod) : IAsyncDisposable
{
    private volatile ClusterNames _table = new([]);
    private DnsServer? _dns;
    private HostNames? _hosts;

    /// <summary>What the cluster's names mean.</summary>
    public ClusterNames Table { set => _table = value; }

    /// <summary>Addresses outside that pods were told, for the network server; null: names outside are not answered.</summary>
    public IReadOnlyList<string>? Pins => _hosts?.Pins;

    /// <param name="pinned">Tells the network server when <see cref="Pins"/> are others.</param>
    public void Start(Func<Task> pinned)
    {
        var dns = new DnsServer(IPAddress.Parse(options.DnsAddress), (from, question) => AnswerAsync(from.ToString(), question));
        if (options.Resolver is { } resolver) _hosts = new HostNames(new UpstreamResolver(resolver).AskAsync, pinned, new SteadyClock(TimeProvider.System));
        try
        {
            dns.Start();
            _dns = dns;
        }
        catch (SocketException exception)
        {
            Console.Error.WriteLine($"eyrie-node: names are not answered: {options.DnsAddress}:{DnsServer.Port} cannot be had ({exception.Message}); another agent with this index may run");
        }
    }

    /// <summary>The name service in the table of Services, for those who are granted names.</summary>
    public IEnumerable<Eyrie.Microkernel.Client.ServiceEntry> Entries()
    {
        var name = ClusterDns.Service.Split('/');
        foreach (bool udp in new[] { true, false })
            yield return new Eyrie.Microkernel.Client.ServiceEntry(name[0], name[1], options.DnsAddress, ClusterDns.Port, "dns", [new ServiceEndpoint(options.DnsAddress, ClusterDns.Port)]) { Udp = udp };
    }

    /// <summary>null: no pod of this node has the address.</summary>
    private async ValueTask<DnsAnswer?> AnswerAsync(string address, DnsQuestion question)
    {
        if (pod(address) is not { } worker) return null;
        Metrics.NameQuestions.Inc();
        var (names, reach) = (_table, worker.Reach);
        if (names.Withheld(reach, question.Name) is { } withheld) worker.NameWithheld(question.Name, withheld);
        if (names.Missing(reach, question.Name) is { } missing) worker.ServiceMissing(missing);
        return await WithTargetAsync(await OneAsync(question));

        async ValueTask<DnsAnswer> OneAsync(DnsQuestion asked) => names.Answer(reach, asked) ?? (reach.ReachesHost(asked.Name) ? await OutsideAsync(worker, asked) : DnsAnswer.NoSuchName);

        // Programs do not follow another name by themselves: what it leads to comes along, as far as the pod may reach it.
        async ValueTask<DnsAnswer> WithTargetAsync(DnsAnswer answer)
        {
            int at = 0;
            if (question.Type is not (RecordType.A or RecordType.Aaaa) || answer.Records is not [{ Type: RecordType.Cname } alias] || DnsMessage.Name(alias.Data, ref at) is not { } target) return answer;
            var further = await OneAsync(question with { Name = target });
            return answer with { Records = [alias, .. further.Records] };
        }
    }

    private async ValueTask<DnsAnswer> OutsideAsync(PodWorker worker, DnsQuestion question)
    {
        if (_hosts is not { } hosts) return DnsAnswer.Of(ResponseCode.ServerFailure);
        if (await hosts.ResolveAsync(question.Name.ToLowerInvariant(), CancellationToken.None) is not var (addresses, seconds)) return DnsAnswer.Of(ResponseCode.ServerFailure);
        if (addresses.Count == 0) return DnsAnswer.NoSuchName;
        worker.Resolved.Learn(question.Name, addresses);
        return question.Type is RecordType.A or RecordType.Any ? new DnsAnswer(ResponseCode.NoError, [.. addresses.Select(address => new DnsRecord(question.Name, RecordType.A, address.GetAddressBytes(), seconds))], []) : DnsAnswer.Nothing;
    }

    public async ValueTask DisposeAsync()
    {
        if (_dns is { } dns) await dns.DisposeAsync();
        _hosts?.Dispose();
    }
}
