using System.Globalization;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Sandboxes that are finished before anybody knows what will run in them.</summary>
public sealed class PreparedTests : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private ContainerSpec Prepared(string script = "echo as created", params string[] entries) => _kernel.Script(script, entries) with { Prepared = true };

    private async Task<string> EndedAsync(ContainerSpec spec)
    {
        var exit = await _kernel.EventAsync<ContainerExited>(occurred => occurred.ContainerId == spec.Id);
        Assert.Equal(0, exit.ExitCode);
        return _kernel.Log(spec);
    }

    [Fact]
    public async Task What_a_prepared_container_executes_is_said_when_it_starts()
    {
        var (first, second) = (Prepared(), Prepared());
        await _kernel.Service.CreateAsync(first, None);
        await _kernel.Service.CreateAsync(second, None);
        Assert.All(await _kernel.Service.ListAsync(None), status => Assert.Equal(ContainerState.Created, status.State));
        await _kernel.Service.StartAsync(first.Id, None, ["sh", "-c", "echo $SAID; id -u; readlink /proc/1/exe"], ["PATH=/bin", "SAID=late"]);
        Assert.Equal("late\n0\n/bin/busybox", await EndedAsync(first));
        await _kernel.Service.StartAsync(second.Id, None);
        Assert.Equal("as created", await EndedAsync(second));
    }

    [Fact]
    public async Task A_prepared_container_has_its_set_its_limits_and_its_filter()
    {
        var spec = Prepared("", "dir /tmp read,write");
        await _kernel.Service.CreateAsync(spec, None);
        Assert.Equal(spec.Capabilities.Order(StringComparer.Ordinal), await _kernel.Service.ReadCapabilitiesAsync(spec.Id, None)); // quotas as the host enforces them
        await _kernel.Service.StartAsync(spec.Id, None, ["sh", "-c", "touch /tmp/a && ls /tmp; touch /b 2>&1; nc 127.79.0.1 80 2>&1; true"]);
        var said = (await EndedAsync(spec)).Split('\n');
        Assert.Equal("a", said[0]);
        Assert.Contains("Read-only file system", said[1], StringComparison.Ordinal);
        Assert.Contains("Permission denied", said[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_cannot_be_made_is_refused_with_the_reason_and_leaves_nothing()
    {
        var before = await _kernel.Service.KernelStatisticsAsync(None);
        var refusal = await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.CreateAsync(Prepared() with { Layers = ["images/none"] }, None));
        Assert.Equal(ContainerError.ImageMissing, refusal.Error);
        Assert.Empty(await _kernel.Service.ListAsync(None));
        Assert.Equal(before, await _kernel.Service.KernelStatisticsAsync(None));
    }

    [Fact]
    public async Task A_program_that_is_not_there_is_told_when_it_is_asked_for_and_another_can_be_tried()
    {
        var spec = Prepared();
        await _kernel.Service.CreateAsync(spec, None);
        var refusal = await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.StartAsync(spec.Id, None, ["nothing"]));
        Assert.Equal(ContainerError.ProgramNotFound, refusal.Error);
        await _kernel.Service.StartAsync(spec.Id, None); // built anew
        Assert.Equal("as created", await EndedAsync(spec));
    }

    [Fact]
    public async Task One_whose_process_was_killed_is_built_anew_by_the_start()
    {
        var spec = Prepared();
        await _kernel.Service.CreateAsync(spec, None);
        var waiting = File.ReadAllLines($"/sys/fs/cgroup/pids/{_kernel.Group}/{spec.Id}/cgroup.procs").Select(line => int.Parse(line, CultureInfo.InvariantCulture)).Single();
        using (var process = System.Diagnostics.Process.GetProcessById(waiting)) process.Kill();
        while (Directory.Exists($"/sys/fs/cgroup/pids/{_kernel.Group}/{spec.Id}")) await Task.Delay(1); // the kernel has noticed
        await _kernel.Service.StartAsync(spec.Id, None);
        Assert.Equal("as created", await EndedAsync(spec));
    }

    [Fact]
    public async Task Only_what_was_prepared_can_be_told_late_what_to_execute()
    {
        var spec = _kernel.Script("true");
        await _kernel.Service.CreateAsync(spec, None);
        var refusal = await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.StartAsync(spec.Id, None, ["sh"]));
        Assert.Equal(ContainerError.InvalidRequest, refusal.Error);
    }

    [Fact]
    public async Task A_pool_gives_finished_sandboxes_replaces_them_and_leaves_nothing_behind()
    {
        var before = (await _kernel.Service.KernelStatisticsAsync(None), await _kernel.DescriptorsAtRestAsync());
        var pool = await SandboxPool.FillAsync(_kernel.Service, 3, _ => _kernel.Script("true", "dir /tmp read,write"));
        var taken = new List<string>();
        for (int i = 0; i < 10; i++) taken.Add(await pool.StartAsync(["sh", "-c", $"echo {i}"], null, None));
        await pool.DisposeAsync();
        foreach (var (id, i) in taken.Select((id, i) => (id, i)))
        {
            while ((await _kernel.Service.ListAsync(None)).Single(status => status.Id == id).State != ContainerState.Exited) await Task.Delay(1);
            await _kernel.Service.DeleteAsync(id, None);
            Assert.EndsWith($" stdout F {i}\n", File.ReadAllText(Path.Combine(_kernel.Root, $"logs/{id}.log")), StringComparison.Ordinal);
        }
        Assert.Empty(await _kernel.Service.ListAsync(None));
        Assert.Equal(before, (await _kernel.Service.KernelStatisticsAsync(None), await _kernel.DescriptorsAtRestAsync()));
    }

    [Fact]
    public async Task A_delete_of_what_runs_answers_when_nothing_of_it_is_left()
    {
        var spec = _kernel.Script("sleep 1000 & sleep 1000 & exec sleep 1000");
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        var group = $"/sys/fs/cgroup/pids/{_kernel.Group}/{spec.Id}";
        Assert.True(Directory.Exists(group));
        await Task.WhenAll(_kernel.Service.DeleteAsync(spec.Id, None), _kernel.Service.ListAsync(None));
        Assert.False(Directory.Exists(group));
        Assert.Empty(await _kernel.Service.ListAsync(None));
        await _kernel.Service.CreateAsync(spec, None); // at once, under the same name
        await _kernel.Service.StartAsync(spec.Id, None);
    }
}
