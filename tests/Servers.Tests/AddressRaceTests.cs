using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>The address of a TCP socket's connect or bind, which another thread of the program changes while the call is held and checked: what was checked is what is used. A plain process gets to both.</summary>
public sealed class AddressRaceTests : IAsyncLifetime
{
    private const int Count = 3000;
    private const string Granted = "127.79.0.10", Other = "127.79.0.11";
    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../Datagrams/bin/datagrams"));
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly TcpListener _granted = new(IPAddress.Parse(Granted), 0);
    private TcpListener _other = null!;
    private RunningKernel _kernel = null!;
    private int _reachedGranted, _reachedOther;

    private int Port => ((IPEndPoint)_granted.LocalEndpoint).Port;

    public async Task InitializeAsync()
    {
        _granted.Start(512);
        _other = new TcpListener(IPAddress.Parse(Other), Port);
        _other.Start(512);
        _ = CountAsync(_granted, () => Interlocked.Increment(ref _reachedGranted));
        _ = CountAsync(_other, () => Interlocked.Increment(ref _reachedOther));
        _kernel = await RunningKernel.StartAsync();
        File.Copy(Tool, Path.Combine(_kernel.Root, "images/busybox/bin/datagrams"));
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "echo", Granted, Port, "", [new(Granted, Port)]), new ServiceEntry("default", "other", Other, Port, "", [new(Other, Port)])], None);
    }

    public async Task DisposeAsync()
    {
        _granted.Dispose();
        _other.Dispose();
        await _kernel.DisposeAsync();
    }

    private static async Task CountAsync(TcpListener listener, Action came)
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptSocketAsync();
                came();
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private static int[] Numbers(string output) => [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => int.Parse(line, CultureInfo.InvariantCulture))];

    private static async Task<int[]> PlainAsync(string command)
    {
        var start = new ProcessStartInfo(Tool) { RedirectStandardOutput = true };
        foreach (var argument in command.Split(' ')) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        return Numbers(await process.StandardOutput.ReadToEndAsync());
    }

    [Fact]
    public async Task A_connect_reaches_nothing_that_was_not_granted()
    {
        var command = $"race stream {Granted} {Other} {Port} {Count}";
        int plain = Assert.Single(await PlainAsync(command));
        Assert.Equal(Count, plain);
        await _kernel.UntilAsync(() => _reachedGranted + _reachedOther == Count, "the plain process's connections");
        Assert.InRange(_reachedOther, 1, Count - 1);
        _reachedGranted = _reachedOther = 0;
        var (_, output) = await _kernel.RunAsync(_kernel.Script("datagrams " + command, $"connect tcp service default/echo {Port}"));
        int connected = Assert.Single(Numbers(output));
        Assert.InRange(connected, 1, Count - 1); // both addresses were seen
        await _kernel.UntilAsync(() => _reachedGranted == connected, $"{connected} connections where they were granted");
        Assert.Equal(0, _reachedOther);
        await TableAsync("Races on the address of a connect", "the address of a connect, between the granted one and another", "what was granted, or a refusal");
    }

    [Fact]
    public async Task A_bind_stands_nowhere_but_at_the_pods_own_address()
    {
        const int Free = 5353;
        var spec = _kernel.Script("", $"listen tcp {Free}");
        var command = $"race stand {spec.PodAddress} {Other} {Free} {Count}";
        var plain = await PlainAsync(command);
        Assert.Equal(Count, plain[0]);
        Assert.InRange(plain[1], 1, Count - 1);
        var (_, output) = await _kernel.RunAsync(spec with { Arguments = ["sh", "-c", "datagrams " + command] });
        var (stood, elsewhere) = (Numbers(output)[0], Numbers(output)[1]);
        Assert.InRange(stood, 1, Count - 1);
        Assert.Equal(0, elsewhere);
        await TableAsync("Races on the address of a bind", "the address of a bind, between the pod's own and that of a Service", "the pod's own address, or a refusal");
    }

    /// <summary>The plain process was seen to reach both.</summary>
    private static Task TableAsync(string title, string what, string result) => AttackPage.CheckAsync(title, $"""
        Another thread of the program exchanges the address in memory while the call is made, 3,000 times.

        | what is exchanged | where a container comes | in a plain process |
        |---|---|---|
        | {what} | {result} | gets through |
        """);
}
