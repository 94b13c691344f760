using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Eyrie.Microkernel.Client;
using Eyrie.Tests;

namespace Eyrie.Servers.Tests;

/// <summary>Session affinity as a container sees it: four servers behind one Service, each of which says its port.</summary>
[Takes(15)]
public sealed class ServiceAffinityTests : IAsyncLifetime
{
    private const string Grant = "connect tcp service default/one 80", Ask = "nc 127.79.0.10 80 </dev/null";
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly List<TcpListener> _servers = [.. Enumerable.Range(0, 4).Select(_ => new TcpListener(IPAddress.Loopback, 0))];
    private RunningKernel _kernel = null!;
    private ContainerSpec? _pod;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        foreach (var server in _servers)
        {
            server.Start();
            _ = AnswerAsync(server);
        }
    }

    public async Task DisposeAsync()
    {
        foreach (var server in _servers) server.Dispose();
        await _kernel.DisposeAsync();
    }

    private static int Port(TcpListener server) => ((IPEndPoint)server.LocalEndpoint).Port;

    private static async Task AnswerAsync(TcpListener server)
    {
        var text = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Port(server)}\n"));
        while (true)
        {
            try
            {
                using var client = await server.AcceptSocketAsync();
                await client.SendAsync(text);
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return; // the test is over
            }
        }
    }

    private Task ServeAsync(IEnumerable<int> ports, int seconds) =>
        _kernel.Service.SetServicesAsync([new ServiceEntry("default", "one", "127.79.0.10", 80, "", [.. ports.Select(port => new ServiceEndpoint("127.0.0.1", port))]) { Affinity = TimeSpan.FromSeconds(seconds) }], None);

    private async Task<IReadOnlyList<int>> AskedAsync(string script)
    {
        var container = _kernel.Script(script, Grant);
        _pod ??= container;
        var (exit, output) = await _kernel.RunAsync(container with { PodAddress = _pod.PodAddress, PodLoopback = _pod.PodLoopback }); // containers of one pod
        Assert.True(exit.ExitCode == 0, output);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => int.Parse(line, CultureInfo.InvariantCulture))];
    }

    [Fact]
    public async Task Connections_stay_with_one_endpoint_as_long_as_the_Service_has_it_and_are_spread_without_affinity()
    {
        const string many = $"for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do {Ask} || exit 1; done";
        await ServeAsync(_servers.Select(Port), 60);
        var kept = Assert.Single((await AskedAsync(many)).Distinct());
        await ServeAsync(_servers.Select(Port).Where(port => port != kept), 60);
        var other = Assert.Single((await AskedAsync(many)).Distinct());
        Assert.NotEqual(kept, other);
        await ServeAsync(_servers.Select(Port), 60);
        Assert.Equal(other, Assert.Single((await AskedAsync(many)).Distinct()));
        await ServeAsync(_servers.Select(Port), 0);
        Assert.True((await AskedAsync(many)).Distinct().Count() > 1, "twenty connections without affinity went to one of four endpoints");
    }

    [Fact]
    public async Task Whoever_has_made_no_connection_for_the_Services_time_is_free_again()
    {
        await ServeAsync(_servers.Select(Port), 1);
        var asked = await AskedAsync($"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do {Ask} || exit 1; sleep 1.2; done");
        Assert.True(asked.Distinct().Count() > 1, "twelve connections, each after the time of the one before, went to one of four endpoints");
    }
}
