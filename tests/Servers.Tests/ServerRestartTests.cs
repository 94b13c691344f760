using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>The network server is killed while containers use it: it is started anew with their sessions, and they notice nothing but a moment's wait.</summary>
public sealed class ServerRestartTests : IAsyncLifetime
{
    private const string Grant = "connect tcp service default/hello 80";
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private RunningKernel _kernel = null!;
    private int _answered;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        _listener.Start();
        _ = Task.Run(AnswerAsync);
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "hello", "127.79.0.10", 80, "http", [new ServiceEndpoint("127.0.0.1", ((IPEndPoint)_listener.LocalEndpoint).Port)])], None);
    }

    public async Task DisposeAsync()
    {
        _listener.Stop();
        await _kernel.DisposeAsync();
    }

    private async Task AnswerAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _listener.AcceptTcpClientAsync();
                await AnswerAsync(client);
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException or InvalidOperationException) { } // the listener was stopped
    }

    private int NetworkServer() => File.ReadAllText($"/proc/{_kernel.ProcessId}/task/{_kernel.ProcessId}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse).Single(child => File.ReadAllText($"/proc/{child}/comm").Trim() == "network");

    private void KillNetworkServer()
    {
        using var server = Process.GetProcessById(NetworkServer());
        server.Kill();
    }

    private async Task AnswerAsync(TcpClient client)
    {
        try
        {
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes("answer\n"));
            Interlocked.Increment(ref _answered);
        }
        catch (IOException) { } // a connection that was made for a call nobody answered: the call is made anew
    }

    private async Task UntilAsync(Func<bool> reached, string what)
    {
        var deadline = DateTimeOffset.UtcNow.AddSeconds(20);
        while (!reached())
        {
            Assert.True(DateTimeOffset.UtcNow < deadline, $"waited 20 s for {what}; the kernel {_kernel.State} and said: {string.Join('\n', _kernel.Errors)}");
            await Task.Delay(1);
        }
    }

    [Fact]
    public async Task Containers_that_connect_all_the_time_lose_no_connection_to_it()
    {
        var specs = Enumerable.Range(0, 4).Select(_ => _kernel.Script("while true; do [ \"$(nc 127.79.0.10 80 </dev/null)\" = answer ] || echo lost; done", Grant)).ToList();
        foreach (var spec in specs)
        {
            await _kernel.Service.CreateAsync(spec, None);
            await _kernel.Service.StartAsync(spec.Id, None);
        }
        for (int kill = 0; kill < 4; kill++)
        {
            int before = Volatile.Read(ref _answered);
            await UntilAsync(() => Volatile.Read(ref _answered) > before + 40, "forty answers");
            int killed = NetworkServer();
            KillNetworkServer();
            await UntilAsync(() => NetworkServerOrNone() is > 0 and var server && server != killed, "the successor");
        }
        int now = Volatile.Read(ref _answered);
        await UntilAsync(() => Volatile.Read(ref _answered) > now + 40, "forty answers after the last kill");
        Assert.All(specs, spec => Assert.Empty(File.ReadAllText(Path.Combine(_kernel.Root, spec.LogPath))));
        Assert.Equal(4, _kernel.Errors.Count(line => line.Contains("the network server ended; it is started anew", StringComparison.Ordinal)));
    }

    private int NetworkServerOrNone()
    {
        try
        {
            return NetworkServer();
        }
        catch (Exception gone) when (gone is InvalidOperationException or IOException) { return 0; }
    }

    [Fact]
    public async Task The_successor_refuses_reports_and_forgets_as_its_predecessor_did()
    {
        var spec = _kernel.Script("while true; do nc 127.79.0.10 80 </dev/null; nc 192.168.7.7 81 </dev/null; done", Grant);
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        await _kernel.EventAsync<CapabilityDenied>(denied => denied.Target == "192.168.7.7:81");
        KillNetworkServer();
        await UntilAsync(() => _kernel.Errors.Any(line => line.Contains("started anew", StringComparison.Ordinal)), "the restart");
        await _kernel.EventAsync<CapabilityDenied>(denied => denied.Target == "192.168.7.7:81");
        await _kernel.Service.ChangeCapabilitiesAsync(spec.Id, [], [Grant], None);
        await _kernel.EventAsync<CapabilityDenied>(denied => denied.MissingEntry == Grant);
        var other = _kernel.Script("nc 127.79.0.10 80 </dev/null", Grant);
        Assert.Equal((0, "answer"), await _kernel.RunAsync(other) is var (exit, said) ? (exit.ExitCode, said) : default);
    }

    [Fact]
    public async Task A_server_that_ends_again_and_again_takes_the_kernel_along()
    {
        for (int kill = 0; kill < 6 && _kernel.State == "runs"; kill++)
        {
            int server = 0;
            await UntilAsync(() => _kernel.State != "runs" || (server = NetworkServerOrNone()) > 0, "a network server");
            if (_kernel.State != "runs") break;
            using (var process = Process.GetProcessById(server)) process.Kill();
            await UntilAsync(() => !Directory.Exists($"/proc/{server}"), "its end");
        }
        Assert.Equal(0, await _kernel.EndedAsync(TimeSpan.FromSeconds(10)));
    }
}
