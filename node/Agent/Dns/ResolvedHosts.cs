using System.Net;
using Eyrie.Manifests.Permissions;

namespace Eyrie.Node.Dns;

/// <summary>Which names outside a pod was given addresses for: what it then uses is named as a manifest would, by the host and not by an address that changes.</summary>
public sealed class ResolvedHosts
{
    private const int Most = 1_000;
    private readonly Dictionary<IPAddress, string> _names = [];

    public void Learn(string name, IEnumerable<IPAddress> addresses)
    {
        lock (_names)
            foreach (var address in addresses)
                if (_names.Count < Most || _names.ContainsKey(address)) _names[address] = name.TrimEnd('.').ToLowerInvariant();
    }

    /// <summary>The entry of a host where one address was asked for that is known from its name; otherwise the same.</summary>
    public string Named(string line)
    {
        if (!CapabilityEntry.TryParse(line, out var entry) || entry is not CapabilityEntry.ConnectRange { Network.PrefixLength: 32 } range) return line;
        lock (_names) return _names.TryGetValue(range.Network.BaseAddress, out var name) && CapabilityEntry.IsHost(name) ? new CapabilityEntry.ConnectHost(name, range.Ports, range.Protocol).ToString() : line;
    }
}
