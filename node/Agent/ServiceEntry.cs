using System.Net;
using System.Net.Sockets;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Forwarding;

namespace Eyrie.Node;

/// <summary>
/// Answers for clients on the host, which no network server resolves for: a TCP forwarder to a ready endpoint, on each Service's cluster address, where every agent of a machine listens (SO_REUSEPORT), so that one may go,
/// and at its node port on localhost, where one does (<see cref="NodePortClaim"/>). A refused connect tries another endpoint, and so does a request that lost its own and may be asked again (<see cref="ForwardedConnection"/>). What cannot be listened on is tried again.
/// </summary>
/// <param name="clusterOctet">Which cluster of this machine.</param>
/// <param name="report">Told once of a node port that another program has, and when it is served after all.</param>
public sealed class ServiceEntry(int clusterOctet, Action<ServiceEvent> report) : IAsyncDisposable
{
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(2), Pause = TimeSpan.FromMilliseconds(200);

    private sealed record Listening(Socket Socket, NodePortClaim? Claim, Task Accepting)
    {
        public void Close()
        {
            Socket.Dispose();
            Claim?.Dispose();
        }
    }

    /// <summary>Where a Service answers.</summary>
    private sealed record Entrance(ServicePort Service, bool NodePort, IReadOnlyList<IPEndPoint> Endpoints)
    {
        public TimeSpan Affinity => TimeSpan.FromSeconds(Service.AffinitySeconds);
    }

    private readonly Dictionary<IPEndPoint, Listening> _listening = [];
    private readonly HashSet<IPEndPoint> _taken = [];
    private readonly ClientAffinity _affinity = new();
    private readonly Lock _lock = new();
    private volatile IReadOnlyDictionary<IPEndPoint, Entrance> _entrances = new Dictionary<IPEndPoint, Entrance>();
    private Timer? _again;

    public void Apply(IEnumerable<ServicePort> ports)
    {
        lock (_lock)
        {
            var entrances = new Dictionary<IPEndPoint, Entrance>();
            foreach (var port in ports.Where(port => port.Protocol != "UDP" && port.Port > 0))
            {
                IReadOnlyList<IPEndPoint> endpoints = [.. port.Endpoints.Select(endpoint => new IPEndPoint(IPAddress.Parse(endpoint.Address), endpoint.Port))];
                if (port.ClusterAddress.Length > 0) entrances[new IPEndPoint(IPAddress.Parse(port.ClusterAddress), port.Port)] = new Entrance(port, false, endpoints);
                if (port.NodePort > 0) entrances[new IPEndPoint(IPAddress.Loopback, port.NodePort)] = new Entrance(port, true, endpoints);
            }
            _entrances = entrances;
            foreach (var gone in _listening.Keys.Except(entrances.Keys).ToList())
                if (_listening.Remove(gone, out var listening)) listening.Close();
            _taken.IntersectWith(entrances.Keys);
            ListenAll();
            _again ??= new Timer(_ => { lock (_lock) if (_again is not null) ListenAll(); }, null, Again, Again);
        }
    }

    private void ListenAll()
    {
        foreach (var (at, entrance) in _entrances)
            if (!_listening.ContainsKey(at)) Listen(at, entrance);
    }

    private void Listen(IPEndPoint at, Entrance entrance)
    {
        const int SolSocket = 1, ReusePort = 15;
        var claim = entrance.NodePort ? NodePortClaim.Take(clusterOctet, at.Port) : null;
        if (entrance.NodePort && claim is null) return; // another node of this cluster serves it
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (!entrance.NodePort) socket.SetRawSocketOption(SolSocket, ReusePort, BitConverter.GetBytes(1));
            socket.Bind(at);
            socket.Listen(512);
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            claim?.Dispose();
            if (!_taken.Add(at)) return;
            Console.Error.WriteLine($"eyrie-node: {at} of Service {entrance.Service.Namespace}/{entrance.Service.Name} cannot be listened on: {exception.Message}");
            Tell(entrance.Service, "Warning", "NodePortTaken", $"{at} cannot be listened on ({exception.Message}): a program outside of this cluster has the port, which may be a second cluster. It is tried again every {Again.TotalSeconds:0} s; free the port, or choose another nodePort");
            return;
        }
        _listening[at] = new Listening(socket, claim, AcceptAsync(socket, at));
        if (_taken.Remove(at)) Tell(entrance.Service, "Normal", "NodePortServed", $"{at} is served now");

        void Tell(ServicePort service, string type, string reason, string message)
        {
            if (entrance.NodePort) report(new ServiceEvent { Namespace = service.Namespace, Name = service.Name, Type = type, Reason = reason, Message = message });
        }
    }

    private async Task AcceptAsync(Socket socket, IPEndPoint at)
    {
        while (true)
        {
            try
            {
                var client = await socket.AcceptAsync();
                _ = ForwardAsync(client, at);
            }
            catch (Exception exception) when (exception is ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted })
            {
                return; // the Service is gone
            }
            catch (SocketException exception)
            {
                Console.Error.WriteLine($"eyrie-node: nobody can be let in at {at} for the moment: {exception.Message}"); // descriptors have run out, say
                await Task.Delay(Pause);
            }
        }
    }

    private async Task ForwardAsync(Socket client, IPEndPoint at)
    {
        client.NoDelay = true;
        var address = ((IPEndPoint)client.RemoteEndPoint!).Address;
        using var forwarded = new ForwardedConnection(client, except => ConnectAsync(at, address, except));
        await forwarded.RunAsync();
    }

    /// <summary>Connects to an endpoint that the table has now and that is none of those; null: there is none.</summary>
    private async Task<EndpointConnection?> ConnectAsync(IPEndPoint at, IPAddress client, IReadOnlySet<IPEndPoint> except)
    {
        if (!_entrances.TryGetValue(at, out var entrance)) return null;
        foreach (var endpoint in Order(at, client, entrance).Where(endpoint => !except.Contains(endpoint)))
        {
            var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await server.ConnectAsync(endpoint);
            }
            catch (SocketException)
            {
                server.Dispose();
                continue; // it went between the table and now: the next one
            }
            if (entrance.Affinity > TimeSpan.Zero)
                lock (_affinity) _affinity.Keep(at, client, endpoint, entrance.Affinity, DateTimeOffset.UtcNow);
            return new EndpointConnection(server, endpoint);
        }
        return null;
    }

    private IEnumerable<IPEndPoint> Order(IPEndPoint at, IPAddress client, Entrance entrance)
    {
        var any = entrance.Endpoints.OrderBy(_ => Random.Shared.Next());
        if (entrance.Affinity == TimeSpan.Zero) return any;
        IPEndPoint? kept;
        lock (_affinity) kept = _affinity.Of(at, client, DateTimeOffset.UtcNow);
        return any.OrderByDescending(endpoint => endpoint.Equals(kept));
    }

    public async ValueTask DisposeAsync()
    {
        List<Listening> all;
        lock (_lock)
        {
            _again?.Dispose();
            _again = null;
            _entrances = new Dictionary<IPEndPoint, Entrance>();
            all = [.. _listening.Values];
            _listening.Clear();
        }
        foreach (var listening in all)
        {
            listening.Close();
            await listening.Accepting;
        }
    }
}
