using System.Globalization;
using System.Net.Sockets;

namespace Eyrie.Node;

/// <summary>
/// The nodes of a cluster on one machine have its localhost in common, so one of them serves a node port, and another when that one has gone. The abstract socket name <c>eyrie-node-port-CLUSTER-PORT</c>
/// (unix(7)) says who: it ends with its holder. Whoever holds it and finds the port taken has met a stranger.
/// </summary>
public sealed class NodePortClaim : IDisposable
{
    private readonly Socket _name;

    private NodePortClaim(Socket name) => _name = name;

    /// <summary>Null: another node of the cluster has it.</summary>
    public static NodePortClaim? Take(int clusterOctet, int port)
    {
        var name = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            name.Bind(new UnixDomainSocketEndPoint(string.Create(CultureInfo.InvariantCulture, $"\0eyrie-node-port-{clusterOctet}-{port}")));
            return new NodePortClaim(name);
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            name.Dispose();
            return null;
        }
    }

    public void Dispose() => _name.Dispose();
}
