using System.Net;
using System.Net.Sockets;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>What a container sees of a Service some of whose endpoints died before the table without them came.</summary>
public sealed class ServiceConnectTests : IAsyncLifetime
{
    private const string Grant = "connect tcp service default/one 80";
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly TcpListener _alive = new(IPAddress.Loopback, 0);
    private readonly List<Socket> _dead = [];
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        _alive.Start();
        _ = AnswerAsync();
    }

    public async Task DisposeAsync()
    {
        _alive.Dispose();
        foreach (var bound in _dead) bound.Dispose();
        await _kernel.DisposeAsync();
    }

    private async Task AnswerAsync()
    {
        while (true)
        {
            try
            {
                using var client = await _alive.AcceptSocketAsync();
                await client.SendAsync("alive\n"u8.ToArray());
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return; // the test is over
            }
        }
    }

    /// <summary>Ports of this host on which nobody listens, nor anybody else comes to: they are bound.</summary>
    private IReadOnlyList<int> Dead(int count)
    {
        for (int i = 0; i < count; i++)
        {
            var bound = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            bound.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _dead.Add(bound);
        }
        return [.. _dead.Select(bound => ((IPEndPoint)bound.LocalEndPoint!).Port)];
    }

    private Task ServeAsync(IEnumerable<int> ports) => _kernel.Service.SetServicesAsync([new ServiceEntry("default", "one", "127.79.0.10", 80, "", [.. ports.Select(port => new ServiceEndpoint("127.0.0.1", port))])], None);

    [Fact]
    public async Task A_connect_that_an_endpoint_refuses_goes_to_the_next_one()
    {
        await ServeAsync(Dead(5).Append(((IPEndPoint)_alive.LocalEndpoint).Port));
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("for i in 1 2 3 4 5 6 7 8 9 10; do nc 127.79.0.10 80 </dev/null || exit 1; done", Grant));
        Assert.True(exit.ExitCode == 0, output);
        Assert.Equal(10, output.Split('\n').Count(line => line == "alive"));
    }

    [Fact]
    public async Task A_connect_that_every_endpoint_refuses_is_refused()
    {
        await ServeAsync(Dead(3));
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("nc 127.79.0.10 80 </dev/null", Grant));
        Assert.Equal(1, exit.ExitCode);
        Assert.EndsWith("Connection refused", output, StringComparison.Ordinal);
    }

    /// <summary>Ports of this host at which a pod's connect has not been answered (SYN_SENT, proc(5)).</summary>
    private static IEnumerable<int> Unanswered(string pod)
    {
        var local = Convert.ToHexString([.. IPAddress.Parse(pod).GetAddressBytes().Reverse()]) + ":";
        return File.ReadLines("/proc/net/tcp").Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(fields => fields[3] == "02" && fields[1].StartsWith(local, StringComparison.Ordinal)).Select(fields => Convert.ToInt32(fields[2].Split(':')[1], 16));
    }

    [Fact]
    public async Task A_connect_that_nobody_answers_holds_up_no_other_container()
    {
        using var full = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        full.Listen(0);
        int port = ((IPEndPoint)full.LocalEndPoint!).Port;
        var waiting = Enumerable.Range(0, 8).Select(_ => new TcpClient()).ToList();
        foreach (var client in waiting) _ = client.ConnectAsync(IPAddress.Loopback, port).ContinueWith(ended => ended.Exception, TaskScheduler.Default); // most never are
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "one", "127.79.0.10", 80, "", [new("127.0.0.1", ((IPEndPoint)_alive.LocalEndpoint).Port)]), new ServiceEntry("default", "two", "127.79.0.11", 80, "", [new("127.0.0.1", port)])], None);
        var slow = await _kernel.StartScriptAsync("nc 127.79.0.11 80 </dev/null; echo over", "connect tcp service default/two 80");
        await _kernel.UntilAsync(() => Unanswered(slow.PodAddress).Contains(port), "a connect that nobody answers");
        // The first of each container goes to the network server, the others are made by the kernel.
        for (int container = 0; container < 3; container++)
        {
            var (exit, output) = await _kernel.RunAsync(_kernel.Script("for i in 1 2 3 4 5; do nc 127.79.0.10 80 </dev/null || exit 1; done", Grant));
            Assert.Equal((0, "alive\nalive\nalive\nalive\nalive"), (exit.ExitCode, output));
        }
        Assert.Contains(port, Unanswered(slow.PodAddress));
        Assert.Equal("", _kernel.Log(slow));
        foreach (var client in waiting) client.Dispose();
    }

    [Fact]
    public async Task Connections_are_counted_by_the_grant_that_allowed_them()
    {
        const string unused = "connect tcp service default/one 81";
        await ServeAsync([((IPEndPoint)_alive.LocalEndpoint).Port]);
        var spec = _kernel.Script("for i in 1 2 3; do nc 127.79.0.10 80 </dev/null; done; nc 127.79.0.11 80 </dev/null; nc 10.1.2.3 80 </dev/null; true", Grant, unused, "connect tcp service default/two 80");
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "one", "127.79.0.10", 80, "", [new ServiceEndpoint("127.0.0.1", ((IPEndPoint)_alive.LocalEndpoint).Port)]), new ServiceEntry("default", "two", "127.79.0.11", 80, "", [])], None);
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        await _kernel.EventAsync<ContainerExited>(exit => exit.ContainerId == spec.Id);
        var peers = (await _kernel.Service.StatisticsAsync(spec.Id, None)).Peers;
        Assert.Equal([new PeerCounts(Grant, 3, 0), new PeerCounts("connect tcp service default/two 80", 0, 1)], peers.OrderBy(peer => peer.Entry, StringComparer.Ordinal));
        await _kernel.Service.DeleteAsync(spec.Id, None);
    }

    /// <summary>Says its name to whoever connects.</summary>
    private static TcpListener Named(string name)
    {
        var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        _ = Task.Run(async () =>
        {
            while (true)
            {
                try
                {
                    using var client = await listener.AcceptSocketAsync();
                    await client.SendAsync(System.Text.Encoding.ASCII.GetBytes(name + "\n"));
                }
                catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
                {
                    return; // the test is over
                }
            }
        });
        return listener;
    }

    private static int Port(TcpListener listener) => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>How often the network server has gone to sleep.</summary>
    private async Task<long> SleepsAsync() => long.Parse(File.ReadLines($"/proc/{await _kernel.ServerAsync("network")}/status").Single(line => line.StartsWith("voluntary_ctxt_switches:", StringComparison.Ordinal)).Split('\t')[1], System.Globalization.CultureInfo.InvariantCulture);

    private async Task<string> ConnectAsync(ContainerSpec container, int times)
    {
        await using var execution = await _kernel.Service.ExecAsync(container.Id, new ExecSpec { Arguments = ["sh", "-c", $"for i in $(seq {times}); do nc 127.79.0.10 80 </dev/null 2>&1; done"] }, None);
        using var reader = new StreamReader(execution.Output);
        return await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(60));
    }

    private async Task<ContainerSpec> StartAsync()
    {
        var container = _kernel.Script("sleep 1000", Grant);
        await _kernel.Service.CreateAsync(container, None);
        await _kernel.Service.StartAsync(container.Id, None);
        return container;
    }

    [Fact]
    public async Task Further_connects_do_not_wake_the_network_server_and_are_counted_as_those_that_do()
    {
        await ServeAsync([Port(_alive)]);
        var container = await StartAsync();
        Assert.Equal("alive\n", await ConnectAsync(container, 1));
        long sleeps = await SleepsAsync();
        Assert.Equal(20, (await ConnectAsync(container, 20)).Split('\n').Count(line => line == "alive"));
        Assert.InRange(await SleepsAsync() - sleeps, 0, 2);
        Assert.Equal([new PeerCounts(Grant, 21, 0)], (await _kernel.Service.StatisticsAsync(container.Id, None)).Peers);
    }

    [Fact]
    public async Task Connections_are_spread_over_all_endpoints_from_the_first_to_the_last()
    {
        using var one = Named("one");
        using var two = Named("two");
        await ServeAsync([Port(one), Port(two)]);
        var names = (await ConnectAsync(await StartAsync(), 40)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(40, names.Length);
        Assert.InRange(names.Count(name => name == "one"), 5, 35);
    }

    [Fact]
    public async Task An_endpoint_that_dies_between_two_connects_is_left_for_one_that_lives()
    {
        using var one = Named("one");
        using var two = Named("two");
        await ServeAsync([Port(one), Port(two)]);
        var container = await StartAsync();
        await ConnectAsync(container, 5);
        one.Dispose();
        Assert.Equal("two\ntwo\ntwo\ntwo\ntwo\ntwo\ntwo\ntwo\n", await ConnectAsync(container, 8));
        two.Dispose();
        Assert.EndsWith("Connection refused\n", await ConnectAsync(container, 1), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_next_connect_after_a_change_goes_by_what_is_true_then()
    {
        using var other = Named("other");
        await ServeAsync([Port(_alive)]);
        var container = await StartAsync();
        Assert.Equal("alive\nalive\n", await ConnectAsync(container, 2));
        await ServeAsync([Port(other)]);
        Assert.Equal("other\nother\n", await ConnectAsync(container, 2));
        await _kernel.Service.ChangeCapabilitiesAsync(container.Id, [], [Grant], None);
        Assert.EndsWith("Permission denied\n", await ConnectAsync(container, 1), StringComparison.Ordinal);
        await _kernel.Service.ChangeCapabilitiesAsync(container.Id, [Grant], [], None);
        Assert.Equal("other\nother\n", await ConnectAsync(container, 2));
        await _kernel.KillServerAsync("network");
        Assert.Equal("other\nother\n", await ConnectAsync(container, 2));
        await _kernel.KillKernelAsync();
        Assert.Equal("other\nother\n", await ConnectAsync(container, 2));
        await ServeAsync([]);
        Assert.EndsWith("Connection refused\n", await ConnectAsync(container, 1), StringComparison.Ordinal);
    }
}
