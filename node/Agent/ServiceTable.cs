using Eyrie.Microkernel.Client;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Dns;

namespace Eyrie.Node;

/// <summary>The table of Services as the control plane told it last: the network server resolves with it, the node's names are answered from it, and clients on the host enter by it.</summary>
public sealed class ServiceTable(int clusterOctet, KernelProcess kernel, NameService names, Action<NodeMessage> report) : IAsyncDisposable
{
    private readonly ServiceEntry _entry = new(clusterOctet, told => report(new NodeMessage { ServiceEvent = told }));
    private readonly SemaphoreSlim _one = new(1, 1);
    private volatile Services? _services;

    /// <summary>Takes another table.</summary>
    public async Task ApplyAsync(Services services)
    {
        _services = services;
        await _one.WaitAsync();
        try
        {
            await kernel.Service.SetServicesAsync([.. names.Entries(), .. services.Ports.Where(port => port.Port > 0).Select(port => new Eyrie.Microkernel.Client.ServiceEntry(port.Namespace, port.Name, port.ClusterAddress, port.Port, port.PortName,
                [.. port.Endpoints.Select(endpoint => new ServiceEndpoint(endpoint.Address, endpoint.Port))]) { Udp = port.Protocol == "UDP", Affinity = TimeSpan.FromSeconds(port.AffinitySeconds) })], CancellationToken.None, services.Closed, names.Pins);
            names.Table = new ClusterNames(services.Ports);
            _entry.Apply(services.Ports);
            report(new NodeMessage { ServicesApplied = new ServicesApplied { Revision = services.Revision } });
        }
        catch (Exception exception) when (exception is ContainerServiceException or IOException)
        {
            Console.Error.WriteLine($"eyrie-node: the table of Services {services.Revision} was not taken: {exception.Message}");
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>Tells the network server the table once more, if there is one: it is another's, or the pinned addresses are others.</summary>
    public Task AgainAsync() => _services is { } services ? ApplyAsync(services) : Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _entry.DisposeAsync();
    }
}
