using System.Diagnostics;
using System.Globalization;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>A grant of a host name leads to the addresses that were told for it, as long as they are told. In a network namespace of the test's own, where 10.9.8.7 and 10.9.8.8 are.</summary>
public sealed class HostNameTests : IAsyncLifetime
{
    private const string Grant = "connect tcp host api.example.com 443";
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly string _namespace = string.Create(CultureInfo.InvariantCulture, $"eyrie-host-{Environment.ProcessId}");
    private RunningKernel _kernel = null!;
    private Process _server = null!;

    public async Task InitializeAsync()
    {
        Run("ip", "netns", "add", _namespace);
        Run("ip", "-n", _namespace, "link", "set", "lo", "up");
        Run("ip", "-n", _namespace, "addr", "add", "10.9.8.7/32", "dev", "lo");
        Run("ip", "-n", _namespace, "addr", "add", "10.9.8.8/32", "dev", "lo");
        _server = Process.Start("ip", ["netns", "exec", _namespace, "busybox", "sh", "-c", "busybox nc -ll -p 443 -e echo outside & busybox nc -ll -p 444 -e echo outside & wait"])!;
        _kernel = await RunningKernel.StartAsync(network: _namespace);
    }

    public async Task DisposeAsync()
    {
        await _kernel.DisposeAsync();
        _server.Kill(true);
        await _server.WaitForExitAsync();
        Run("ip", "netns", "del", _namespace);
    }

    private static void Run(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments)!;
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {process.ExitCode}");
    }

    private Task TellAsync(params string[] lines) => _kernel.Service.SetServicesAsync([new ServiceEntry("default", "x", "127.79.0.10", 80, "", [])], None, hosts: lines);

    private async Task<string> AskAsync(string address, int port, string grant = Grant)
    {
        var (_, output) = await _kernel.RunAsync(_kernel.Script($"for i in $(seq 1000); do nc {address} {port} </dev/null 2>/tmp/e && exit; grep -q refused /tmp/e || break; sleep 0.02; done; cat /tmp/e >&2", grant, "dir /tmp read,write"));
        return output.Contains("Permission denied", StringComparison.Ordinal) ? "denied" : output;
    }

    [Fact]
    public async Task Only_an_address_that_was_told_for_the_name_is_reached_and_only_at_the_granted_port()
    {
        Assert.Equal("denied", await AskAsync("10.9.8.7", 443));
        await TellAsync("host api.example.com 10.1.1.1 10.9.8.7", "host other.example.com 10.9.8.8");
        Assert.Equal("outside", await AskAsync("10.9.8.7", 443));
        Assert.Equal("denied", await AskAsync("10.9.8.7", 444));
        Assert.Equal("denied", await AskAsync("10.9.8.8", 443));
        Assert.Equal("denied", await AskAsync("10.9.8.7", 443, "connect udp host api.example.com 443"));
        Assert.Equal("denied", await AskAsync("10.9.8.7", 443, "connect tcp host api.example 443"));
        await TellAsync();
        Assert.Equal("denied", await AskAsync("10.9.8.7", 443));
    }

    [Theory]
    [InlineData("127.79.16.200")] // a pod
    [InlineData("127.95.16.200")] // a pod's localhost
    [InlineData("127.79.0.10")] // a Service
    public async Task No_name_leads_into_the_cluster(string address)
    {
        await TellAsync($"host api.example.com {address}");
        Assert.Equal("denied", await AskAsync(address, 443));
    }
}
