using System.Net;
using System.Net.Sockets;

namespace Eyrie.Tests;

/// <summary>Ports for servers that are started later than their port is chosen, or started again.</summary>
public static class FreePorts
{
    private static int _last = Random.Shared.Next(10_000, 19_000);

    /// <summary>Below the ports that the host gives to whoever asks for any one (ip(7), ip_local_port_range): no connection or listener has it before the server does, or while the server is away. Each is given once.</summary>
    public static int Next()
    {
        while (true)
        {
            int port = Interlocked.Increment(ref _last);
            using var probe = new TcpListener(IPAddress.Any, port);
            try
            {
                probe.Start();
                return port;
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // Somebody has it: the next.
            }
        }
    }
}
