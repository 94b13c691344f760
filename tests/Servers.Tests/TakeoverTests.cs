using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Eyrie.Microkernel.Client;
using Eyrie.Tests;
using Xunit.Abstractions;

namespace Eyrie.Servers.Tests;

/// <summary>The kernel's process is killed while containers run: a successor takes over what it held, they go on, and nobody has more than before.</summary>
[Takes(40)]
public sealed class TakeoverTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string Grant = AnsweredKernel.Grant;
    private static readonly CancellationToken None = CancellationToken.None;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly string Enduring = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../Enduring/bin/enduring"));
    private AnsweredKernel _answered = null!;

    private RunningKernel Kernel => _answered.Kernel;

    public async Task InitializeAsync() => _answered = await AnsweredKernel.StartAsync();

    public async Task DisposeAsync() => await _answered.DisposeAsync();

    [Fact]
    public async Task Containers_go_on_with_their_connections_sets_limits_and_logs_and_revoking_ends_what_lives_by_a_grant()
    {
        var serving = await Kernel.StartScriptAsync("while true; do (sleep 0.3; echo served) | nc -l -p 80; done", "listen tcp 80");
        var calling = await Kernel.StartScriptAsync(AnsweredKernel.Calls, Grant);
        var keeping = await Kernel.StartScriptAsync("nc -l -p 81 -e cat; echo cut", "listen tcp 81");
        var counting = await Kernel.StartScriptAsync("i=0; while true; do echo $i; i=$((i+1)); sleep 0.01; done");
        var ended = await Kernel.StartScriptAsync("exit 5");
        using var connection = new TcpClient();
        await Kernel.UntilAsync(() => TryConnect(connection, keeping.PodAddress, 81), "the echo server");
        await EchoAsync(connection, "before");
        var processes = (await Kernel.Service.ListAsync(None)).ToDictionary(status => status.Id, status => status.ProcessId);
        for (int kill = 0; kill < 4; kill++)
        {
            await _answered.AnswersAsync(20, "twenty answers");
            await Kernel.KillKernelAsync();
        }
        await _answered.SetServicesAsync();
        await _answered.AnswersAsync(20, "twenty answers after the last kill");
        await EchoAsync(connection, "after");
        AssertNothingLost(calling);
        var listed = (await Kernel.Service.ListAsync(None)).ToDictionary(status => status.Id);
        foreach (var spec in new[] { serving, calling, keeping, counting })
        {
            Assert.Equal((spec.Id, ContainerState.Running, processes[spec.Id]), (spec.Id, listed[spec.Id].State, listed[spec.Id].ProcessId));
            Assert.Equal(spec.Capabilities.Order(StringComparer.Ordinal), await Kernel.Service.ReadCapabilitiesAsync(spec.Id, None));
        }
        Assert.Equal((ContainerState.Exited, 5), (listed[ended.Id].State, listed[ended.Id].ExitCode));
        int lines = Kernel.Log(counting).Split('\n').Length;
        await Kernel.UntilAsync(() => Kernel.Log(counting).Split('\n').Length > lines + 5, "the log to go on");
        var numbers = Kernel.Log(counting).Split('\n').Select(int.Parse).ToList();
        Assert.Equal(Enumerable.Range(0, numbers.Count), numbers);
        await Kernel.Service.ChangeCapabilitiesAsync(keeping.Id, [], ["listen tcp 81"], None);
        Assert.True(await CutAsync(connection), "the connection to a revoked port is still there");
        await Kernel.Service.ChangeCapabilitiesAsync(calling.Id, [], [Grant], None);
        await Kernel.EventAsync<CapabilityDenied>(denied => denied.ContainerId == calling.Id && denied.MissingEntry == Grant);
    }

    [Fact]
    public async Task Killed_at_fifty_random_moments_it_leaves_nothing_behind_and_gives_nobody_more()
    {
        const int Kills = 50;
        var random = Seeded();
        var passing = Enumerable.Range(0, 3).Select(_ => Kernel.Script("while true; do nc 127.79.0.10 80 </dev/null; done", "listen tcp 80", Grant)).ToArray();
        await StartAndDeleteAsync(passing[0]);
        await Kernel.KillKernelAsync();
        var descriptors = await Kernel.DescriptorsAtRestAsync();
        var calling = await Kernel.StartScriptAsync(AnsweredKernel.Calls, Grant);
        var before = await Kernel.Service.KernelStatisticsAsync(None);
        for (int kill = 0; kill < Kills; kill++)
        {
            using var stop = new CancellationTokenSource();
            var working = Task.WhenAll(passing.Select(spec => Task.Run(() => ComeAndGoAsync(spec, stop.Token))));
            await Task.Delay(700 + random.Next(100)); // more than sixteen ends within ten seconds would be the keeper's
            await Task.Delay(TimeSpan.FromMicroseconds(random.Next(5000)));
            await Kernel.KillKernelAsync();
            await stop.CancelAsync();
            await working;
            foreach (var status in await Kernel.Service.ListAsync(None))
            {
                var spec = passing.Append(calling).Single(spec => spec.Id == status.Id);
                var granted = spec.Capabilities.Append("listen tcp 81").ToHashSet();
                if (status.State == ContainerState.Running) Assert.DoesNotContain(await HeldAsync(spec), line => !granted.Contains(line));
                if (spec != calling) await Kernel.Service.DeleteAsync(spec.Id, None);
            }
            var now = await Kernel.Service.KernelStatisticsAsync(None);
            Assert.True((before.ObjectsLeft, before.CapabilitiesLeft, before.ProcessesPromised, before.BytesUsed) == (now.ObjectsLeft, now.CapabilitiesLeft, now.ProcessesPromised, now.BytesUsed), $"after kill {kill}: {before} became {now}");
        }
        await _answered.AnswersAsync(20, "twenty answers after the last kill");
        AssertNothingLost(calling);
        Assert.Equal([calling.Id], Directory.GetDirectories($"/sys/fs/cgroup/pids/{Kernel.Group}").Select(Path.GetFileName).Where(name => name![0] != '.')); // spare ones of containers that have ended
        await Kernel.Service.DeleteAsync(calling.Id, None);
        await Kernel.UntilAsync(() => Kernel.Children().Order(StringComparer.Ordinal).SequenceEqual(["eyrie-kernel", "eyrie-kernel", "eyrie-kernel", "metteagle", "network"]), "nobody but the kernel, its servers and two blanks");
        Assert.Equal(descriptors, await Kernel.DescriptorsAtRestAsync());
    }

    private Random Seeded()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("EYRIE_SEED"), out int given) ? given : Random.Shared.Next(1_000_000_000);
        output.WriteLine($"EYRIE_SEED={seed}");
        return new Random(seed);
    }

    /// <summary>Every socket() is answered with the socket, once: Linux, left to answer as it likes, gives 0 when whoever was giving the descriptor is killed.</summary>
    [Fact]
    public async Task Killed_while_it_makes_sockets_it_gives_every_program_the_right_descriptor_and_no_other()
    {
        const int Kills = 15; // more than sixteen ends within ten seconds would be the keeper's
        var random = Seeded();
        File.Copy(Enduring, Path.Combine(Kernel.Root, "images/busybox/bin/enduring"));
        var programs = new List<ContainerSpec>();
        foreach (var (arguments, entries) in new (string, string[])[] { ("1 127.79.0.10 80", [Grant]), ("1", [Grant]), ("1", [Grant]), ("2", ["connect udp cidr 10.9.0.0/16 53"]), ("0", []) })
            programs.Add(await Kernel.StartScriptAsync("exec enduring sockets " + arguments, entries));
        for (int kill = 0; kill < Kills; kill++)
        {
            await _answered.AnswersAsync(20, "twenty answers");
            await Task.Delay(TimeSpan.FromMicroseconds(random.Next(5000)));
            await Kernel.KillKernelAsync();
        }
        await _answered.AnswersAsync(20, "twenty answers after the last kill");
        Assert.Equal(programs.Select(_ => ""), programs.Select(spec => File.ReadAllText(Path.Combine(Kernel.Root, spec.LogPath))));
        Assert.All(await Kernel.Service.ListAsync(None), status => Assert.Equal(ContainerState.Running, status.State));
    }

    /// <summary>Whoever takes over is killed while it does, again and again: the last one finds everything all the same.</summary>
    [Fact]
    public async Task Successors_that_are_killed_in_the_middle_of_taking_over_lose_nothing()
    {
        const int Kills = 14;
        var random = Seeded();
        await Kernel.KillKernelAsync();
        var rest = (await Kernel.Service.KernelStatisticsAsync(None), await Kernel.DescriptorsAtRestAsync());
        var calling = await Kernel.StartScriptAsync(AnsweredKernel.Calls, Grant);
        var serving = await Kernel.StartScriptAsync("while true; do echo served | nc -l -p 80; done", "listen tcp 80");
        var staying = await Kernel.StartScriptAsync("sleep 1000", "connect tcp cidr 10.0.0.0/8 80");
        var before = await Kernel.Service.KernelStatisticsAsync(None);
        int? successor = null, killed = null;
        for (int kill = 0; kill < Kills; kill++)
        {
            while ((successor = Kernel.Server("eyrie-kernel")) is null || successor == killed) Assert.True(Kernel.State == "runs", $"the kernel {Kernel.State} after {kill} kills");
            var moment = TimeSpan.FromMicroseconds(random.Next(4000));
            for (long begun = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(begun) < moment;) Thread.SpinWait(10);
            RunningKernel.Kill(successor.Value);
            killed = successor;
        }
        await _answered.AnswersAsync(20, "twenty answers after the last kill");
        await Kernel.UntilAsync(() => Kernel.Server("metteagle") is not null, "the container service");
        await Kernel.Service.DisposeAsync();
        await Kernel.ConnectAsync();
        foreach (var spec in new[] { calling, serving, staying }) Assert.Equal(spec.Capabilities.Order(StringComparer.Ordinal), await Kernel.Service.ReadCapabilitiesAsync(spec.Id, None));
        Assert.All(await Kernel.Service.ListAsync(None), status => Assert.Equal(ContainerState.Running, status.State));
        await Kernel.UntilAsync(() => Served(serving) == "served\n", "the server");
        Assert.Equal(before, await Kernel.Service.KernelStatisticsAsync(None));
        AssertNothingLost(calling);
        foreach (var spec in new[] { calling, serving, staying }) await Kernel.Service.DeleteAsync(spec.Id, None);
        Assert.Equal(rest, (await Kernel.Service.KernelStatisticsAsync(None), await Kernel.DescriptorsAtRestAsync()));
        await Kernel.UntilAsync(() => Kernel.Children().Order(StringComparer.Ordinal).SequenceEqual(["eyrie-kernel", "eyrie-kernel", "eyrie-kernel", "metteagle", "network"]), "nobody but the kernel, its servers and two blanks");
    }

    private void AssertNothingLost(ContainerSpec caller) => Assert.Equal("", File.ReadAllText(Path.Combine(Kernel.Root, caller.LogPath)));

    /// <summary>Nothing of one that was being deleted and has gone meanwhile.</summary>
    private async Task<IReadOnlyList<string>> HeldAsync(ContainerSpec spec)
    {
        try
        {
            return await Kernel.Service.ReadCapabilitiesAsync(spec.Id, None);
        }
        catch (ContainerServiceException gone) when (gone.Error == ContainerError.UnknownContainer) { return []; }
    }

    private async Task StartAndDeleteAsync(ContainerSpec spec)
    {
        await Kernel.Service.CreateAsync(spec, None);
        await Kernel.Service.StartAsync(spec.Id, None);
        await Kernel.Service.DeleteAsync(spec.Id, None);
    }

    private async Task ComeAndGoAsync(ContainerSpec spec, CancellationToken stop)
    {
        var service = Kernel.Service;
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

    private static string Served(ContainerSpec serving)
    {
        using var client = new TcpClient();
        return TryConnect(client, serving.PodAddress, 80) ? new StreamReader(client.GetStream()).ReadToEnd() : "";
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
