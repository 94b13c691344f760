using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Eyrie.Microkernel.Client;
using Eyrie.Tests;
using Xunit.Abstractions;

namespace Eyrie.Servers.Tests;

/// <summary>MettEagle is killed while containers run: it is started anew, knows them, their logs go on, and they notice nothing.</summary>
[Takes(20)]
public sealed partial class ContainerServiceRestartTests(ITestOutputHelper output) : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    [Fact]
    public async Task What_runs_goes_on_with_its_log_its_set_and_its_limits_and_what_ended_meanwhile_is_told()
    {
        var before = await _kernel.Service.KernelStatisticsAsync(None);
        var counting = await _kernel.StartScriptAsync("i=0; while [ $i -lt 30000 ]; do echo $i; i=$((i+1)); done; printf end; sleep 1000", "listen tcp 80", "cpu shares=100 limit=900m");
        var ending = await _kernel.StartScriptAsync("sleep 0.2; echo last; exit 7");
        var created = _kernel.Script("echo made before");
        await _kernel.Service.CreateAsync(created, None);
        var process = (await _kernel.Service.ListAsync(None)).Single(status => status.Id == counting.Id).ProcessId;
        for (int kill = 0; kill < 3; kill++)
        {
            var size = new FileInfo(Path.Combine(_kernel.Root, counting.LogPath)).Length;
            await _kernel.KillServerAsync("metteagle");
            await _kernel.UntilAsync(() => new FileInfo(Path.Combine(_kernel.Root, counting.LogPath)).Length > size || _kernel.Log(counting).Contains("29999", StringComparison.Ordinal), "the log to go on");
        }
        var listed = (await _kernel.Service.ListAsync(None)).ToDictionary(status => status.Id);
        Assert.Equal((ContainerState.Running, process), (listed[counting.Id].State, listed[counting.Id].ProcessId));
        if (listed[ending.Id].State == ContainerState.Running) await _kernel.EventAsync<ContainerExited>(exit => exit.ContainerId == ending.Id);
        var end = (await _kernel.Service.ListAsync(None)).Single(status => status.Id == ending.Id);
        Assert.Equal((ContainerState.Exited, 7), (end.State, end.ExitCode));
        Assert.Equal("last", _kernel.Log(ending));
        Assert.Equal(counting.Capabilities.Order(StringComparer.Ordinal), await _kernel.Service.ReadCapabilitiesAsync(counting.Id, None));
        await _kernel.UntilAsync(() => _kernel.Log(counting).Contains("29999", StringComparison.Ordinal), "the last line");
        await _kernel.Service.SignalAsync(counting.Id, 9, None);
        await _kernel.UntilAsync(() => _kernel.Log(counting).EndsWith("end", StringComparison.Ordinal), "the rest of a line that was not complete");
        Assert.Equal(string.Join('\n', Enumerable.Range(0, 30000)) + "\nend", _kernel.Log(counting));
        await _kernel.Service.StartAsync(created.Id, None);
        await _kernel.UntilAsync(() => _kernel.Log(created) == "made before", "one that was made before the kills to run");
        foreach (var id in new[] { counting.Id, ending.Id, created.Id }) await _kernel.Service.DeleteAsync(id, None);
        Assert.Equal((before.ObjectsLeft, before.CapabilitiesLeft, before.ProcessesPromised), await _kernel.Service.KernelStatisticsAsync(None) is var now ? (now.ObjectsLeft, now.CapabilitiesLeft, now.ProcessesPromised) : default);
    }

    [Fact]
    public async Task Stdin_a_terminal_and_the_end_of_both_are_as_before()
    {
        var reading = _kernel.Script("cat; echo closed") with { OpenInput = true };
        var showing = _kernel.Script("stty -echo; while read line; do echo heard $line; done") with { Terminal = true };
        foreach (var spec in new[] { reading, showing })
        {
            await _kernel.Service.CreateAsync(spec, None);
            await _kernel.Service.StartAsync(spec.Id, None);
        }
        await _kernel.KillServerAsync("metteagle");
        await using (var attached = await _kernel.Service.AttachAsync(showing.Id, None))
        {
            await attached.Input!.WriteAsync("one\n"u8.ToArray());
            await _kernel.UntilAsync(() => _kernel.Log(showing).Contains("heard one", StringComparison.Ordinal), "the terminal's program to hear");
        }
        await using (var attached = await _kernel.Service.AttachAsync(reading.Id, None)) await attached.Input!.WriteAsync("two\n"u8.ToArray());
        await _kernel.UntilAsync(() => _kernel.Log(reading).Contains("two", StringComparison.Ordinal), "stdin to be read");
        var exited = _kernel.EventAsync<ContainerExited>(exit => exit.ContainerId == reading.Id);
        await _kernel.Service.CloseInputAsync(reading.Id, None);
        await exited;
        Assert.Equal("two\nclosed", _kernel.Log(reading));
    }

    [Fact]
    public async Task Killed_at_any_moment_of_making_and_deleting_it_leaves_nothing_half_made()
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("EYRIE_SEED"), out int given) ? given : Random.Shared.Next(1_000_000_000);
        output.WriteLine($"EYRIE_SEED={seed}");
        var random = new Random(seed);
        var specs = Enumerable.Range(0, 3).Select(_ => _kernel.Script("sleep 1000", "listen tcp 80", "connect tcp cidr 10.0.0.0/8 80")).ToArray();
        await _kernel.Service.CreateAsync(specs[0], None);
        await _kernel.Service.DeleteAsync(specs[0].Id, None);
        var before = await _kernel.Service.KernelStatisticsAsync(None);
        var descriptors = await _kernel.DescriptorsAtRestAsync();
        for (int round = 0; round < 12; round++)
        {
            using var stop = new CancellationTokenSource();
            var working = Task.WhenAll(specs.Select(spec => Task.Run(() => ComeAndGoAsync(spec, stop.Token))));
            await Task.Delay(random.Next(60));
            if (round % 5 == 4) await Task.Delay(10_000); // five ends within ten seconds would be the kernel's
            await _kernel.KillServerAsync("metteagle");
            await stop.CancelAsync();
            await working;
            foreach (var status in await _kernel.Service.ListAsync(None)) await _kernel.Service.DeleteAsync(status.Id, None);
            var now = await _kernel.Service.KernelStatisticsAsync(None);
            Assert.Equal((round, before.ObjectsLeft, before.CapabilitiesLeft, before.ProcessesPromised), (round, now.ObjectsLeft, now.CapabilitiesLeft, now.ProcessesPromised));
        }
        Assert.Equal(descriptors, await _kernel.DescriptorsAtRestAsync());
        Assert.DoesNotContain(Directory.GetDirectories($"/sys/fs/cgroup/pids/{_kernel.Group}"), group => !Path.GetFileName(group).StartsWith(".spare-", StringComparison.Ordinal)); // those are kept for the next containers
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
                await service.ChangeCapabilitiesAsync(spec.Id, ["listen tcp 81"], ["listen tcp 80"], stop);
                await service.DeleteAsync(spec.Id, stop);
            }
        }
        catch (Exception cut) when (cut is IOException or SocketException or OperationCanceledException or ObjectDisposedException) { } // the service was killed
    }

    [Fact]
    public async Task Its_end_is_told_together_with_anothers_and_its_successor_is_heard()
    {
        const int Stop = 19, Continue = 18;
        var spec = await _kernel.StartScriptAsync("exec sleep 1000");
        int container = (await _kernel.Service.ListAsync(None)).Single(status => status.Id == spec.Id).ProcessId, service = await _kernel.ServerAsync("metteagle"), itself = await _kernel.ServerAsync("eyrie-kernel");
        Assert.Equal(0, kill(itself, Stop));
        foreach (int ended in new[] { container, service }) // the kernel is told first that something has ended, then that nobody calls any more
        {
            RunningKernel.Kill(ended);
            await _kernel.UntilAsync(() => !Directory.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{ended}")), "an end");
        }
        Assert.Equal(0, kill(itself, Continue));
        await _kernel.UntilAsync(() => _kernel.Server("metteagle") is { } successor && successor != service, "a successor");
        await _kernel.Service.DisposeAsync();
        await _kernel.ConnectAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal(ContainerState.Exited, (await _kernel.Service.ListAsync(None).WaitAsync(TimeSpan.FromSeconds(60))).Single().State);
    }

    [LibraryImport("libc")]
    private static partial int kill(int process, int signal);

    [Fact]
    public async Task One_that_ends_again_and_again_takes_the_kernel_along()
    {
        for (int kill = 0; kill < 6 && _kernel.State == "runs"; kill++)
        {
            int? service = null;
            await _kernel.UntilAsync(() => _kernel.State != "runs" || (service = _kernel.Server("metteagle")) is not null, "the container service");
            if (service is not { } number) break;
            RunningKernel.Kill(number);
            await _kernel.UntilAsync(() => !Directory.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{number}")), "its end");
        }
        Assert.Equal(0, await _kernel.EndedAsync(TimeSpan.FromSeconds(20)));
    }
}
