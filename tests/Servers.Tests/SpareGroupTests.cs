using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>A control group that one container had is given to the next.</summary>
public sealed class SpareGroupTests : IAsyncLifetime
{
    private const string Limited = "quota memory=67108864 processes=32", Processor = "cpu shares=512 limit=500m";
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();
    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private string[] Spare() => [.. Directory.GetDirectories($"/sys/fs/cgroup/pids/{_kernel.Group}", ".spare-*").Select(directory => Path.GetFileName(directory)).Order(StringComparer.Ordinal)];

    private string Read(ContainerSpec spec, string controller, string file) => File.ReadAllText($"/sys/fs/cgroup/{controller}/{_kernel.Group}/{spec.Id}/{file}").Trim();

    private async Task<ContainerExited> RunAsync(string script, params string[] entries)
    {
        var spec = _kernel.Script(script) with { Capabilities = ["log write", .. entries] };
        var (exit, _) = await _kernel.RunAsync(spec);
        await _kernel.Service.DeleteAsync(spec.Id, CancellationToken.None);
        return exit;
    }

    private async Task<ContainerSpec> StartAsync(params string[] entries)
    {
        var spec = _kernel.Script("sleep 1000") with { Capabilities = ["log write", .. entries] };
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        return spec;
    }

    [Fact]
    public async Task The_next_container_has_its_own_limits_and_nothing_counted_before()
    {
        await RunAsync("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done", Limited, Processor);
        Assert.Equal([".spare-1"], Spare());
        var spec = await StartAsync("quota memory=50331648 processes=9");
        Assert.Empty(Spare());
        Assert.Equal(["50331648", "9", "1024", "-1"], [Read(spec, "memory", "memory.limit_in_bytes"), Read(spec, "pids", "pids.max"), Read(spec, "cpu", "cpu.shares"), Read(spec, "cpu", "cpu.cfs_quota_us")]);
        Assert.Equal(["log write", "quota memory=50331648 processes=9"], await _kernel.Service.ReadCapabilitiesAsync(spec.Id, CancellationToken.None));
        var used = await _kernel.Service.StatisticsAsync(spec.Id, CancellationToken.None);
        Assert.InRange(used.Cpu, TimeSpan.Zero, TimeSpan.FromMilliseconds(50));
        Assert.Equal(1, used.Processes);
    }

    [Fact]
    public async Task Limits_hold_where_none_were_before()
    {
        await RunAsync("true");
        Assert.Equal([".spare-1"], Spare());
        var spec = await StartAsync(Limited, Processor);
        Assert.Empty(Spare());
        Assert.Equal(["67108864", "32", "512", "50000"], [Read(spec, "memory", "memory.limit_in_bytes"), Read(spec, "pids", "pids.max"), Read(spec, "cpu", "cpu.shares"), Read(spec, "cpu", "cpu.cfs_quota_us")]);
    }

    [Fact]
    public async Task One_in_which_a_process_was_killed_for_want_of_memory_is_not_given_on()
    {
        Assert.True((await RunAsync("head -c 134217728 /dev/zero | tail", Limited)).OutOfMemory);
        Assert.Empty(Spare());
        Assert.False((await RunAsync("kill -9 $$", Limited)).OutOfMemory);
    }

    [Fact]
    public async Task To_a_small_quota_none_is_given_that_something_is_charged_to()
    {
        await RunAsync("true", Limited);
        var before = Assert.Single(Spare());
        var group = $"/sys/fs/cgroup/memory/{_kernel.Group}/{before}";
        // A file that a process of the test writes in the group stays charged to it.
        var file = Path.Combine(_kernel.Root, "charged");
        using (var charge = System.Diagnostics.Process.Start("sh", ["-c", $"echo $$ >{group}/cgroup.procs && head -c 8388608 /dev/zero >{file} && echo $PPID >/dev/null"])!) await charge.WaitForExitAsync();
        Assert.InRange(long.Parse(File.ReadAllText(group + "/memory.usage_in_bytes"), System.Globalization.CultureInfo.InvariantCulture), 4 << 20, long.MaxValue);
        var spec = await StartAsync("quota memory=16777216 processes=8");
        Assert.Equal([before], Spare());
        Assert.InRange((await _kernel.Service.StatisticsAsync(spec.Id, CancellationToken.None)).MemoryBytes, 0, 4 << 20);
    }

    [Fact]
    public async Task All_go_with_the_kernel()
    {
        await RunAsync("true", Limited);
        Assert.NotEmpty(Spare());
        var group = $"/sys/fs/cgroup/memory/{_kernel.Group}";
        await _kernel.DisposeAsync();
        Assert.False(Directory.Exists(group));
        _kernel = await RunningKernel.StartAsync();
    }
}
