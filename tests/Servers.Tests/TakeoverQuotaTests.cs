using System.Globalization;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Quotas after the kernel was killed: its successor makes every charge anew, so that limits hold and what is free is what was free.</summary>
public sealed class TakeoverQuotaTests : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private ContainerSpec Limited(string script, long memory, long processes) => _kernel.Script(script) with { Capabilities = ["log write", string.Create(CultureInfo.InvariantCulture, $"quota memory={memory} processes={processes}")] };

    private async Task<bool> FitsAsync(ContainerSpec spec)
    {
        try
        {
            await _kernel.Service.CreateAsync(spec, None);
            return true;
        }
        catch (ContainerServiceException refused) when (refused.Error == ContainerError.QuotaExhausted) { return false; }
    }

    [Fact]
    public async Task A_container_that_was_taken_over_gets_no_more_memory_and_no_more_processes_than_before()
    {
        const int Processes = 8;
        var many = Limited("sleep 1000", 64 << 20, Processes);
        var greedy = Limited("sleep 1000", 32 << 20, 16);
        foreach (var spec in new[] { many, greedy })
        {
            await _kernel.Service.CreateAsync(spec, None);
            await _kernel.Service.StartAsync(spec.Id, None);
        }
        await _kernel.KillKernelAsync();
        await using (await _kernel.Service.ExecAsync(many.Id, new() { Arguments = ["sh", "-c", "i=0; while [ $i -lt 30 ]; do sleep 1000 & i=$((i+1)); done; sleep 1000"] }, None))
        {
            string Limit(string file) => File.ReadAllText($"/sys/fs/cgroup/pids/{_kernel.Group}/{many.Id}/{file}").Trim();
            await _kernel.UntilAsync(() => Limit("pids.events") is not "max 0", "a process to be refused");
            Assert.Equal("8", Limit("pids.max"));
            Assert.InRange((await _kernel.Service.StatisticsAsync(many.Id, None)).Processes, 1, Processes);
        }
        await using var executed = await _kernel.Service.ExecAsync(greedy.Id, new() { Arguments = ["sh", "-c", "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo $x"] }, None);
        var statistics = await _kernel.Service.KernelStatisticsAsync(None);
        await _kernel.UntilAsync(() => !File.ReadAllText($"/sys/fs/cgroup/memory/{_kernel.Group}/{greedy.Id}/memory.oom_control").Contains("oom_kill 0", StringComparison.Ordinal), "the host to refuse memory");
        foreach (var spec in new[] { many, greedy }) await _kernel.Service.DeleteAsync(spec.Id, None);
        var after = await _kernel.Service.KernelStatisticsAsync(None);
        Assert.Equal((Processes + 16, true), (statistics.ProcessesPromised - after.ProcessesPromised, statistics.BytesUsed - after.BytesUsed >= 96 << 20));
    }

    /// <summary>What a node can promise stays promised, to the last process and byte; and is free again when its container is deleted.</summary>
    [Fact]
    public async Task What_is_promised_to_containers_is_promised_still_and_comes_back_with_their_end()
    {
        const long AllProcesses = 1L << 20, AllBytes = 1L << 50;
        var before = await _kernel.Service.KernelStatisticsAsync(None);
        ContainerSpec holding = Limited("true", AllBytes / 2, AllProcesses - before.ProcessesPromised - 5), rest = Limited("true", 1 << 20, 5), one = Limited("true", 1 << 20, 1), bytes = Limited("true", AllBytes / 2, 0);
        Assert.True(await FitsAsync(holding));
        await _kernel.KillKernelAsync();
        Assert.True(await FitsAsync(rest));
        Assert.False(await FitsAsync(one));
        Assert.False(await FitsAsync(bytes));
        await _kernel.KillKernelAsync();
        Assert.False(await FitsAsync(one));
        foreach (var spec in new[] { holding, rest }) await _kernel.Service.DeleteAsync(spec.Id, None);
        Assert.Equal(before, await _kernel.Service.KernelStatisticsAsync(None));
        Assert.True(await FitsAsync(one));
        Assert.True(await FitsAsync(bytes));
    }

    [Fact]
    public async Task A_program_that_is_started_by_the_successor_may_have_as_many_descriptors_open_as_before()
    {
        var (_, before) = await _kernel.RunAsync(_kernel.Script("ulimit -n; ulimit -Hn"));
        await _kernel.KillKernelAsync();
        Assert.Equal(before, (await _kernel.RunAsync(_kernel.Script("ulimit -n; ulimit -Hn"))).Output);
    }
}
