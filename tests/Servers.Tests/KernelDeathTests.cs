using System.Diagnostics;

namespace Eyrie.Servers.Tests;

public sealed class KernelDeathTests
{
    [Fact]
    public async Task A_kernel_ends_with_the_process_that_owns_it_and_takes_everything_along()
    {
        using var owner = Process.Start("sleep", "1000");
        await using var kernel = await RunningKernel.StartAsync(owner: owner.Id);
        var spec = kernel.Script("sleep 1000");
        await kernel.Service.CreateAsync(spec, CancellationToken.None);
        await kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        var container = (await kernel.Service.ListAsync(CancellationToken.None)).Single(status => status.Id == spec.Id).ProcessId;
        owner.Kill();
        Assert.Equal(0, await kernel.EndedAsync(TimeSpan.FromSeconds(10)));
        Assert.False(Directory.Exists($"/proc/{container}"));
        Assert.False(Directory.Exists($"/sys/fs/cgroup/pids/{kernel.Group}"));
    }

    /// <summary>The host waits with the end of a container's first process until every other has been waited for, and those that entered its world are the kernel's own children.</summary>
    [Fact]
    public async Task A_kernel_ends_while_further_programs_run_in_its_containers()
    {
        using var owner = Process.Start("sleep", "1000");
        await using var kernel = await RunningKernel.StartAsync(owner: owner.Id);
        var spec = kernel.Script("sleep 1000");
        await kernel.Service.CreateAsync(spec, CancellationToken.None);
        await kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        var executions = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => kernel.Service.ExecAsync(spec.Id, new() { Arguments = ["sleep", "1000"] }, CancellationToken.None)));
        owner.Kill();
        Assert.Equal(0, await kernel.EndedAsync(TimeSpan.FromSeconds(10)));
        foreach (var execution in executions) await execution.DisposeAsync();
    }

    [Fact]
    public async Task Nothing_outlives_a_kernel_that_is_killed()
    {
        var kernel = await RunningKernel.StartAsync();
        var spec = kernel.Script("sleep 1000");
        await kernel.Service.CreateAsync(spec, CancellationToken.None);
        await kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        var container = (await kernel.Service.ListAsync(CancellationToken.None)).Single(status => status.Id == spec.Id).ProcessId;
        var children = File.ReadAllText($"/proc/{kernel.ProcessId}/task/{kernel.ProcessId}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains($"{container}", children);
        using (var process = Process.GetProcessById(kernel.ProcessId)) process.Kill();
        var end = DateTimeOffset.UtcNow.AddSeconds(10);
        while (children.Any(child => Directory.Exists($"/proc/{child}")))
            Assert.True(DateTimeOffset.UtcNow < end, $"10 s after the kernel was killed these live: {string.Join(", ", children.Where(child => Directory.Exists($"/proc/{child}")))}");
        foreach (var controller in new[] { "memory", "cpu", "cpuacct", "pids" })
            foreach (var group in new[] { $"/{spec.Id}", "" }) Directory.Delete($"/sys/fs/cgroup/{controller}/{kernel.Group}{group}");
    }
}
