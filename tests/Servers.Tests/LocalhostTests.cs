using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>127.0.0.1 inside a pod is the pod's own: what listens there, and what listens on every address.</summary>
public sealed class LocalhostTests : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    /// <summary>A container that speaks to localhost alone has sockets by this grant.</summary>
    private const string Localhost = "connect tcp cidr 127.0.0.1/32 8080";
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private async Task<ContainerSpec> StartAsync(ContainerSpec spec)
    {
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        return spec;
    }

    /// <summary>Another container of the same pod asks until somebody listens.</summary>
    private ContainerSpec Asking(ContainerSpec pod, string address) => _kernel.Script(
        $"for i in $(seq 1000); do echo hello | nc {address} 8080 2>/dev/null && exit 0; sleep 0.02; done; exit 1", Localhost) with { PodAddress = pod.PodAddress, PodLoopback = pod.PodLoopback };

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.2")]
    [InlineData("0.0.0.0")]
    public async Task A_server_on_every_address_is_reached_at_the_localhost_of_its_pod(string asked)
    {
        var server = await StartAsync(_kernel.Script("nc -ll -p 8080 -e cat", "listen tcp 8080"));
        var (exit, output) = await _kernel.RunAsync(Asking(server, asked));
        Assert.True(exit.ExitCode == 0, output);
        Assert.Equal("hello", output.Split('\n')[^1]);
    }

    [Fact]
    public async Task A_server_on_localhost_comes_before_one_on_every_address()
    {
        var server = await StartAsync(_kernel.Script("httpd -f -p 127.0.0.1:8080 & exec nc -ll -p 8080 -e echo open", "listen tcp 8080"));
        var (_, open) = await _kernel.RunAsync(Asking(server, server.PodAddress));
        Assert.Equal("open", open.Split('\n')[^1]);
        for (int tries = 200; ; tries--)
        {
            var (_, output) = await _kernel.RunAsync(Asking(server, "127.0.0.1"));
            if (output.StartsWith("HTTP/1.1 400", StringComparison.Ordinal)) return;
            Assert.True(output == "open" && tries > 0, $"localhost answered: {output}"); // httpd does not listen yet
        }
    }

    [Fact]
    public async Task A_server_of_another_pod_is_not_at_localhost()
    {
        var server = await StartAsync(_kernel.Script("nc -ll -p 8080 -e cat", "listen tcp 8080"));
        Assert.Equal(0, (await _kernel.RunAsync(Asking(server, "127.0.0.1"))).Exit.ExitCode);
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("nc 127.0.0.1 8080 </dev/null", Localhost));
        Assert.Equal(1, exit.ExitCode);
        Assert.EndsWith("Connection refused", output, StringComparison.Ordinal);
    }
}
