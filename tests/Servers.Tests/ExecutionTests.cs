using System.Text;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Programs that are started in a container that runs already.</summary>
public sealed class ExecutionTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly CancellationToken None = CancellationToken.None;
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private async Task<ContainerSpec> RunningAsync(string script = "sleep 100", params string[] entries)
    {
        var spec = _kernel.Script(script, entries);
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        return spec;
    }

    private Task<IExecution> ExecAsync(ContainerSpec container, string script, bool input = false, bool terminal = false) =>
        _kernel.Service.ExecAsync(container.Id, new ExecSpec { Arguments = ["sh", "-c", script], Stdin = input, Terminal = terminal }, None);

    private static async Task<string> ReadAsync(Stream stream)
    {
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return await reader.ReadToEndAsync().WaitAsync(Deadline);
    }

    private async Task<(int Code, string Output, string Error)> RunAsync(ContainerSpec container, string script)
    {
        await using var execution = await ExecAsync(container, script);
        var error = ReadAsync(execution.Error!);
        var output = await ReadAsync(execution.Output);
        return (await execution.Exit.WaitAsync(Deadline), output, await error);
    }

    [Fact]
    public async Task It_is_in_the_containers_world_and_gives_its_output_and_exit_code()
    {
        var container = await RunningAsync("echo mine > /tmp/file; sleep 100; true", "dir /tmp read,write");
        var (code, output, error) = await RunAsync(container, "until [ -s /tmp/file ]; do sleep 0.05; done; hostname; cat /tmp/file; tr '\\0' ' ' < /proc/1/cmdline; echo problem >&2; exit 3");
        Assert.Equal((3, $"{container.Id}\nmine\nsh -c echo mine > /tmp/file; sleep 100; true ", "problem\n"), (code, output, error));
    }

    [Fact]
    public async Task What_is_written_to_it_arrives_and_the_end_too()
    {
        await using var execution = await ExecAsync(await RunningAsync(), "wc -c", input: true);
        var bytes = new byte[1_000_000];
        var output = ReadAsync(execution.Output);
        await execution.Input!.WriteAsync(bytes, None);
        await execution.Input.DisposeAsync();
        Assert.Equal("1000000\n", await output);
        Assert.Equal(0, await execution.Exit.WaitAsync(Deadline));
    }

    [Fact]
    public async Task Descriptors_stay_with_their_request_between_others_that_bring_none()
    {
        const int Rounds = 200;
        var container = await RunningAsync();
        var listing = Task.Run(async () => { for (int round = 0; round < 20 * Rounds; round++) await _kernel.Service.ListAsync(None); });
        var executing = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            for (int round = 0; round < Rounds / 4; round++) Assert.Equal((0, "here\n", ""), await RunAsync(container, "echo here"));
        }));
        await Task.WhenAll([listing, .. executing]).WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task With_a_terminal_it_sees_one_of_the_size_it_is_told()
    {
        await using var execution = await ExecAsync(await RunningAsync(), "test -t 0 && test -t 1 && read line && stty size", input: true, terminal: true);
        execution.Resize(132, 43);
        await execution.Input!.WriteAsync("go\n"u8.ToArray(), None);
        Assert.Contains("43 132", await ReadAsync(execution.Output), StringComparison.Ordinal);
        Assert.Equal(0, await execution.Exit.WaitAsync(Deadline));
    }

    [Theory]
    [InlineData("mount -t tmpfs none /tmp")]
    [InlineData("unshare -m true")]
    [InlineData("echo x > /bin/x")]
    [InlineData("ls /proc/1/root/home")]
    [InlineData("kill -0 $(( $(cut -d' ' -f1 /proc/self/stat) + 100000 ))")]
    [InlineData("chroot / true")]
    [InlineData("dmesg")]
    public async Task It_may_no_more_than_the_container(string attempt)
    {
        var container = await RunningAsync("sleep 100", "dir / read");
        Assert.NotEqual(0, (await RunAsync(container, attempt)).Code);
    }

    [Fact]
    public async Task It_holds_no_descriptor_but_its_own_three_and_no_privilege()
    {
        var (_, output, _) = await RunAsync(await RunningAsync(), "ls /proc/$$/fd; grep -E 'CapEff|CapPrm|CapBnd|NoNewPrivs|Seccomp:' /proc/$$/status");
        Assert.Equal("0 1 2 CapPrm: 0000000000000000 CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2",
            string.Join(' ', output.Split((char[])['\n', '\t', ' '], StringSplitOptions.RemoveEmptyEntries)));
    }

    [Fact]
    public async Task A_grant_of_the_container_is_its_grant_and_a_missing_one_is_denied_in_the_containers_name()
    {
        var server = await RunningAsync("echo content >/tmp/index.html; httpd -f -p 8080 -h /tmp", "listen tcp 8080", "dir /tmp read,write");
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "web", "127.79.0.11", 80, "http", [new ServiceEndpoint(server.PodAddress, 8080)]), new ServiceEntry("default", "other", "127.79.0.12", 80, "http", [])], None);
        var container = await RunningAsync("sleep 100", "connect tcp service default/web 80");
        Assert.Equal("content\n", (await RunAsync(container, "until wget -q -O- http://127.79.0.11/; do sleep 0.05; done")).Output);
        Assert.Contains("Permission denied", (await RunAsync(container, "wget -q -O- http://127.79.0.12/")).Error, StringComparison.Ordinal);
        Assert.Equal("connect tcp service default/other 80", (await _kernel.EventAsync<CapabilityDenied>(occurred => occurred.ContainerId == container.Id)).MissingEntry);
        await _kernel.Service.ChangeCapabilitiesAsync(container.Id, [], ["connect tcp service default/web 80"], None);
        Assert.Contains("Permission denied", (await RunAsync(container, "wget -q -O- http://127.79.0.11/")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_may_signal_the_containers_own_processes()
    {
        var container = await RunningAsync("trap 'exit 5' USR1; while true; do sleep 0.05; done");
        await RunAsync(container, "while kill -USR1 1; do sleep 0.05; done"); // as long as it has no handler, the first process is not told
        Assert.Equal(5, (await _kernel.EventAsync<ContainerExited>(occurred => occurred.ContainerId == container.Id)).ExitCode);
    }

    [Fact]
    public async Task It_ends_with_its_container()
    {
        var container = await RunningAsync();
        await using var execution = await ExecAsync(container, "sleep 100");
        await _kernel.Service.DeleteAsync(container.Id, None);
        Assert.Equal(137, await execution.Exit.WaitAsync(Deadline));
        Assert.Equal("", await ReadAsync(execution.Output));
    }

    [Fact]
    public async Task Disposing_it_and_losing_the_connection_kill_it()
    {
        var container = await RunningAsync();
        var processes = (await _kernel.Service.StatisticsAsync(container.Id, None)).Processes;
        var first = await ExecAsync(container, "sleep 101");
        await first.DisposeAsync();
        Assert.Equal(137, await first.Exit.WaitAsync(Deadline));
        await using (var other = await ContainerService.ConnectAsync(Path.Combine(_kernel.Root, "m.sock"), None))
            await other.ExecAsync(container.Id, new ExecSpec { Arguments = ["sleep", "102"] }, None);
        for (var end = DateTime.UtcNow + Deadline; (await _kernel.Service.StatisticsAsync(container.Id, None)).Processes != processes;)
        {
            Assert.True(DateTime.UtcNow < end, "what the lost client had started still runs");
            await Task.Delay(10);
        }
    }

    [Fact]
    public async Task What_cannot_be_started_has_an_error_of_its_own_and_leaves_nothing()
    {
        var container = await RunningAsync();
        Assert.Equal(ContainerError.ProgramNotFound, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.ExecAsync(container.Id, new ExecSpec { Arguments = ["no-such-program"] }, None))).Error);
        Assert.Equal(ContainerError.NotExecutable, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.ExecAsync(container.Id, new ExecSpec { Arguments = ["/etc"] }, None))).Error);
        Assert.Equal(ContainerError.UnknownContainer, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.ExecAsync("none", new ExecSpec { Arguments = ["true"] }, None))).Error);
        var created = _kernel.Script("true");
        await _kernel.Service.CreateAsync(created, None);
        Assert.Equal(ContainerError.WrongState, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.ExecAsync(created.Id, new ExecSpec { Arguments = ["true"] }, None))).Error);
        for (int i = 0; i < 600; i++) Assert.Equal(0, (await RunAsync(container, "true")).Code); // more than the service holds at once: each place is given back
        Assert.Equal(1, (await _kernel.Service.StatisticsAsync(container.Id, None)).Processes);
    }
}
