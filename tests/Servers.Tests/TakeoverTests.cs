using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Eyrie.Microkernel.Client;
using Xunit.Abstractions;

namespace Eyrie.Servers.Tests;

/// <summary>The kernel's process is killed while containers run: a successor takes over what it held, they go on, and nobody has more than before.</summary>
public sealed class TakeoverTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string Grant = "connect tcp service default/hello 80";
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private RunningKernel _kernel = null!;
    private int _answered;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        _listener.Start();
        _ = Task.Run(AnswerAsync);
        await SetServicesAsync();
    }

    public async Task DisposeAsync()
    {
        _listener.Stop();
        await _kernel.DisposeAsync();
    }

    private Task SetServicesAsync() => _kernel.Service.SetServicesAsync([new ServiceEntry("default", "hello", "127.79.0.10", 80, "http", [new ServiceEndpoint("127.0.0.1", ((IPEndPoint)_listener.LocalEndpoint).Port)])], None);

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
        long begun = Stopwatch.GetTimestamp();
        while (!reached())
        {
            Assert.True(Stopwatch.GetElapsedTime(begun) < Deadline, $"waited {Deadline} for {what}; the kernel {_kernel.State} and said: {string.Join('\n', _kernel.Errors)}");
            await Task.Delay(1);
        }
    }

    private async Task<ContainerSpec> StartAsync(string script, params string[] entries)
    {
        var spec = _kernel.Script(script, entries);
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        return spec;
    }

    private Task AnswersAsync(int count, string what)
    {
        int before = Volatile.Read(ref _answered);
        return UntilAsync(() => Volatile.Read(ref _answered) >= before + count, what);
    }

    [Fact]
    public async Task Containers_go_on_with_their_connections_sets_limits_and_logs_and_revoking_ends_what_lives_by_a_grant()
    {
        var serving = await StartAsync("while true; do (sleep 0.3; echo served) | nc -l -p 80; done", "listen tcp 80");
        var calling = await StartAsync("while true; do [ \"$(nc 127.79.0.10 80 </dev/null)\" = answer ] || echo lost; done", Grant);
        var keeping = await StartAsync("nc -l -p 81 -e cat; echo cut", "listen tcp 81");
        var counting = await StartAsync("i=0; while true; do echo $i; i=$((i+1)); sleep 0.01; done");
        var ended = await StartAsync("exit 5");
        using var connection = new TcpClient();
        await UntilAsync(() => TryConnect(connection, keeping.PodAddress, 81), "the echo server");
        await EchoAsync(connection, "before");
        var processes = (await _kernel.Service.ListAsync(None)).ToDictionary(status => status.Id, status => status.ProcessId);
        for (int kill = 0; kill < 4; kill++)
        {
            await AnswersAsync(20, "twenty answers");
            await _kernel.KillKernelAsync();
        }
        await SetServicesAsync();
        await AnswersAsync(20, "twenty answers after the last kill");
        await EchoAsync(connection, "after");
        AssertLost(calling, 4);
        var listed = (await _kernel.Service.ListAsync(None)).ToDictionary(status => status.Id);
        foreach (var spec in new[] { serving, calling, keeping, counting })
        {
            Assert.Equal((spec.Id, ContainerState.Running, processes[spec.Id]), (spec.Id, listed[spec.Id].State, listed[spec.Id].ProcessId));
            Assert.Equal(spec.Capabilities.Order(StringComparer.Ordinal), await _kernel.Service.ReadCapabilitiesAsync(spec.Id, None));
        }
        Assert.Equal((ContainerState.Exited, 5), (listed[ended.Id].State, listed[ended.Id].ExitCode));
        int lines = _kernel.Log(counting).Split('\n').Length;
        await UntilAsync(() => _kernel.Log(counting).Split('\n').Length > lines + 5, "the log to go on");
        var numbers = _kernel.Log(counting).Split('\n').Select(int.Parse).ToList();
        Assert.Equal(Enumerable.Range(0, numbers.Count), numbers);
        await _kernel.Service.ChangeCapabilitiesAsync(keeping.Id, [], ["listen tcp 81"], None);
        Assert.True(await CutAsync(connection), "the connection to a revoked port is still there");
        await _kernel.Service.ChangeCapabilitiesAsync(calling.Id, [], [Grant], None);
        await _kernel.EventAsync<CapabilityDenied>(denied => denied.ContainerId == calling.Id && denied.MissingEntry == Grant);
    }

    [Fact]
    public async Task Killed_at_fifty_random_moments_it_leaves_nothing_behind_and_gives_nobody_more()
    {
        const int Kills = 50;
        int seed = int.TryParse(Environment.GetEnvironmentVariable("EYRIE_SEED"), out int given) ? given : Random.Shared.Next(1_000_000_000);
        output.WriteLine($"EYRIE_SEED={seed}");
        var random = new Random(seed);
        var calling = await StartAsync("while true; do [ \"$(nc 127.79.0.10 80 </dev/null)\" = answer ] || echo lost; done", Grant);
        var passing = Enumerable.Range(0, 3).Select(_ => _kernel.Script("while true; do nc 127.79.0.10 80 </dev/null; done", "listen tcp 80", Grant)).ToArray();
        await StartAndDeleteAsync(passing[0]);
        await _kernel.KillKernelAsync();
        var before = await _kernel.Service.KernelStatisticsAsync(None);
        var descriptors = await _kernel.DescriptorsAtRestAsync();
        for (int kill = 0; kill < Kills; kill++)
        {
            using var stop = new CancellationTokenSource();
            var working = Task.WhenAll(passing.Select(spec => Task.Run(() => ComeAndGoAsync(spec, stop.Token))));
            await Task.Delay(700 + random.Next(100)); // more than sixteen ends within ten seconds would be the keeper's
            await Task.Delay(TimeSpan.FromMicroseconds(random.Next(5000)));
            await _kernel.KillKernelAsync();
            await stop.CancelAsync();
            await working;
            foreach (var status in await _kernel.Service.ListAsync(None))
            {
                var spec = passing.Append(calling).Single(spec => spec.Id == status.Id);
                var granted = spec.Capabilities.Append("listen tcp 81").ToHashSet();
                if (status.State == ContainerState.Running) Assert.DoesNotContain(await HeldAsync(spec), line => !granted.Contains(line));
                if (spec != calling) await _kernel.Service.DeleteAsync(spec.Id, None);
            }
            var now = await _kernel.Service.KernelStatisticsAsync(None);
            Assert.True((before.ObjectsLeft, before.CapabilitiesLeft, before.ProcessesPromised, before.BytesUsed) == (now.ObjectsLeft, now.CapabilitiesLeft, now.ProcessesPromised, now.BytesUsed), $"after kill {kill}: {before} became {now}");
        }
        await AnswersAsync(20, "twenty answers after the last kill");
        AssertLost(calling, Kills + 1);
        Assert.Equal([calling.Id], Directory.GetDirectories($"/sys/fs/cgroup/pids/{_kernel.Group}").Select(Path.GetFileName).Where(name => name![0] != '.')); // spare ones of containers that have ended
        Assert.Equal(["eyrie-kernel", "metteagle", "network", "sh"], _kernel.Children().Order(StringComparer.Ordinal));
        Assert.Equal(descriptors, await _kernel.DescriptorsAtRestAsync());
    }

    /// <summary>
    /// A caller loses nothing but a socket that was being put into it at the very moment of a kill: Linux, interrupted in that, lets socket() return 0 (SECCOMP_ADDFD_FLAG_SEND); its connect is refused then.
    /// </summary>
    private void AssertLost(ContainerSpec caller, int most)
    {
        var log = File.ReadAllText(Path.Combine(_kernel.Root, caller.LogPath));
        var lines = log.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ', 4)[3]).ToList();
        Assert.True(lines.Count <= 2 * most && lines.All(line => line == "lost" || line.EndsWith("(127.79.0.10): Permission denied", StringComparison.Ordinal)), $"after {most} kills the caller wrote: {log}");
    }

    /// <summary>Nothing of one that was being deleted and has gone meanwhile.</summary>
    private async Task<IReadOnlyList<string>> HeldAsync(ContainerSpec spec)
    {
        try
        {
            return await _kernel.Service.ReadCapabilitiesAsync(spec.Id, None);
        }
        catch (ContainerServiceException gone) when (gone.Error == ContainerError.UnknownContainer) { return []; }
    }

    private async Task StartAndDeleteAsync(ContainerSpec spec)
    {
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        await _kernel.Service.DeleteAsync(spec.Id, None);
    }

    private async Task ComeAndGoAsync(ContainerSpec spec, CancellationToken stop)
    {
        var service = _kernel.Service;
        try
        {
            while (!stop.IsCancellationRequested)
            {
                await service.CreateAsync(spec, stop);
                await service.StartAsync(spec.Id, stop);
                await service.ChangeCapabilitiesAsync(spec.Id, ["listen tcp 81"], [Grant], stop);
                await service.DeleteAsync(spec.Id, stop);
            }
        }
        catch (Exception cut) when (cut is IOException or SocketException or OperationCanceledException or ObjectDisposedException) { } // the kernel was killed
    }

    private static bool TryConnect(TcpClient client, string address, int port)
    {
        try
        {
            client.Connect(address, port);
            return true;
        }
        catch (SocketException) { return false; }
    }

    private static async Task EchoAsync(TcpClient connection, string word)
    {
        var answer = new byte[word.Length];
        await connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes(word));
        await connection.GetStream().ReadExactlyAsync(answer).AsTask().WaitAsync(Deadline);
        Assert.Equal(word, Encoding.ASCII.GetString(answer));
    }

    private static async Task<bool> CutAsync(TcpClient connection)
    {
        try
        {
            return await connection.GetStream().ReadAsync(new byte[1]).AsTask().WaitAsync(Deadline) == 0;
        }
        catch (IOException) { return true; }
    }
}
