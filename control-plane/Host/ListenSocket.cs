using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Eyrie.ControlPlane.Api;

namespace Eyrie.ControlPlane.Host;

/// <summary>The address that the API is served at is taken before anything is told of it, and kept: nobody else can have it meanwhile.</summary>
public static class ListenSocket
{
    private const string EphemeralPorts = "/proc/sys/net/ipv4/ip_local_port_range";
    private const int First = 20_000, Tries = 100;

    /// <summary>Binds an address.</summary>
    /// <param name="address">Port 0: one that is free, not among those which the host gives to connections (ip(7), ip_local_port_range), so that it is still to be had after a restart.</param>
    /// <exception cref="SocketException">Another process has it.</exception>
    public static Socket Bind(IPEndPoint address)
    {
        if (address.Port != 0) return Bound(address.Address, address.Port);
        var given = File.ReadAllText(EphemeralPorts).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(port => int.Parse(port, CultureInfo.InvariantCulture)).ToArray();
        var candidates = Enumerable.Range(First, NodePorts.First - First).Where(port => port < given[0] || port > given[1]).ToArray();
        for (int attempt = 0; attempt < Tries && candidates.Length > 0; attempt++)
            try
            {
                return Bound(address.Address, Random.Shared.GetItems(candidates, 1)[0]);
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // Another one.
            }
        return Bound(address.Address, 0);
    }

    private static Socket Bound(IPAddress address, int port)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        if (address.Equals(IPAddress.IPv6Any)) socket.DualMode = true; // IPv4 as well
        try
        {
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen(); // two that are only bound may have the same port
            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }
    }
}
