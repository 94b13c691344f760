using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>What a <c>dir PATH read,write</c> entry opens, and what it leaves as it is.</summary>
public sealed class WritableDirectoryTests : IAsyncLifetime
{
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    [Fact]
    public async Task What_is_mounted_inside_a_writable_directory_stays_there_and_stays_read_only()
    {
        await File.WriteAllTextAsync(Path.Combine(_kernel.Root, "hosts"), "of the node\n");
        var spec = _kernel.Script("echo x > /etc/new && cat /etc/new /etc/hosts; echo y 2>/dev/null > /etc/hosts || echo refused; echo z 2>/dev/null > /bin/new || echo refused", "dir /etc read,write") with { Mounts = [new MountSpec("hosts", "/etc/hosts", true)] };
        Assert.Equal("x\nof the node\nrefused\nrefused", (await _kernel.RunAsync(spec)).Output);
    }
}
