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

    /// <summary>The pipe by which a container is signalled, written by who may and by nobody else.</summary>
    [Theory]
    [InlineData("written", "signal web HUP")]
    [InlineData("none", "signal db HUP")]
    [InlineData("none", "dir /run read,write")]
    public async Task A_pipe_for_signals_is_there_with_its_entry_alone(string expected, params string[] entries)
    {
        Directory.CreateDirectory(Path.Combine(_kernel.Root, "pods/u/signals/a"));
        var path = Path.Combine(_kernel.Root, "pods/u/signals/a/web");
        using (var make = System.Diagnostics.Process.Start("mkfifo", ["-m", "622", path])) await make.WaitForExitAsync();
        using var pipe = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
        var spec = _kernel.Script("[ -p /run/eyrie/signals/web ] && echo HUP >/run/eyrie/signals/web && echo written || echo none", entries) with { Mounts = [new MountSpec("pods/u/signals/a/web", "/run/eyrie/signals/web", true)], UserId = 1000, GroupId = 1000 };
        var (_, output) = await _kernel.RunAsync(spec);
        Assert.Equal(expected, output);
    }

    [Fact]
    public async Task Other_words_after_api_are_no_entry() =>
        Assert.Equal(ContainerError.InvalidCapability, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.CreateAsync(_kernel.Script("true", "api everything"), CancellationToken.None))).Error);
}
