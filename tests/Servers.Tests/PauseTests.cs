using System.Diagnostics;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

public sealed class PauseTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60), While = TimeSpan.FromMilliseconds(500);
    private static readonly CancellationToken None = CancellationToken.None;
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();
    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    /// <summary>Three processes that write all the time, one of them always new.</summary>
    private async Task<ContainerSpec> StartAsync()
    {
        var spec = _kernel.Script("(while :; do echo one; sleep 0.01; done) & while :; do echo two; sleep 0.01; done");
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        await GoesOnAsync(spec);
        return spec;
    }

    private int Lines(ContainerSpec spec) => _kernel.Log(spec).Count(letter => letter == '\n');

    private async Task GoesOnAsync(ContainerSpec spec)
    {
        int before = Lines(spec);
        for (var end = DateTime.UtcNow + Deadline; Lines(spec) < before + 10; await Task.Delay(10)) Assert.True(DateTime.UtcNow < end, $"it has written {Lines(spec)} lines, {before} of them before");
    }

    /// <summary>What was on its way is written, and nothing more comes.</summary>
    private async Task StandsStillAsync(ContainerSpec spec)
    {
        long begun = Stopwatch.GetTimestamp();
        for (int before = -1; before != Lines(spec); await Task.Delay(While))
        {
            before = Lines(spec);
            Assert.True(Stopwatch.GetElapsedTime(begun) < Deadline, "it goes on writing");
        }
    }

    private Task RefusedAsync(Func<Task> what) => Assert.ThrowsAsync<ContainerServiceException>(what).ContinueWith(refused => Assert.Equal(ContainerError.WrongState, refused.Result.Error), TaskScheduler.Default);

    [Fact]
    public async Task A_paused_container_stands_still_until_it_is_resumed_and_its_neighbour_does_not()
    {
        var spec = await StartAsync();
        var neighbour = await StartAsync();
        for (int round = 0; round < 3; round++)
        {
            await _kernel.Service.PauseAsync(spec.Id, None);
            await StandsStillAsync(spec);
            await GoesOnAsync(neighbour);
            await _kernel.Service.ResumeAsync(spec.Id, None);
            await GoesOnAsync(spec);
        }
        Assert.False(Directory.Exists($"/sys/fs/cgroup/freezer/{_kernel.Group}"));
    }

    [Fact]
    public async Task However_often_one_is_paused_that_makes_processes_all_the_time_its_group_goes_when_it_goes_on()
    {
        const int Rounds = 200;
        // Linux gives back late what it needed for processes that have ended: that of so many is more than the usual quota.
        var spec = _kernel.Script("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do while :; do sleep 0.001; done & done; wait") with { Capabilities = ["log write", "quota memory=2147483648 processes=32"] };
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        for (int round = 0; round < Rounds; round++)
        {
            await _kernel.Service.PauseAsync(spec.Id, None);
            await _kernel.Service.ResumeAsync(spec.Id, None);
            Assert.False(Directory.Exists($"/sys/fs/cgroup/freezer/{_kernel.Group}"), $"the group is left after round {round}");
        }
    }

    [Fact]
    public async Task Nothing_enters_a_paused_container_and_it_is_paused_once()
    {
        var spec = await StartAsync();
        await RefusedAsync(() => _kernel.Service.ResumeAsync(spec.Id, None));
        await _kernel.Service.PauseAsync(spec.Id, None);
        await RefusedAsync(() => _kernel.Service.PauseAsync(spec.Id, None));
        await RefusedAsync(() => _kernel.Service.ExecAsync(spec.Id, new ExecSpec { Arguments = ["true"] }, None));
        await _kernel.Service.ResumeAsync(spec.Id, None);
        await using var execution = await _kernel.Service.ExecAsync(spec.Id, new ExecSpec { Arguments = ["true"] }, None);
        Assert.Equal(0, await execution.Exit.WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_paused_container_can_be_killed_and_deleted_and_ends_with_its_kernel()
    {
        var killed = await StartAsync();
        var deleted = await StartAsync();
        var left = await StartAsync();
        foreach (var spec in new[] { killed, deleted, left }) await _kernel.Service.PauseAsync(spec.Id, None);
        await _kernel.Service.SignalAsync(killed.Id, 9, None);
        Assert.Equal(137, (await _kernel.EventAsync<ContainerExited>(exited => exited.ContainerId == killed.Id)).ExitCode);
        await _kernel.Service.DeleteAsync(deleted.Id, None).WaitAsync(Deadline);
        await _kernel.DisposeAsync();
        Assert.False(Directory.Exists($"/sys/fs/cgroup/freezer/{_kernel.Group}"));
        _kernel = await RunningKernel.StartAsync();
    }
}
