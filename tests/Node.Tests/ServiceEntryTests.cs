using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Eyrie.Node.Contract.V1;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.Node.Tests;

/// <summary>Services for clients on the host: real sockets on loopback, on a node port that is free on this machine.</summary>
public sealed class ServiceEntryTests : IDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly List<TcpListener> _servers = [.. Enumerable.Range(0, 4).Select(_ => Server())];

    public void Dispose()
    {
        foreach (var server in _servers) server.Dispose();
    }

    private static TcpListener Server()
    {
        var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        _ = AnswerAsync(server);
        return server;
    }

    private static async Task AnswerAsync(TcpListener server)
    {
        while (true)
        {
            try
            {
                using var client = await server.AcceptSocketAsync();
                await client.SendAsync(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{((IPEndPoint)server.LocalEndpoint).Port}")));
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return; // the test is over
            }
        }
    }

    private ServicePort Service(int nodePort, int affinity = 0)
    {
        var service = new ServicePort { Namespace = "default", Name = "door", Port = 80, NodePort = nodePort, AffinitySeconds = affinity };
        service.Endpoints.AddRange(_servers.Select(server => new Endpoint { Address = "127.0.0.1", Port = ((IPEndPoint)server.LocalEndpoint).Port }));
        return service;
    }

    /// <summary>What a server behind the port said; empty: nobody is there.</summary>
    private static async Task<string> AskAsync(int port)
    {
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, port);
            var buffer = new byte[16];
            return Encoding.ASCII.GetString(buffer, 0, await client.ReceiveAsync(buffer));
        }
        catch (SocketException)
        {
            return "";
        }
    }

    private static async Task UntilAsync(Func<Task<bool>> reached, string what)
    {
        var deadline = DateTimeOffset.UtcNow.AddSeconds(20);
        while (!await reached())
        {
            Assert.True(DateTimeOffset.UtcNow < deadline, "waited 20 s for " + what);
            await Task.Delay(50);
        }
    }

    [Fact]
    public async Task A_node_port_is_served_by_one_node_of_the_cluster_and_by_another_when_that_one_goes()
    {
        var told = new ConcurrentQueue<ServiceEvent>();
        int port = FreePorts.Next();
        var first = new ServiceEntry(79, told.Enqueue);
        await using var second = new ServiceEntry(79, told.Enqueue);
        first.Apply([Service(port)]);
        second.Apply([Service(port)]);
        Assert.NotEqual("", await AskAsync(port));
        await first.DisposeAsync();
        await UntilAsync(async () => await AskAsync(port) != "", "the second node to serve the port");
        Assert.Empty(told);
        second.Apply([]);
        Assert.Equal("", await AskAsync(port));
    }

    [Fact]
    public async Task A_port_that_another_cluster_has_is_told_once_and_served_when_it_is_free()
    {
        var told = new ConcurrentQueue<ServiceEvent>();
        int port = FreePorts.Next();
        var theirs = new ServiceEntry(78, _ => { });
        theirs.Apply([Service(port)]);
        await using var ours = new ServiceEntry(79, told.Enqueue);
        ours.Apply([Service(port)]);
        ours.Apply([Service(port)]);
        var taken = Assert.Single(told);
        Assert.Equal(("default", "door", "Warning", "NodePortTaken"), (taken.Namespace, taken.Name, taken.Type, taken.Reason));
        Assert.StartsWith($"127.0.0.1:{port} cannot be listened on", taken.Message, StringComparison.Ordinal);
        await theirs.DisposeAsync();
        await UntilAsync(() => Task.FromResult(told.Count == 2), "the port to be served after all");
        Assert.Equal("NodePortServed", told.Last().Reason);
        Assert.NotEqual("", await AskAsync(port));
    }

    [Fact]
    public async Task With_affinity_a_client_stays_with_one_endpoint_and_without_it_is_spread()
    {
        int port = FreePorts.Next();
        await using var entry = new ServiceEntry(79, _ => { });
        foreach (var (affinity, one) in new[] { (60, true), (0, false) })
        {
            entry.Apply([Service(port, affinity)]);
            var answers = new HashSet<string>();
            for (int i = 0; i < 20; i++) answers.Add(await AskAsync(port));
            Assert.DoesNotContain("", answers);
            Assert.Equal(one, answers.Count == 1);
        }
    }

    [Fact]
    public void An_endpoint_is_kept_until_the_time_after_the_last_connection_has_passed()
    {
        var affinity = new ClientAffinity(limit: 2);
        IPEndPoint at = new(IPAddress.Loopback, 30080), endpoint = new(IPAddress.Loopback, 1);
        var client = IPAddress.Parse("127.0.0.9");
        affinity.Keep(at, client, endpoint, TimeSpan.FromSeconds(10), Start);
        Assert.Equal(endpoint, affinity.Of(at, client, Start.AddSeconds(9)));
        affinity.Keep(at, client, endpoint, TimeSpan.FromSeconds(10), Start.AddSeconds(9));
        Assert.Equal(endpoint, affinity.Of(at, client, Start.AddSeconds(18)));
        Assert.Null(affinity.Of(at, client, Start.AddSeconds(19)));
        Assert.Null(affinity.Of(at, IPAddress.Loopback, Start.AddSeconds(9)));
        for (byte i = 10; i < 13; i++) affinity.Keep(at, new IPAddress([127, 0, 0, i]), endpoint, TimeSpan.FromSeconds(10), Start.AddSeconds(20));
        Assert.Equal(endpoint, affinity.Of(at, IPAddress.Parse("127.0.0.12"), Start.AddSeconds(21)));
    }
}
