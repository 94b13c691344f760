using System.Net;
using System.Net.Sockets;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Taking a grant away ends what lives by it, and nothing else.</summary>
public sealed class LiveRevocationTests : IAsyncLifetime
{
    private const string One = "connect tcp service default/one 80", Two = "connect tcp service default/two 80";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly TcpListener _one = new(IPAddress.Loopback, 0), _two = new(IPAddress.Loopback, 0);
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        _one.Start();
        _two.Start();
        static ServiceEndpoint At(TcpListener listener) => new("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port);
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "one", "127.79.0.10", 80, "", [At(_one)]), new ServiceEntry("default", "two", "127.79.0.11", 80, "", [At(_two)])], None);
    }

    public async Task DisposeAsync()
    {
        _one.Dispose();
        _two.Dispose();
        await _kernel.DisposeAsync();
    }

    private async Task<ContainerSpec> StartAsync(string script, params string[] entries)
    {
        var spec = _kernel.Script(script, entries);
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        return spec;
    }

    private static async Task<bool> EndsAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1]).WaitAsync(Deadline) == 0;
        }
        catch (SocketException exception) when (exception.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
        {
            return true;
        }
    }

    /// <summary>A byte goes through and the other side answers nothing wrong.</summary>
    private static async Task<bool> LivesAsync(Socket socket)
    {
        try
        {
            await socket.SendAsync(new byte[] { 1 });
        }
        catch (SocketException)
        {
            return false;
        }
        return !(socket.Poll(TimeSpan.FromMilliseconds(50), SelectMode.SelectRead) && socket.Available == 0);
    }

    [Fact]
    public async Task Revoking_a_connect_ends_the_connections_it_allowed_in_every_process_of_the_container_and_no_others()
    {
        var container = await StartAsync("sleep 100 | nc 127.79.0.10 80 >/dev/null & sleep 100 | nc 127.79.0.11 80 >/dev/null & wait", One, Two);
        using var first = await _one.AcceptSocketAsync().WaitAsync(Deadline);
        using var second = await _two.AcceptSocketAsync().WaitAsync(Deadline);
        await using var execution = await _kernel.Service.ExecAsync(container.Id, new ExecSpec { Arguments = ["sh", "-c", "sleep 100 | nc 127.79.0.10 80"] }, None);
        using var executed = await _one.AcceptSocketAsync().WaitAsync(Deadline);
        await StartAsync("sleep 100 | nc 127.79.0.10 80 >/dev/null", One);
        using var neighbour = await _one.AcceptSocketAsync().WaitAsync(Deadline);

        await _kernel.Service.ChangeCapabilitiesAsync(container.Id, [], [One], None);
        Assert.True(await EndsAsync(first));
        Assert.True(await EndsAsync(executed));
        Assert.True(await LivesAsync(second), "a connection of another grant was ended");
        Assert.True(await LivesAsync(neighbour), "a connection of another container was ended");
    }

    [Theory]
    [InlineData("waits", false)]
    [InlineData("waits", true)]
    [InlineData("returns", false)]
    [InlineData("returns", true)]
    public async Task A_connection_lives_by_the_grant_that_made_it_whatever_its_socket_is_connected_to_next(string how, bool answered)
    {
        File.Copy(Path.Combine(RunningKernel.Binaries, "../../tests/NetworkLoad/bin/networkload"), Path.Combine(_kernel.Root, "images/busybox/bin/networkload"));
        var before = answered ? "nc 127.79.0.10 80 </dev/null; nc 127.79.0.11 80 </dev/null; " : "";
        var container = await StartAsync($"{before}exec networkload twice {how} 127.79.0.10 80 127.79.0.11 80", One, Two);
        foreach (var listener in answered ? new[] { _one, _two } : [])
        {
            using var earlier = await listener.AcceptSocketAsync().WaitAsync(Deadline);
        }
        using var connection = await _one.AcceptSocketAsync().WaitAsync(Deadline);
        for (var end = DateTime.UtcNow + Deadline; _kernel.Log(container).Split('\n').Length < 2 && DateTime.UtcNow < end;) await Task.Delay(10);
        Assert.Equal(how == "waits" ? "0\n-106" : "-115\n-106", _kernel.Log(container));
        await _kernel.Service.ChangeCapabilitiesAsync(container.Id, [], [Two], None);
        Assert.True(await LivesAsync(connection), "a grant that the connection was not made by ended it");
        await _kernel.Service.ChangeCapabilitiesAsync(container.Id, [], [One], None);
        Assert.True(await EndsAsync(connection));
    }

    [Fact]
    public async Task What_one_kernel_of_a_host_revokes_is_nothing_to_another()
    {
        await using var other = await RunningKernel.StartAsync();
        await other.Service.SetServicesAsync([new ServiceEntry("default", "one", "127.79.0.10", 80, "", [new("127.0.0.1", ((IPEndPoint)_one.LocalEndpoint).Port)])], None);
        const string script = "sleep 100 | nc 127.79.0.10 80 >/dev/null";
        var container = await StartAsync(script, One); // the same task and the same slot in both kernels
        using var first = await _one.AcceptSocketAsync().WaitAsync(Deadline);
        var elsewhere = other.Script(script, One);
        await other.Service.CreateAsync(elsewhere, None);
        await other.Service.StartAsync(elsewhere.Id, None);
        using var second = await _one.AcceptSocketAsync().WaitAsync(Deadline);

        await _kernel.Service.ChangeCapabilitiesAsync(container.Id, [], [One], None);
        Assert.True(await EndsAsync(first));
        Assert.True(await LivesAsync(second), "a connection of the other kernel's container was ended");
        await other.Service.ChangeCapabilitiesAsync(elsewhere.Id, [], [One], None);
        Assert.True(await EndsAsync(second));
    }

    [Fact]
    public async Task A_connection_is_over_within_100_milliseconds_of_its_grant()
    {
        var container = await StartAsync("sleep 100", One);
        var times = new List<double>();
        for (int i = 0; i < 9; i++)
        {
            await using var execution = await _kernel.Service.ExecAsync(container.Id, new ExecSpec { Arguments = ["sh", "-c", "sleep 100 | nc 127.79.0.10 80"] }, None);
            using var connection = await _one.AcceptSocketAsync().WaitAsync(Deadline);
            var clock = System.Diagnostics.Stopwatch.StartNew();
            await _kernel.Service.ChangeCapabilitiesAsync(container.Id, [], [One], None);
            Assert.True(await EndsAsync(connection));
            times.Add(clock.Elapsed.TotalMilliseconds);
            await _kernel.Service.ChangeCapabilitiesAsync(container.Id, [One], [], None);
        }
        Assert.True(times.Order().ElementAt(4) < 100, string.Join(", ", times));
    }

    [Fact]
    public async Task Revoking_a_listen_ends_what_was_accepted_and_takes_the_port_away()
    {
        var container = await StartAsync("nc -ll -p 8080 -e cat", "listen tcp 8080");
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        var address = new IPEndPoint(IPAddress.Parse(container.PodAddress), 8080);
        for (var end = DateTime.UtcNow + Deadline; !client.Connected;)
        {
            try
            {
                await client.ConnectAsync(address);
            }
            catch (SocketException) when (DateTime.UtcNow < end)
            {
                await Task.Delay(10); // it does not listen yet
            }
        }
        await client.SendAsync("x"u8.ToArray());
        Assert.Equal(1, await client.ReceiveAsync(new byte[1]).WaitAsync(Deadline));
        await _kernel.Service.ChangeCapabilitiesAsync(container.Id, [], ["listen tcp 8080"], None);
        Assert.True(await EndsAsync(client));
        using var another = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        Assert.Equal(SocketError.ConnectionRefused, (await Assert.ThrowsAsync<SocketException>(async () => await another.ConnectAsync(address))).SocketErrorCode);
    }
}
