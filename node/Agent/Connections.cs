using System.Globalization;
using System.Net;

namespace Eyrie.Node;

/// <summary>Established TCP connections by local address, from /proc/net/tcp (proc_net_tcp(5)).</summary>
public static class Connections
{
    /// <summary>How many connections stand at an address of this node.</summary>
    public static int Count(string address)
    {
        var bytes = IPAddress.Parse(address).GetAddressBytes();
        var wanted = string.Concat(bytes.Reverse().Select(value => value.ToString("X2", CultureInfo.InvariantCulture)));
        return File.ReadLines("/proc/net/tcp").Skip(1).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Count(fields => fields.Length > 3 && fields[3] == "01" && fields[1].StartsWith(wanted, StringComparison.Ordinal));
    }
}
