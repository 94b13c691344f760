using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Which system calls a container reaches follows from its set, in real containers: what no line brings is refused, what one brings works, and a filter does not widen while it runs.</summary>
public sealed class CallClassTests : IAsyncLifetime
{
    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../SystemCalls/bin/systemcalls"));
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        File.Copy(Tool, Path.Combine(_kernel.Root, "images/busybox/bin/systemcalls"));
    }

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private const string OneProcess = "quota memory=67108864 processes=1", Many = "quota memory=67108864 processes=32";

    private ContainerSpec Program(string[] program, params string[] entries) => _kernel.Script("") with { Arguments = program, Capabilities = [.. entries, "log write"] };

    private async Task<string[]> CallsAsync(string calls, params string[] entries)
    {
        var (_, output) = await _kernel.RunAsync(Program(["systemcalls", .. calls.Split(' ')], entries));
        return output.Split('\n');
    }

    [Theory]
    [InlineData("echo", "least", "least")]
    [InlineData("cat", "/etc/text", "of the image")]
    [InlineData("ls", "/data", "file")]
    [InlineData("id", "-u", "0")]
    [InlineData("head", "/etc/text", "of the image")]
    public async Task With_nothing_but_one_process_programs_read_compute_and_say_what_came_of_it(string program, string argument, string said)
    {
        File.WriteAllText(Path.Combine(_kernel.Root, "images/busybox/etc/text"), "of the image\n");
        File.WriteAllText(Path.Combine(_kernel.Root, "images/busybox/data/file"), "");
        var (exit, output) = await _kernel.RunAsync(Program([program, argument], OneProcess));
        Assert.Equal((0, said), (exit.ExitCode, output));
    }

    [Theory]
    [InlineData("58", OneProcess, Many)] // vfork
    [InlineData("83 s:/tmp/a 0", OneProcess, "dir /tmp read,write")] // mkdir
    [InlineData("41 1 1 0", Many, "listen tcp 80")] // socket(AF_UNIX)
    [InlineData("53 1 1 0 z:8", Many, "connect tcp service default/hello 80")] // socketpair
    [InlineData("29 0 4096 0x3ff", Many, "processes shared-memory")] // shmget
    [InlineData("39 , 213 1", OneProcess, "dir /tmp read,write")] // epoll_create: any class
    public async Task A_call_is_refused_until_a_line_brings_its_class(string calls, string without, string line)
    {
        Assert.Equal("-1", (await CallsAsync(calls, without))[^1]);
        var set = line.StartsWith("quota", StringComparison.Ordinal) ? [line] : new[] { without, line };
        Assert.InRange(long.Parse((await CallsAsync(calls, set))[^1], System.Globalization.CultureInfo.InvariantCulture), 0, int.MaxValue);
    }

    // fork; clone of a process that says CLONE_SIGHAND without CLONE_VM, and of a thread without CLONE_SIGHAND: whom the filter lets through the host's kernel tells that this is no way to do it (EINVAL).
    private const string Fork = "57", Process = "56 0x800", Thread = "56 0x10000";

    [Theory]
    [InlineData("quota memory=67108864 processes=1", false, false)]
    [InlineData("quota memory=67108864 processes=8", true, true)]
    [InlineData("quota memory=67108864 processes=8 threads=1", true, false)]
    [InlineData("quota memory=67108864 processes=1 threads=8", false, true)]
    public async Task Processes_and_threads_are_had_apart(string quota, bool forks, bool threads)
    {
        async Task<bool> HasAsync(string call) => (await CallsAsync(call, quota)).Any(line => long.Parse(line, System.Globalization.CultureInfo.InvariantCulture) is > 0 or -22);
        Assert.Equal((forks, forks, threads), (await HasAsync(Fork), await HasAsync(Process), await HasAsync(Thread)));
        var spec = Program(["sleep", "100"], quota);
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        Assert.Contains(quota, await _kernel.Service.ReadCapabilitiesAsync(spec.Id, CancellationToken.None));
    }

    [Theory]
    [InlineData("quota memory=67108864 processes=2 threads=8")]
    [InlineData("quota memory=67108864 processes=1 threads=1")]
    [InlineData("quota memory=67108864 processes=1 threads=0")]
    [InlineData("quota memory=67108864 processes=1 threads=many")]
    public async Task Numbers_that_the_host_cannot_hold_apart_are_no_quota(string quota) =>
        Assert.Equal(ContainerError.InvalidCapability, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.CreateAsync(Program(["true"], quota), CancellationToken.None))).Error);

    [Theory]
    [InlineData("c0a80001", "192.168.0.1:80")]
    [InlineData("7f000001", "127.0.0.1:80")]
    public async Task Without_any_grant_a_connect_is_refused_and_still_recorded_with_its_address(string bytes, string target)
    {
        string address = "x:02000050" + bytes + "0000000000000000";
        var spec = Program(["systemcalls", "41", "2", "1", "0", ",", "42", "$0", address, "16", ",", "45", "$0", "z:8", "8", "0", ",", "50", "$0", "1"], OneProcess);
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        CapabilityDenied? denied = null;
        bool ended = false;
        await _kernel.EventAsync<ContainerEvent>(occurred =>
        {
            denied ??= occurred as CapabilityDenied;
            ended |= occurred is ContainerExited;
            return ended && denied is not null;
        });
        Assert.Equal(["3", "-13", "-1", "-1"], _kernel.Log(spec).Split('\n')); // what it holds is no socket; recvfrom and listen do not run
        Assert.Equal(("connect", target), (denied!.Operation, denied.Target));
    }

    [Fact]
    public async Task The_first_grant_of_the_network_takes_a_restart_and_a_further_one_does_not()
    {
        const string Listen = "listen tcp 80", Connect = "connect tcp service default/hello 80";
        var spec = _kernel.Script("sleep 100");
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        var refusal = await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.ChangeCapabilitiesAsync(spec.Id, [Listen], [], CancellationToken.None));
        Assert.Equal(ContainerError.NeedsRestart, refusal.Error);
        Assert.DoesNotContain(Listen, await _kernel.Service.ReadCapabilitiesAsync(spec.Id, CancellationToken.None));
        await _kernel.Service.DeleteAsync(spec.Id, CancellationToken.None);
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.ChangeCapabilitiesAsync(spec.Id, [Listen], [], CancellationToken.None); // it does not run yet
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        await _kernel.Service.ChangeCapabilitiesAsync(spec.Id, [Connect], [Listen], CancellationToken.None);
        Assert.Contains(Connect, await _kernel.Service.ReadCapabilitiesAsync(spec.Id, CancellationToken.None));
    }

    [Fact]
    public async Task A_further_program_reaches_what_the_container_reaches_and_no_more()
    {
        var spec = Program(["sleep", "100"], OneProcess);
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        await using var execution = await _kernel.Service.ExecAsync(spec.Id, new ExecSpec { Arguments = ["systemcalls", "213", "1", ",", "39"] }, CancellationToken.None);
        using var reader = new StreamReader(execution.Output);
        var lines = (await reader.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("-1", lines[0]);
        Assert.InRange(int.Parse(lines[1], System.Globalization.CultureInfo.InvariantCulture), 2, 100);
    }
}
