using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>What happens to a container that runs while its set, or the client that watches it, changes.</summary>
public sealed class ChangeTests : IAsyncLifetime
{
    private const string Entry = "connect tcp service default/hello 80";
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    [Fact]
    public async Task A_revoked_entry_is_gone_from_the_kernel_and_new_connects_are_denied()
    {
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "hello", "127.79.0.10", 80, "http", [])], CancellationToken.None);
        var spec = _kernel.Script("while true; do wget -q -O- http://127.79.0.10/; sleep 0.05; done", Entry);
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        await _kernel.Service.ChangeCapabilitiesAsync(spec.Id, ["listen tcp 8080"], [Entry], CancellationToken.None);
        Assert.Equal(spec.Capabilities.Except([Entry]).Append("listen tcp 8080").Order(StringComparer.Ordinal), await _kernel.Service.ReadCapabilitiesAsync(spec.Id, CancellationToken.None));
        var denied = await _kernel.EventAsync<CapabilityDenied>(occurred => occurred.ContainerId == spec.Id);
        Assert.Equal(Entry, denied.MissingEntry);
    }

    [Fact]
    public async Task A_client_that_does_not_read_is_cut_off_and_holds_nobody_up()
    {
        using var lazy = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        await lazy.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(Path.Combine(_kernel.Root, "m.sock")));
        byte[] list = [8, 0, 0, 0, 1, 0, 0, 0, 1, 0, 5, 0]; // length, request, version, List
        var asking = Task.Run(() =>
        {
            for (int i = 0; i < 1_000_000; i++) lazy.Send(list);
        });
        await Assert.ThrowsAsync<System.Net.Sockets.SocketException>(() => asking.WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Empty(await _kernel.Service.ListAsync(CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task A_container_goes_on_when_its_client_leaves_and_is_found_again()
    {
        var spec = _kernel.Script("sleep 100");
        await using (var first = await ContainerService.ConnectAsync(Path.Combine(_kernel.Root, "m.sock"), CancellationToken.None))
        {
            await first.CreateAsync(spec, CancellationToken.None);
            await first.StartAsync(spec.Id, CancellationToken.None);
        }
        var found = Assert.Single(await _kernel.Service.ListAsync(CancellationToken.None));
        Assert.Equal((spec.Id, ContainerState.Running), (found.Id, found.State));
        await _kernel.Service.SignalAsync(spec.Id, 9, CancellationToken.None);
        var exit = await _kernel.EventAsync<ContainerExited>(occurred => occurred.ContainerId == spec.Id);
        Assert.Equal(137, exit.ExitCode);
    }
}
