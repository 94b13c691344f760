using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Datagrams, with real sockets (tests/Datagrams): who may send to whom, who may answer, and that nothing gets past what was decided.</summary>
public sealed class DatagramTests : IAsyncLifetime
{
    private const string Service = "connect udp service default/echo 53";
    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../Datagrams/bin/datagrams"));
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private readonly Socket _granted = Bound(), _other = Bound();
    private RunningKernel _kernel = null!;

    private static Socket Bound()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }

    private static int Port(Socket socket) => ((IPEndPoint)socket.LocalEndPoint!).Port;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        File.Copy(Tool, Path.Combine(_kernel.Root, "images/busybox/bin/datagrams"));
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "echo", "127.79.0.10", 53, "", [new("127.0.0.1", Port(_granted))]) { Udp = true }, new ServiceEntry("default", "other", "127.79.0.11", 53, "", [new("127.0.0.1", Port(_other))]) { Udp = true },
            new ServiceEntry("default", "web", "127.79.0.10", 80, "", [new("127.0.0.1", Port(_other))])], None);
        _ = AnswerAsync();
    }

    public async Task DisposeAsync()
    {
        _granted.Dispose();
        _other.Dispose();
        await _kernel.DisposeAsync();
    }

    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _heard = new();

    private async Task AnswerAsync()
    {
        var buffer = new byte[65536];
        while (true)
        {
            try
            {
                var received = await _granted.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0));
                _heard.Enqueue(Encoding.ASCII.GetString(buffer.AsSpan(0, received.ReceivedBytes)));
                await _granted.SendToAsync(buffer.AsMemory(0, received.ReceivedBytes), received.RemoteEndPoint);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return; // the test is over
            }
        }
    }

    private async Task<ContainerSpec> StartAsync(ContainerSpec spec, string until = "listens")
    {
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        await SaysAsync(spec, until);
        return spec;
    }

    private async Task SaysAsync(ContainerSpec spec, string what)
    {
        for (var end = DateTime.UtcNow + Deadline; !_kernel.Log(spec).Split('\n').Contains(what); await Task.Delay(10))
            Assert.True(DateTime.UtcNow < end, $"waited for \"{what}\"; the container said: {_kernel.Log(spec)}");
    }

    [Theory]
    [InlineData("sendto")]
    [InlineData("sendmsg")]
    [InlineData("sendmmsg")]
    [InlineData("connect")]
    public async Task A_granted_Service_answers_and_anything_else_is_refused(string how)
    {
        var script = $"datagrams ask {how} 127.79.0.10 53 hello; datagrams ask {how} 127.79.0.11 53 hello; datagrams ask {how} 127.79.0.10 54 hello; datagrams ask {how} 8.8.8.8 53 hello";
        var container = await StartAsync(_kernel.Script(script + "; echo over; sleep 60", Service), "over");
        // The client of sendto hears from the endpoint, whose address it did not send to: a socket that is not connected takes that.
        Assert.Equal("hello\n-13\n-13\n-13\nover", _kernel.Log(container));
        Assert.Equal("connect udp service default/other 53", (await _kernel.EventAsync<CapabilityDenied>(denied => denied.Target.StartsWith("127.79.0.11", StringComparison.Ordinal))).MissingEntry);
    }

    [Theory]
    [InlineData("connect tcp service default/echo 53")]
    [InlineData("connect tcp cidr 0.0.0.0/0 1-65535")]
    [InlineData("listen tcp 53")]
    public async Task Without_a_grant_for_datagrams_there_are_no_datagram_sockets(string grant)
    {
        var (_, output) = await _kernel.RunAsync(_kernel.Script("datagrams ask sendto 127.79.0.10 53 hello; datagrams echo sendto 53", grant));
        Assert.Equal("-13\n-13", output);
    }

    [Theory]
    [InlineData("sendto", "sendto")]
    [InlineData("sendmsg", "connect")]
    [InlineData("sendmmsg", "sendmsg")]
    public async Task A_server_may_answer_whoever_sent_and_nobody_else(string answering, string asking)
    {
        var server = await StartAsync(_kernel.Script($"datagrams echo {answering} 5353", "listen udp 5353"));
        var (_, output) = await _kernel.RunAsync(_kernel.Script($"datagrams ask {asking} {server.PodAddress} 5353 hello", "connect udp pods default/app=x 5353", "connect udp service default/pod 5353"));
        Assert.Equal("-13", output); // it is not in the table yet
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "pod", "127.79.0.12", 5353, "", [new(server.PodAddress, 5353)]) { Udp = true }], None);
        (_, output) = await _kernel.RunAsync(_kernel.Script($"datagrams ask {asking} 127.79.0.12 5353 hello", "connect udp service default/pod 5353"));
        Assert.Equal("hello", output);
        // A client of the host is answered as well.
        using var client = Bound();
        await client.SendToAsync("host"u8.ToArray(), new IPEndPoint(IPAddress.Parse(server.PodAddress), 5353));
        Assert.Equal(4, await client.ReceiveAsync(new byte[10]).WaitAsync(Deadline));

        // Somebody who never sent is not answered, though the server's own port is where it comes from.
        await client.SendToAsync(Encoding.ASCII.GetBytes($"to 10.0.0.1 {Port(_other)}"), new IPEndPoint(IPAddress.Parse(server.PodAddress), 5353));
        await SaysAsync(server, "-13");
    }

    [Fact]
    public async Task A_port_needs_its_own_grant()
    {
        await StartAsync(_kernel.Script("datagrams echo sendto 53; sleep 60", "listen udp 54", "listen tcp 53"), "-13");
        Assert.Equal("listen udp 53", (await _kernel.EventAsync<CapabilityDenied>(_ => true)).MissingEntry);
    }

    [Fact]
    public async Task What_listens_on_every_address_hears_the_pods_localhost()
    {
        var server = await StartAsync(_kernel.Script("datagrams echo sendto 5353", "listen udp 5353"));
        foreach (var how in new[] { "sendto", "connect" })
        {
            var (_, output) = await _kernel.RunAsync(_kernel.Script($"datagrams ask {how} 127.0.0.1 5353 hello", Service) with { PodAddress = server.PodAddress, PodLoopback = server.PodLoopback });
            Assert.Equal("hello", output);
        }
    }

    [Theory]
    [InlineData("sendto")]
    [InlineData("sendmsg")]
    [InlineData("sendmmsg")]
    public async Task An_address_that_changes_while_it_is_checked_reaches_nobody_who_was_not_granted(string how)
    {
        const int Count = 4000;
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "echo", "127.79.0.10", Port(_other), "", [new("127.0.0.1", Port(_granted))]) { Udp = true }, new ServiceEntry("default", "other", "127.79.0.11", Port(_other), "", [new("127.0.0.1", Port(_other))]) { Udp = true }], None);
        var (_, output) = await _kernel.RunAsync(_kernel.Script($"datagrams race {how} 127.79.0.10 127.79.0.11 {Port(_other)} {Count}", $"connect udp service default/echo {Port(_other)}"));
        int sent = int.Parse(output, CultureInfo.InvariantCulture);
        Assert.InRange(sent, 1, Count - 1); // both addresses were seen
        Assert.False(_other.Poll(TimeSpan.Zero, SelectMode.SelectRead), "a datagram reached the socket that was not granted");
    }

    [Fact]
    public async Task Revoking_a_connect_ends_what_is_connected()
    {
        var container = _kernel.Script("datagrams stream 127.79.0.10 53", Service, "connect udp service default/other 53");
        await _kernel.Service.CreateAsync(container, None);
        await _kernel.Service.StartAsync(container.Id, None);
        for (var end = DateTime.UtcNow + Deadline; _heard.IsEmpty; await Task.Delay(5)) Assert.True(DateTime.UtcNow < end, "nothing came: " + _kernel.Log(container));
        await _kernel.Service.ChangeCapabilitiesAsync(container.Id, [], [Service], None);
        await _kernel.EventAsync<ContainerExited>(exited => exited.ContainerId == container.Id);
        Assert.Equal("-89\n-13\n-13", _kernel.Log(container)); // nobody is connected; and neither sent to nor connected to again
    }

    [Fact]
    public async Task Revoking_a_listen_makes_the_socket_deaf_and_wakes_who_waits()
    {
        var server = await StartAsync(_kernel.Script("datagrams echo sendto 5353", "listen udp 5353"));
        using var client = Bound();
        var address = new IPEndPoint(IPAddress.Parse(server.PodAddress), 5353);
        await client.SendToAsync("before"u8.ToArray(), address);
        Assert.Equal(6, await client.ReceiveAsync(new byte[10]).WaitAsync(Deadline));
        await _kernel.Service.ChangeCapabilitiesAsync(server.Id, [], ["listen udp 5353"], None);
        await client.SendToAsync("after"u8.ToArray(), address);
        await _kernel.EventAsync<ContainerExited>(exited => exited.ContainerId == server.Id);
        Assert.Equal("listens\nbefore\n0", _kernel.Log(server));
    }

    [Fact]
    public async Task A_datagram_of_some_size_arrives_whole()
    {
        var text = new string('x', 900);
        var (_, output) = await _kernel.RunAsync(_kernel.Script($"datagrams ask sendmsg 127.79.0.10 53 {text}", Service));
        Assert.Equal(text, output);
    }

    [Fact]
    public async Task Descriptors_and_long_texts_go_over_unix_sockets_as_ever()
    {
        var (_, output) = await _kernel.RunAsync(_kernel.Script("datagrams pass", Service));
        Assert.Equal("through a passed descriptor\n900000", output);
    }
}
