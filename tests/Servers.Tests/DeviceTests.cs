using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>A device of the host is there for whom it was granted, on a node that offers it, and as far as both say.</summary>
public sealed class DeviceTests : IAsyncLifetime
{
    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../SystemCalls/bin/systemcalls"));
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync(offered: ["/dev/net/tun", "/dev/fuse:ro"]);
        File.Copy(Tool, Path.Combine(_kernel.Root, "images/busybox/bin/systemcalls"));
    }

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    [Theory]
    [InlineData("/dev/net/tun", "3 3")]
    [InlineData("/dev/net/tun", "3 -13", "read")]
    [InlineData("/dev/fuse", "3 -13")] // offered to be read
    public async Task It_opens_as_far_as_it_was_granted_and_offered(string path, string expected, string access = "read,write")
    {
        var (_, output) = await _kernel.RunAsync(_kernel.Script($"echo $(systemcalls 257 -100 s:{path} 0) $(systemcalls 257 -100 s:{path} 2)", $"device {path} {access}"));
        Assert.Equal(expected, output);
    }

    [Fact]
    public async Task Without_the_grant_it_is_not_there()
    {
        var (_, output) = await _kernel.RunAsync(_kernel.Script("systemcalls 257 -100 s:/dev/net/tun 0; mkdir /dev/net 2>/dev/null || busybox mknod /dev/tun c 10 200 2>/dev/null || echo refused", "device /dev/fuse read"));
        Assert.Equal("-2 refused", output.Replace('\n', ' '));
    }

    [Theory]
    [InlineData("/dev/kvm")] // not offered
    [InlineData("/dev/net/../kvm")]
    [InlineData("/dev/net/tun/x")]
    public async Task What_the_node_does_not_offer_does_not_start(string path) =>
        await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.RunAsync(_kernel.Script("true", $"device {path} read")));
}
