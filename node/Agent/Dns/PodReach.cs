using Eyrie.Manifests.Permissions;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Node.Dns;

/// <summary>What the containers of one pod may reach together, as far as names go: they ask from one address. Pure.</summary>
public sealed class PodReach
{
    private readonly HashSet<string> _services = [];
    private readonly HashSet<(string Service, int Port, string Protocol)> _ports = [];
    private readonly HashSet<(string Namespace, string Pods)> _pods = [];
    private readonly HashSet<string> _hosts = [];
    private readonly bool _all;

    /// <param name="lines">Entries of the pod's sets.</param>
    public PodReach(IEnumerable<string> lines)
    {
        foreach (var line in lines)
        {
            if (!CapabilityEntry.TryParse(line, out var entry)) continue;
            switch (entry is CapabilityEntry.Audit audited ? audited.Bound : entry)
            {
                case CapabilityEntry.ConnectAny: _all = true; break;
                case CapabilityEntry.ConnectService service:
                    _services.Add(service.Service);
                    _ports.Add((service.Service, service.Port, service.Protocol.Manifest()));
                    break;
                case CapabilityEntry.ConnectHost host: _hosts.Add(host.Host); break;
                case CapabilityEntry.ConnectPods pods: _pods.Add((pods.Namespace, pods.Pods.ToString())); break;
            }
        }
    }

    /// <param name="service"><c>namespace/name</c>.</param>
    public bool Reaches(string service) => _all || _services.Contains(service);

    /// <summary>Whether a Service is granted by its name, and not because everything is.</summary>
    public bool Grants(string service) => _services.Contains(service);

    public bool Reaches(string service, ServicePort port) => _all || _ports.Contains((service, port.Port, port.Protocol == "UDP" ? "UDP" : "TCP"));

    /// <summary>A name outside the cluster, in whatever letters.</summary>
    public bool ReachesHost(string name) => _all || _hosts.Contains(name.ToLowerInvariant());

    /// <summary>Whether an entry of the table is of pods that are granted by their labels.</summary>
    public bool ReachesPods(ServicePort entry) => _pods.Contains((entry.Namespace, entry.Name));
}
