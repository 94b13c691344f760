namespace Eyrie.Servers.Tests;

/// <summary>Processes that have begun to be a container before anybody asks for one.</summary>
public sealed class BlankTests : IAsyncLifetime
{
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();
    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    /// <summary>The standard three, two pipes to the kernel, four places and the keeper.</summary>
    [Fact]
    public async Task They_hold_nothing_of_the_containers_that_run_and_of_the_kernel_only_what_they_need()
    {
        var spec = _kernel.Script("sleep 1000");
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        string[] expected = ["anon_inode:[pidfd]", "file", "file", "file", "mnt", "pipe", "pipe"];
        string[] seen = [];
        await _kernel.UntilAsync(() => _kernel.Blanks() is { Length: 2 } blanks && blanks.All(blank => (seen = Held(blank)).SequenceEqual(expected)), "two blanks with nothing more than " + string.Join(", ", expected));
        Assert.Equal(expected, seen);
        await _kernel.Service.DeleteAsync(spec.Id, CancellationToken.None);
    }

    private static string[] Held(int blank)
    {
        try
        {
            return [.. Directory.GetFileSystemEntries($"/proc/{blank}/fd").Where(descriptor => int.Parse(Path.GetFileName(descriptor), System.Globalization.CultureInfo.InvariantCulture) > 2).Select(descriptor => new FileInfo(descriptor).LinkTarget ?? "")
                .Select(target => target.StartsWith('/') ? "file" : target.StartsWith("pipe:", StringComparison.Ordinal) ? "pipe" : target.StartsWith("mnt:", StringComparison.Ordinal) ? "mnt" : target).Order(StringComparer.Ordinal)];
        }
        catch (IOException) { return []; } // it has just ended
    }

    [Fact]
    public async Task A_container_starts_also_when_those_that_waited_for_it_were_killed()
    {
        await _kernel.UntilAsync(() => _kernel.Blanks().Length == 2, "two blanks");
        foreach (int blank in _kernel.Blanks()) RunningKernel.Kill(blank);
        await _kernel.UntilAsync(() => _kernel.Blanks().Length == 0, "their ends");
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("echo started"));
        Assert.Equal((0, "started"), (exit.ExitCode, output.Trim()));
        await _kernel.UntilAsync(() => _kernel.Blanks().Length == 2, "two blanks anew");
    }

    /// <summary>Everything that a program can see of itself, but for what no two containers have in common, and for the signals that wait for its user on the whole host (SigQ). A blank is covered as for root, whoever it becomes.</summary>
    private const string Looks = """
        exec 2>&1
        grep -vE ' /proc/(pagetypeinfo|slabinfo|vmallocinfo|kpage[a-z]+) ' /proc/self/mountinfo | cut -d ' ' -f 4- | cut -d , -f 1-5 | tr -d '0123456789'
        grep -E '^(Uid|Gid|Groups|Umask|Sig[^Q]|Shd|Cap|NoNew|Seccomp|NSpid|Threads)' /proc/self/status
        cat /proc/self/limits /proc/self/oom_score_adj /proc/self/timerslack_ns /proc/meminfo /proc/stat /proc/loadavg
        ls -lA /dev /dev/pts /dev/shm /proc/fs /proc/irq /proc/bus | cut -c 1-40
        ls /proc/self/fd /
        for space in net user cgroup; do readlink /proc/self/ns/$space; done
        cat /proc/self/cgroup
        cat /proc/$PPID/comm
        cut -d ' ' -f 4-8 /proc/self/stat
        """;

    private static readonly string[] Spaces = ["pid", "mnt", "uts", "ipc"];

    /// <summary>Where nobody waits any more a container begins when it is asked for.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("identity uid=0 gid=0")]
    [InlineData("processes shared-memory")]
    [InlineData("identity uid=1000 gid=1000;dir /data read,write;listen tcp 80")]
    public async Task What_was_a_blank_is_a_container_as_one_that_begins_when_it_is_asked_for(string entries)
    {
        var (waited, asIfCold) = (await SeenAsync(entries, waits: true), await SeenAsync(entries, waits: false));
        Assert.Contains("CapEff:\t0000000000000000", waited.Output);
        Assert.Equal(asIfCold.Output, waited.Output);
        bool common = entries != "processes shared-memory"; // all containers without it have the kernel's IPC namespace
        foreach (var space in Spaces)
        {
            Assert.Equal(space == "ipc" && common, asIfCold.Namespaces[space] == waited.Namespaces[space]);
            foreach (var seen in new[] { asIfCold, waited }) Assert.Equal(space == "ipc" && common, seen.Namespaces[space] == new FileInfo($"/proc/{_kernel.ProcessId}/ns/{space}").LinkTarget);
        }
    }

    private async Task<(string Output, Dictionary<string, string?> Namespaces)> SeenAsync(string entries, bool waits)
    {
        await _kernel.UntilAsync(() => _kernel.Blanks().Length == 2, "two blanks");
        var blanks = _kernel.Blanks();
        if (!waits)
        {
            foreach (int blank in blanks) RunningKernel.Kill(blank);
            await _kernel.UntilAsync(() => _kernel.Blanks().Length == 0, "their ends");
        }
        var spec = await _kernel.StartScriptAsync(Looks + "\necho all; sleep 1000", entries.Split(';', StringSplitOptions.RemoveEmptyEntries));
        await _kernel.UntilAsync(() => _kernel.Log(spec).EndsWith("all", StringComparison.Ordinal), "a container that has looked around");
        int process = (await _kernel.Service.ListAsync(CancellationToken.None)).Single(status => status.Id == spec.Id).ProcessId;
        Assert.Equal(waits, blanks.Contains(process));
        var spaces = Spaces.ToDictionary(space => space, space => new FileInfo($"/proc/{process}/ns/{space}").LinkTarget);
        return (_kernel.Log(spec).Replace($":/{_kernel.Group}/{spec.Id}\n", ":/its own\n", StringComparison.Ordinal), spaces);
    }

    /// <summary>What a blank has made before it enters the container's group is not charged to that.</summary>
    [Theory]
    [InlineData(4 << 20, true)]
    [InlineData((4 << 20) - 1, false)]
    public async Task A_quota_below_4_MiB_pays_for_all_of_its_start(long quota, bool waited)
    {
        await _kernel.UntilAsync(() => _kernel.Blanks().Length == 2, "two blanks");
        var blanks = _kernel.Blanks();
        var spec = _kernel.Script("sleep 1000");
        spec = spec with { Capabilities = [.. spec.Capabilities.Select(entry => entry.StartsWith("quota ", StringComparison.Ordinal) ? $"quota memory={quota} processes=32" : entry)] };
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        int process = (await _kernel.Service.ListAsync(CancellationToken.None)).Single(status => status.Id == spec.Id).ProcessId;
        Assert.Equal(waited, blanks.Contains(process));
    }

    [Fact]
    public async Task A_successor_of_the_kernel_ends_those_of_the_one_before_and_has_its_own()
    {
        await _kernel.UntilAsync(() => _kernel.Blanks().Length == 2, "two blanks");
        var former = _kernel.Blanks();
        await _kernel.KillKernelAsync();
        await _kernel.UntilAsync(() => _kernel.Blanks() is { Length: 2 } now && !now.Intersect(former).Any(), "two others");
        Assert.DoesNotContain(former, blank => Directory.Exists($"/proc/{blank}"));
    }

    /// <summary>Nobody is left who could end them: they end when nobody can tell them anything any more.</summary>
    [Fact]
    public async Task None_outlives_a_keeper_and_a_kernel_that_are_killed_together()
    {
        await _kernel.UntilAsync(() => _kernel.Blanks().Length == 2, "two blanks");
        var blanks = _kernel.Blanks();
        int itself = await _kernel.ServerAsync("eyrie-kernel");
        using (var stop = System.Diagnostics.Process.Start("kill", ["-STOP", itself.ToString(System.Globalization.CultureInfo.InvariantCulture)])) await stop.WaitForExitAsync();
        RunningKernel.Kill(_kernel.ProcessId);
        RunningKernel.Kill(itself);
        await _kernel.UntilAsync(() => !blanks.Any(blank => Directory.Exists($"/proc/{blank}") && !File.ReadAllText($"/proc/{blank}/stat").Contains(") Z", StringComparison.Ordinal)), "their ends");
        foreach (var group in Directory.GetDirectories("/sys/fs/cgroup").Select(hierarchy => Path.Combine(hierarchy, _kernel.Group)).Where(Directory.Exists)) Directory.Delete(group); // which the agent does otherwise
    }
}
