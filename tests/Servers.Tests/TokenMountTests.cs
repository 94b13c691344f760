using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>What a node keeps tokens in is mounted into a container that holds the entry, and into no other, whatever it is told to mount.</summary>
public sealed class TokenMountTests : IAsyncLifetime
{
    private const string Source = "pods/u/tokens/account", Script = "cat /var/run/secrets/token 2>/dev/null || echo none";
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        Directory.CreateDirectory(Path.Combine(_kernel.Root, Source));
        await File.WriteAllTextAsync(Path.Combine(_kernel.Root, Source, "token"), "the token");
        Directory.CreateDirectory(Path.Combine(_kernel.Root, "images/busybox/var"));
        File.CreateSymbolicLink(Path.Combine(_kernel.Root, "images/busybox/var/run"), "/run"); // as images have it; the mount point is made where it leads
        Directory.CreateDirectory(Path.Combine(_kernel.Root, "images/busybox/run"));
    }

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    [Theory]
    [InlineData("the token", "api token")]
    [InlineData("the token", "api token vault.example.com")]
    [InlineData("none")]
    [InlineData("none", "dir /var/run/secrets read,write", "connect tcp service default/kubernetes 443")]
    public async Task A_token_is_there_with_its_entry_alone(string expected, params string[] entries)
    {
        var spec = _kernel.Script(Script, entries) with { Mounts = [new MountSpec(Source, "/var/run/secrets", true)] };
        var (_, output) = await _kernel.RunAsync(spec);
        Assert.Equal(expected, output.Split('\n')[^1]);
    }

    [Fact]
    public async Task Other_words_after_api_are_no_entry() =>
        Assert.Equal(ContainerError.InvalidCapability, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.CreateAsync(_kernel.Script("true", "api everything"), CancellationToken.None))).Error);
}
