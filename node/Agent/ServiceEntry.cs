using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Eyrie.Node.Contract.V1;

namespace Eyrie.Node;

/// <summary>
/// Answers on each Service's cluster address for clients on the host, which no network server resolves for: a TCP forwarder to a ready
/// endpoint. Every agent of a machine listens (SO_REUSEPORT), so one may go. A refused connect tries another endpoint.
/// </summary>
public sealed class ServiceEntry : IAsyncDisposable
{
    private sealed record Listening(Socket Socket, Task Accepting);

    private readonly ConcurrentDictionary<(string Address, int Port), Listening> _listening = new();
    private volatile IReadOnlyDictionary<(string, int), IReadOnlyList<IPEndPoint>> _endpoints = new Dictionary<(string, int), IReadOnlyList<IPEndPoint>>();

    public void Apply(IEnumerable<ServicePort> ports)
    {
        _endpoints = ports.Where(port => port.ClusterAddress.Length > 0 && port.Protocol != "UDP" && port.Port > 0).ToDictionary(port => (port.ClusterAddress, port.Port),
            port => (IReadOnlyList<IPEndPoint>)[.. port.Endpoints.Select(endpoint => new IPEndPoint(IPAddress.Parse(endpoint.Address), endpoint.Port))]);
        foreach (var gone in _listening.Keys.Except(_endpoints.Keys).ToList())
            if (_listening.TryRemove(gone, out var listening)) listening.Socket.Dispose();
        foreach (var wanted in _endpoints.Keys.Except(_listening.Keys).ToList()) Listen(wanted);
    }

    private void Listen((string Address, int Port) at)
    {
        const int SolSocket = 1, ReusePort = 15;
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.SetRawSocketOption(SolSocket, ReusePort, BitConverter.GetBytes(1));
            socket.Bind(new IPEndPoint(IPAddress.Parse(at.Address), at.Port));
            socket.Listen(512);
            _listening[at] = new Listening(socket, AcceptAsync(socket, at));
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            Console.Error.WriteLine($"eyrie-node: service address {at.Address}:{at.Port} cannot be listened on: {exception.Message}");
        }
    }

    private async Task AcceptAsync(Socket socket, (string, int) at)
    {
        while (true)
        {
            try
            {
                var client = await socket.AcceptAsync();
                _ = ForwardAsync(client, at);
            }
            catch (Exception exception) when (exception is ObjectDisposedException or SocketException)
            {
                return; // the Service is gone
            }
        }
    }

    private async Task ForwardAsync(Socket client, (string, int) at)
    {
        using (client)
        {
            client.NoDelay = true;
            foreach (var endpoint in (_endpoints.GetValueOrDefault(at) ?? []).OrderBy(_ => Random.Shared.Next()))
            {
                using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    await server.ConnectAsync(endpoint);
                }
                catch (SocketException)
                {
                    continue; // it went between the table and now: the next one
                }
                await Task.WhenAll(CopyAsync(client, server), CopyAsync(server, client));
                return;
            }
        }
    }

    private static async Task CopyAsync(Socket from, Socket to)
    {
        var buffer = new byte[1 << 15];
        try
        {
            for (int read; (read = await from.ReceiveAsync(buffer)) > 0;)
                for (int sent = 0; sent < read;) sent += await to.SendAsync(buffer.AsMemory(sent, read - sent));
            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            from.Close();
            to.Close(); // one side is gone; so is the connection
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var listening in _listening.Values)
        {
            listening.Socket.Dispose();
            await listening.Accepting;
        }
    }
}
