using System.Net;
using System.Net.Sockets;
using Eyrie.Microkernel.Abi;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>A kernel on a host without control groups: it watches what nobody enforces.</summary>
public sealed class WatchedLimitTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartWithoutGroupsAsync();
    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private async Task<ContainerSpec> StartAsync(string script, params string[] entries)
    {
        var spec = _kernel.Script(script) with { Capabilities = ["log write", .. entries] };
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        return spec;
    }

    private async Task UntilAsync(ContainerSpec spec, string what, Func<ContainerStatistics, bool> holds)
    {
        var used = await _kernel.Service.StatisticsAsync(spec.Id, CancellationToken.None);
        for (var end = DateTime.UtcNow + Deadline; !holds(used); used = await _kernel.Service.StatisticsAsync(spec.Id, CancellationToken.None))
        {
            Assert.True(DateTime.UtcNow < end, $"waited until {what}; last seen: {used}");
            await Task.Delay(20);
        }
    }

    private async Task<ContainerExited> EndedAsync(ContainerSpec spec) => await _kernel.EventAsync<ContainerExited>(exited => exited.ContainerId == spec.Id);

    [Fact]
    public async Task What_is_written_to_a_disk_and_read_from_it_is_counted() => await _kernel.UntilCountedAsync(await StartAsync(RunningKernel.UsesDisk, "dir /data read,write", "quota memory=33554432 processes=16"));

    [Fact]
    public async Task The_kernel_says_that_nothing_is_enforced() => Assert.Equal(LimitKinds.None, (await _kernel.Service.KernelStatisticsAsync(CancellationToken.None)).EnforcedLimits);

    [Fact]
    public async Task One_with_more_memory_than_its_quota_is_killed_as_out_of_memory_and_its_neighbour_is_not()
    {
        const string quota = "quota memory=33554432 processes=16";
        var neighbour = await StartAsync("sleep 1000 & sleep 1000; true", quota);
        await UntilAsync(neighbour, "three processes are seen", used => used is { Processes: 3, MemoryBytes: > 0 });
        var greedy = await StartAsync("text=$(head -c 50000000 /dev/zero | tr '\\0' x); sleep 1000; echo $text", quota);
        Assert.Equal(new ContainerExited(greedy.Id, 137, true), await EndedAsync(greedy));
        Assert.Equal(Microkernel.Client.ContainerState.Running, (await _kernel.Service.ListAsync(CancellationToken.None)).Single(container => container.Id == neighbour.Id).State);
    }

    [Fact]
    public async Task One_with_more_processes_than_its_quota_is_killed_also_those_that_entered_it()
    {
        var spec = await StartAsync("sleep 1000", "quota memory=33554432 processes=4");
        await UntilAsync(spec, "one process is seen", used => used.Processes == 1);
        await using var execution = await _kernel.Service.ExecAsync(spec.Id, new ExecSpec { Arguments = ["sh", "-c", "for i in 1 2 3 4 5; do sleep 1000 & done; wait"] }, CancellationToken.None);
        Assert.Equal(new ContainerExited(spec.Id, 137, false), await EndedAsync(spec));
    }

    [Fact]
    public async Task Its_set_is_read_back_as_it_was_given()
    {
        string[] set = ["cpu shares=512 limit=250m", "log write", "quota memory=33554432 processes=16"];
        Assert.Equal(set, await _kernel.Service.ReadCapabilitiesAsync((await StartAsync("sleep 1000", set[0], set[2])).Id, CancellationToken.None));
    }

    [Fact]
    public async Task Revoking_makes_a_datagram_socket_deaf_all_the_same()
    {
        File.Copy(Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../Datagrams/bin/datagrams")), Path.Combine(_kernel.Root, "images/busybox/bin/datagrams"));
        var server = await StartAsync("datagrams echo sendto 5353", "listen udp 5353");
        for (var end = DateTime.UtcNow + Deadline; _kernel.Log(server) != "listens"; await Task.Delay(10)) Assert.True(DateTime.UtcNow < end, _kernel.Log(server));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        client.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var address = new IPEndPoint(IPAddress.Parse(server.PodAddress), 5353);
        await client.SendToAsync("before"u8.ToArray(), address);
        Assert.Equal(6, await client.ReceiveAsync(new byte[10]).WaitAsync(Deadline));
        await _kernel.Service.ChangeCapabilitiesAsync(server.Id, [], ["listen udp 5353"], CancellationToken.None);
        await client.SendToAsync("after"u8.ToArray(), address);
        await EndedAsync(server);
        Assert.Equal("listens\nbefore\n0", _kernel.Log(server));
    }
}
