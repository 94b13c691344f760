using System.Text;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>Input and terminals: of a container's own program, for those who attach to it, and of further programs in it.</summary>
public sealed class TerminalTests : IAsyncLifetime
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);
    private static readonly CancellationToken None = CancellationToken.None;
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    private async Task<ContainerSpec> StartAsync(ContainerSpec spec)
    {
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        return spec;
    }

    private static async Task<string> UntilAsync(Stream stream, string wanted)
    {
        var seen = new StringBuilder();
        var buffer = new byte[4096];
        using var deadline = new CancellationTokenSource(Deadline);
        while (!seen.ToString().Contains(wanted, StringComparison.Ordinal))
        {
            int read;
            try
            {
                read = await stream.ReadAsync(buffer, deadline.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"waited for {wanted}; saw: {seen}");
            }
            if (read == 0) throw new InvalidOperationException($"the stream ended before {wanted}; saw: {seen}");
            seen.Append(Encoding.UTF8.GetString(buffer, 0, read));
        }
        return seen.ToString();
    }

    private static Task WriteAsync(IShown shown, string text) => shown.Input!.WriteAsync(Encoding.UTF8.GetBytes(text), None).AsTask();

    [Fact]
    public async Task Who_attaches_writes_to_the_program_and_sees_what_it_writes()
    {
        var spec = await StartAsync(_kernel.Script("while read line; do echo \"heard $line\"; echo \"problem $line\" >&2; done; exit 4") with { OpenInput = true });
        await using var attachment = await _kernel.Service.AttachAsync(spec.Id, None);
        await WriteAsync(attachment, "one\n");
        await UntilAsync(attachment.Output, "heard one\n");
        await UntilAsync(attachment.Error!, "problem one\n");
        await using (var second = await _kernel.Service.AttachAsync(spec.Id, None))
        {
            await WriteAsync(second, "two\n");
            await UntilAsync(second.Output, "heard two\n");
        }
        await UntilAsync(attachment.Output, "heard two\n");
        await WriteAsync(attachment, "three\n");
        await attachment.Input!.DisposeAsync();
        await _kernel.Service.CloseInputAsync(spec.Id, None);
        var exit = await _kernel.EventAsync<ContainerExited>(occurred => occurred.ContainerId == spec.Id);
        Assert.Equal(4, exit.ExitCode);
        Assert.Equal("heard three\n", await new StreamReader(attachment.Output).ReadToEndAsync().WaitAsync(Deadline));
        Assert.Equal(["heard one", "heard three", "heard two"], _kernel.Log(spec).Split('\n').Where(line => line.StartsWith("heard", StringComparison.Ordinal)).Order());
    }

    [Fact]
    public async Task A_watcher_that_is_behind_loses_nothing_and_holds_up_nobody_else()
    {
        var spec = await StartAsync(_kernel.Script("read go; seq 1 200000; exit 0") with { OpenInput = true });
        var other = await StartAsync(_kernel.Script("while read line; do echo \"heard $line\"; done") with { OpenInput = true });
        await using var attachment = await _kernel.Service.AttachAsync(spec.Id, None);
        await using var aside = await _kernel.Service.AttachAsync(other.Id, None);
        await WriteAsync(attachment, "go\n");
        await WriteAsync(aside, "this\n");
        await UntilAsync(aside.Output, "heard this\n");
        var seen = await new StreamReader(attachment.Output).ReadToEndAsync().WaitAsync(Deadline);
        Assert.Equal(string.Concat(Enumerable.Range(1, 200_000).Select(number => $"{number}\n")), seen);
        Assert.Equal(seen.TrimEnd(), _kernel.Log(spec));
    }

    [Fact]
    public async Task A_watcher_that_goes_away_leaves_the_program_running()
    {
        var spec = await StartAsync(_kernel.Script("seq 1 20000; echo done; sleep 100"));
        await (await _kernel.Service.AttachAsync(spec.Id, None)).DisposeAsync();
        await using var second = await _kernel.Service.AttachAsync(spec.Id, None);
        for (var deadline = DateTime.UtcNow + Deadline; !_kernel.Log(spec).EndsWith("done", StringComparison.Ordinal);)
        {
            Assert.True(DateTime.UtcNow < deadline, "the program did not go on");
            await second.DisposeAsync();
            await Task.Delay(20);
        }
        Assert.Equal(ContainerError.WrongState, (await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.CloseInputAsync(spec.Id, None))).Error);
    }

    [Fact]
    public async Task A_container_with_a_terminal_has_one_of_its_own_pts_with_the_size_it_was_given()
    {
        var spec = await StartAsync(_kernel.Script("read go; stty size; readlink /proc/self/fd/0; test -c /dev/tty && echo through > /dev/tty; ls /dev/pts; read more; stty size; id -u; exit 7")
            with { Terminal = true, WindowSize = new WindowSize(132, 43), UserId = 1000, GroupId = 1000 });
        await using var attachment = await _kernel.Service.AttachAsync(spec.Id, None);
        Assert.Null(attachment.Error);
        await WriteAsync(attachment, "go\n");
        var seen = await UntilAsync(attachment.Output, "ptmx");
        Assert.Contains("43 132\r\n/dev/pts/0\r\nthrough\r\n", seen, StringComparison.Ordinal);
        attachment.Resize(80, 24);
        await WriteAsync(attachment, "more\n");
        await UntilAsync(attachment.Output, "24 80\r\n1000\r\n");
        Assert.Equal(7, (await _kernel.EventAsync<ContainerExited>(occurred => occurred.ContainerId == spec.Id)).ExitCode);
        Assert.Contains("/dev/pts/0", _kernel.Log(spec), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Control_C_ends_what_runs_in_front()
    {
        var spec = await StartAsync(_kernel.Script("trap 'echo caught; exit 5' INT; read go; echo ready; while true; do sleep 0.1; done") with { Terminal = true });
        await using var attachment = await _kernel.Service.AttachAsync(spec.Id, None);
        await WriteAsync(attachment, "go\n");
        await UntilAsync(attachment.Output, "ready");
        await WriteAsync(attachment, "\x03");
        await UntilAsync(attachment.Output, "caught");
        Assert.Equal(5, (await _kernel.EventAsync<ContainerExited>(occurred => occurred.ContainerId == spec.Id)).ExitCode);
    }

    [Fact]
    public async Task A_further_programs_terminal_is_one_of_the_container_too()
    {
        var container = await StartAsync(_kernel.Script("sleep 100"));
        await using var execution = await _kernel.Service.ExecAsync(container.Id, new ExecSpec { Arguments = ["sh", "-c", "stty size; readlink /proc/self/fd/0; echo through > /dev/tty; exit 3"], Stdin = true, Terminal = true, WindowSize = new WindowSize(100, 30) }, None);
        Assert.Contains("30 100\r\n/dev/pts/0\r\nthrough\r\n", await UntilAsync(execution.Output, "through\r\n"), StringComparison.Ordinal);
        Assert.Equal(3, await execution.Exit.WaitAsync(Deadline));
    }

    [Fact]
    public async Task Programs_open_terminals_of_their_own_and_see_no_other_containers()
    {
        await StartAsync(_kernel.Script("sleep 100") with { Terminal = true });
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("exec 3<>/dev/ptmx && ls /dev/pts"));
        Assert.Equal((0, "0\nptmx"), (exit.ExitCode, output));
    }

    [Fact]
    public async Task Somebody_who_is_not_root_writes_to_the_devices_and_reopens_stdout()
    {
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("echo gone > /dev/null && echo a > /dev/stdout && echo b > /proc/self/fd/1") with { UserId = 1000, GroupId = 1000 });
        Assert.Equal((0, "a\nb"), (exit.ExitCode, output));
    }
}
