using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Eyrie.Microkernel.Client;

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
        Assert.Equal(0, await kernel.EndedAsync(TimeSpan.FromSeconds(60)));
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
        Assert.Equal(0, await kernel.EndedAsync(TimeSpan.FromSeconds(60)));
        foreach (var execution in executions) await execution.DisposeAsync();
    }

    private static readonly string Enduring = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../Enduring/bin/enduring"));

    private static string[] Children(RunningKernel kernel) => File.ReadAllText($"/proc/{kernel.ProcessId}/task/{kernel.ProcessId}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static IEnumerable<string> Groups(RunningKernel kernel) => Directory.GetDirectories("/sys/fs/cgroup").Select(hierarchy => Path.Combine(hierarchy, kernel.Group)).Where(Directory.Exists);

    /// <summary>Whether it runs: a process that nobody has waited for yet has ended all the same.</summary>
    private static bool Lives(string process)
    {
        try
        {
            return !File.ReadAllText($"/proc/{process}/stat").Contains(") Z", StringComparison.Ordinal);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException) { return false; }
    }

    private static bool Answers(ContainerSpec serving)
    {
        using var client = new TcpClient();
        try
        {
            client.Connect(serving.PodAddress, 80);
            return true;
        }
        catch (SocketException) { return false; }
    }

    /// <summary>The kernel sees the end of the keeper and ends what has not ended by itself: also a container that is paused, and one that has made its parent's end no signal to itself.</summary>
    [Fact]
    public async Task Nothing_outlives_the_keeper()
    {
        await using var kernel = await RunningKernel.StartAsync();
        File.Copy(Enduring, Path.Combine(kernel.Root, "images/busybox/bin/enduring"));
        var serving = await kernel.StartScriptAsync("while true; do echo | nc -l -p 80; done", "listen tcp 80");
        var stubborn = await kernel.StartScriptAsync("exec enduring outlive");
        var paused = await kernel.StartScriptAsync("exec enduring outlive");
        foreach (var spec in new[] { stubborn, paused }) await kernel.UntilAsync(() => File.ReadAllText(Path.Combine(kernel.Root, spec.LogPath)).Contains("signal at the parent's end: 0 ", StringComparison.Ordinal), $"{spec.Id} to have no signal at its parent's end");
        await using var executed = await kernel.Service.ExecAsync(stubborn.Id, new() { Arguments = ["enduring", "outlive"] }, CancellationToken.None);
        await kernel.Service.PauseAsync(paused.Id, CancellationToken.None);
        await kernel.UntilAsync(() => Answers(serving), "the server");
        var children = Children(kernel);
        RunningKernel.Kill(kernel.ProcessId);
        await kernel.UntilAsync(() => !children.Any(Lives), $"the end of {string.Join(", ", children)}");
        Assert.Empty(Groups(kernel));
        Assert.False(Answers(serving));
        Assert.DoesNotContain(File.ReadLines("/proc/self/mountinfo"), line => line.Contains(kernel.Root, StringComparison.Ordinal));
    }

    /// <summary>A kernel that waits for the keeper's word of an end does so no longer than the keeper lives.</summary>
    [Fact]
    public async Task A_kernel_whose_keeper_ends_while_it_waits_for_it_ends_too()
    {
        using var owner = Process.Start("sleep", "1000");
        await using var kernel = await RunningKernel.StartAsync(owner: owner.Id);
        await kernel.StartScriptAsync("sleep 1000");
        var itself = (await kernel.ServerAsync("eyrie-kernel")).ToString(CultureInfo.InvariantCulture);
        using (var stop = Process.Start("kill", ["-STOP", kernel.ProcessId.ToString(CultureInfo.InvariantCulture)])) await stop.WaitForExitAsync();
        owner.Kill(); // so that it ends what it runs
        await kernel.UntilAsync(() => File.ReadAllText($"/proc/{itself}/syscall").StartsWith("7 ", StringComparison.Ordinal), "the kernel to wait for the keeper");
        RunningKernel.Kill(kernel.ProcessId);
        await kernel.UntilAsync(() => !Lives(itself), "the kernel's end");
        Assert.Empty(Groups(kernel));
    }

    /// <summary>Nobody is left who could end anything: what runs ends by its parent's end. The agent removes the control groups (LeftGroups).</summary>
    [Fact]
    public async Task Keeper_and_kernel_killed_together_leave_no_process_no_address_and_no_mount()
    {
        await using var kernel = await RunningKernel.StartAsync();
        var serving = await kernel.StartScriptAsync("while true; do echo | nc -l -p 80; done", "listen tcp 80");
        await kernel.UntilAsync(() => Answers(serving), "the server");
        await using var executed = await kernel.Service.ExecAsync(serving.Id, new() { Arguments = ["sleep", "1000"] }, CancellationToken.None);
        var children = Children(kernel);
        int itself = await kernel.ServerAsync("eyrie-kernel");
        using (var stop = Process.Start("kill", ["-STOP", itself.ToString(CultureInfo.InvariantCulture)])) await stop.WaitForExitAsync(); // it notices nothing
        RunningKernel.Kill(kernel.ProcessId);
        RunningKernel.Kill(itself);
        await kernel.UntilAsync(() => !children.Any(Lives), $"the end of {string.Join(", ", children)}");
        Assert.False(Answers(serving));
        Assert.DoesNotContain(File.ReadLines("/proc/self/mountinfo"), line => line.Contains(kernel.Root, StringComparison.Ordinal));
        foreach (var group in Groups(kernel))
        {
            foreach (var left in Directory.GetDirectories(group)) Directory.Delete(left); // which it could not be with a process in it
            Directory.Delete(group);
        }
    }
}
