using System.Globalization;
using Eyrie.Microkernel.Client;
using Eyrie.Tests;
using Xunit.Abstractions;

namespace Eyrie.Servers.Tests;

/// <summary>Thousands of containers (<c>EYRIE_LONG=1</c>: 100,000) come and go, and everything is where it was: memory, descriptors, mounts, control groups, processes, kernel objects.</summary>
[Takes(11)]
public sealed class LeakTests(ITestOutputHelper output)
{
    private const int AtOnce = 8, WarmUp = 400, MostSpare = 16;

    private static readonly int Containers = Environment.GetEnvironmentVariable("EYRIE_LONG") == "1" ? 100_000 : 2_000;

    /// <summary>What a kernel and its two servers hold.</summary>
    private sealed record Holding(KernelStatistics Kernel, int Descriptors, int Processes, int Mounts, int Groups);

    private static int[] Processes(RunningKernel kernel) =>
        [kernel.ProcessId, .. File.ReadAllText($"/proc/{kernel.ProcessId}/task/{kernel.ProcessId}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];

    private static long Resident(int process) => long.Parse(File.ReadAllText($"/proc/{process}/statm").Split(' ')[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize;

    /// <summary>Once the processes that wait for the next containers have let go of what they do not need.</summary>
    private static async Task<Holding> HoldingAsync(RunningKernel kernel)
    {
        var before = await OnceAsync(kernel);
        for (int same = 0; same < 5; await Task.Delay(20))
        {
            var now = await OnceAsync(kernel);
            same = now == before && kernel.Blanks().Length == 2 ? same + 1 : 0;
            before = now;
        }
        return before;
    }

    private static async Task<Holding> OnceAsync(RunningKernel kernel)
    {
        var processes = Processes(kernel);
        return new Holding(await kernel.Service.KernelStatisticsAsync(CancellationToken.None), processes.Sum(process => Descriptors(process)), processes.Length,
            File.ReadLines($"/proc/{kernel.ProcessId}/mountinfo").Count(), new[] { "memory", "cpu", "pids" }.Sum(controller => Groups(kernel, controller).Length - Math.Min(MostSpare, Groups(kernel, controller).Count(group => Path.GetFileName(group).StartsWith(".spare-", StringComparison.Ordinal)))));
    }

    private static int Descriptors(int process)
    {
        try
        {
            return Directory.GetFileSystemEntries($"/proc/{process}/fd").Length;
        }
        catch (IOException) { return -1; } // it has just ended
    }

    private static string[] Groups(RunningKernel kernel, string controller) => Directory.GetDirectories($"/sys/fs/cgroup/{controller}/{kernel.Group}");

    private static async Task RunAsync(RunningKernel kernel, ContainerSpec[] specs, int count)
    {
        var ended = specs.ToDictionary(spec => spec.Id, _ => new TaskCompletionSource());
        using var stop = new CancellationTokenSource();
        var listening = Task.Run(async () =>
        {
            try
            {
                await foreach (var occurred in kernel.Service.EventsAsync(stop.Token))
                    if (occurred is ContainerExited exit) ended[exit.ContainerId].TrySetResult();
            }
            catch (OperationCanceledException) { }
        });
        await Task.WhenAll(specs.Select(spec => Task.Run(async () =>
        {
            for (int i = 0; i < count / specs.Length; i++)
            {
                lock (ended) ended[spec.Id] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                await kernel.Service.CreateAsync(spec, CancellationToken.None);
                await kernel.Service.StartAsync(spec.Id, CancellationToken.None);
                await ended[spec.Id].Task.WaitAsync(TimeSpan.FromSeconds(30));
                await kernel.Service.DeleteAsync(spec.Id, CancellationToken.None);
            }
        })));
        await stop.CancelAsync();
        await listening;
    }

    /// <summary>Containers that go on take the places of such that have just ended, whose descriptors children being born still hold copies of.</summary>
    [Fact]
    public async Task The_end_of_one_container_is_not_taken_for_that_of_its_successor()
    {
        const int Short = 6, Long = 2, Times = 60;
        await using var kernel = await RunningKernel.StartAsync();
        var brief = Enumerable.Range(0, Short).Select(_ => kernel.Script("true")).ToArray();
        var work = Enumerable.Range(0, Long).Select(_ => kernel.Script("sleep 1000")).Select(spec => Task.Run(async () =>
        {
            for (int i = 0; i < Times; i++)
            {
                await kernel.Service.CreateAsync(spec, CancellationToken.None);
                await kernel.Service.StartAsync(spec.Id, CancellationToken.None);
                for (int look = 0; look < 10; look++) Assert.Equal(ContainerState.Running, (await kernel.Service.ListAsync(CancellationToken.None)).Single(status => status.Id == spec.Id).State);
                await kernel.Service.DeleteAsync(spec.Id, CancellationToken.None);
            }
        })).Append(RunAsync(kernel, brief, Short * Times * 2));
        await Task.WhenAll(work).WaitAsync(TimeSpan.FromSeconds(120));
    }

    [Fact]
    public async Task After_thousands_of_containers_everything_is_where_it_was()
    {
        await using var kernel = await RunningKernel.StartAsync();
        var specs = Enumerable.Range(0, AtOnce).Select(_ => kernel.Script("exit 3", "cpu shares=100 limit=500m", "listen tcp 80", "dir /tmp read,write") with { LogPath = "logs/all.log" }).ToArray();
        await RunAsync(kernel, specs, WarmUp);
        var before = await HoldingAsync(kernel);
        var resident = Processes(kernel).Select(Resident).ToArray();
        var start = DateTimeOffset.UtcNow;
        await RunAsync(kernel, specs, Containers);
        output.WriteLine($"{Containers} containers in {DateTimeOffset.UtcNow - start}");
        Assert.Equal(before, await HoldingAsync(kernel));
        var now = Processes(kernel).Select(Resident).ToArray();
        output.WriteLine($"resident before: {string.Join(", ", resident)}; after: {string.Join(", ", now)}");
        const long Slack = 256 << 10; // tables are touched at other places than before, page by page
        foreach (var (one, other) in resident.Zip(now)) Assert.InRange(other, 0, one + Slack);
    }
}
