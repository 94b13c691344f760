using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

public sealed class ContainerTests : IAsyncLifetime
{
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync() => _kernel = await RunningKernel.StartAsync();

    public async Task DisposeAsync() => await _kernel.DisposeAsync();

    [Fact]
    public async Task A_container_runs_writes_its_log_and_ends_with_its_exit_code()
    {
        var (exit, output) = await _kernel.RunAsync(_kernel.Script("echo hello; hostname; echo problem >&2; exit 7"));
        Assert.Equal(7, exit.ExitCode);
        var lines = output.Split('\n');
        Assert.Equal(["hello", "c1"], lines.Where(line => line != "problem"));
        Assert.Equal(3, lines.Length); // what goes to stderr has a pipe of its own, and comes before or after
    }

    [Fact]
    public async Task What_a_container_writes_to_a_disk_and_reads_from_it_is_counted()
    {
        var spec = await _kernel.StartScriptAsync(RunningKernel.UsesDisk, "dir /data read,write");
        await _kernel.UntilCountedAsync(spec);
        var idle = await _kernel.StartScriptAsync("sleep 1000; true");
        var used = await _kernel.Service.StatisticsAsync(idle.Id, CancellationToken.None);
        Assert.Equal(0, used.DiskWrittenBytes);
    }

    [Fact]
    public async Task A_program_that_closes_what_it_writes_to_keeps_the_service_at_rest()
    {
        var spec = _kernel.Script("exec >&- 2>&-; sleep 1000; true");
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        var service = await _kernel.ServerAsync("metteagle");
        TimeSpan Used()
        {
            using var process = System.Diagnostics.Process.GetProcessById(service);
            return process.TotalProcessorTime;
        }
        await Task.Delay(TimeSpan.FromMilliseconds(500)); // both ends are noticed and forgotten
        var before = Used();
        await Task.Delay(TimeSpan.FromSeconds(2));
        Assert.InRange(Used() - before, TimeSpan.Zero, TimeSpan.FromMilliseconds(40));
    }

    [Fact]
    public async Task The_set_read_back_from_the_kernel_is_the_set_given()
    {
        var spec = _kernel.Script("sleep 100", "listen tcp 8080", "connect tcp service default/hello 80", "dir / read", "dir /tmp read,write", "identity uid=0 gid=0", "cpu shares=102 limit=500m");
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        Assert.Equal(spec.Capabilities.Order(StringComparer.Ordinal), await _kernel.Service.ReadCapabilitiesAsync(spec.Id, CancellationToken.None));
    }

    [Fact]
    public async Task A_connect_without_a_grant_is_refused_and_says_which_grant_is_missing()
    {
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "hello", "127.79.0.10", 80, "http", [])], CancellationToken.None);
        var spec = _kernel.Script("wget -q -O- http://127.79.0.10/");
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        await _kernel.Service.StartAsync(spec.Id, CancellationToken.None);
        var denied = await _kernel.EventAsync<CapabilityDenied>(occurred => occurred.ContainerId == spec.Id);
        Assert.Equal("connect tcp service default/hello 80", denied.MissingEntry);
        Assert.Equal("127.79.0.10:80", denied.Target);
        await _kernel.EventAsync<ContainerExited>(occurred => occurred.ContainerId == spec.Id);
        Assert.Contains("Permission denied", _kernel.Log(spec), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_granted_connect_reaches_a_ready_endpoint_of_the_service()
    {
        var server = _kernel.Script("echo content >/tmp/index.html; httpd -f -p 8080 -h /tmp", "listen tcp 8080", "dir /tmp read,write");
        await _kernel.Service.CreateAsync(server, CancellationToken.None);
        await _kernel.Service.StartAsync(server.Id, CancellationToken.None);
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "hello", "127.79.0.10", 80, "http", [new ServiceEndpoint(server.PodAddress, 8080)])], CancellationToken.None);
        var client = _kernel.Script("until wget -q -O- http://127.79.0.10/; do sleep 0.05; done", "connect tcp service default/hello 80");
        var (exit, output) = await _kernel.RunAsync(client);
        Assert.Equal(0, exit.ExitCode);
        Assert.EndsWith("content", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Listening_needs_its_port_in_the_set()
    {
        var (_, output) = await _kernel.RunAsync(_kernel.Script("httpd -f -p 8081 -h /tmp", "listen tcp 8080"));
        Assert.Contains("Permission denied", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_container_over_its_memory_is_killed_and_said_to_be()
    {
        var (exit, _) = await _kernel.RunAsync(_kernel.Script("yes | tr -d '\\n' | head -c 200000000 | sort >/dev/null; x=$(yes | head -c 100000000); echo survived"));
        Assert.True(exit.OutOfMemory, exit.ToString());
    }

    [Fact]
    public async Task A_program_that_is_not_there_has_an_error_of_its_own_and_leaves_nothing()
    {
        var spec = _kernel.Script("true") with { Arguments = ["no-such-program"] };
        await _kernel.Service.CreateAsync(spec, CancellationToken.None);
        var refused = await Assert.ThrowsAsync<ContainerServiceException>(() => _kernel.Service.StartAsync(spec.Id, CancellationToken.None));
        Assert.Equal(ContainerError.ProgramNotFound, refused.Error);
        Assert.False(Directory.Exists($"/sys/fs/cgroup/memory/{_kernel.Group}/{spec.Id}"));
    }
}
