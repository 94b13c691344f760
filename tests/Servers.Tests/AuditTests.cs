using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>An audit lets through what no grant allows, says so with the program, and hides nothing: it is itself an entry.</summary>
public sealed class AuditTests : IAsyncLifetime
{
    private const string Service = "connect tcp service default/one 80";
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly TcpListener _one = new(IPAddress.Loopback, 0);
    private RunningKernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _kernel = await RunningKernel.StartAsync();
        _one.Start();
        await _kernel.Service.SetServicesAsync([new ServiceEntry("default", "one", "127.79.0.10", 80, "", [new ServiceEndpoint("127.0.0.1", ((IPEndPoint)_one.LocalEndpoint).Port)])], None, ["127.79.16.200"]);
    }

    public async Task DisposeAsync()
    {
        _one.Dispose();
        await _kernel.DisposeAsync();
    }

    private Task<CapabilityDenied> UseAsync(ContainerSpec spec) => _kernel.EventAsync<CapabilityDenied>(used => used.ContainerId == spec.Id);

    [Fact]
    public async Task A_denial_names_the_thread_and_the_executable_that_tried()
    {
        var spec = _kernel.Script("nc 127.79.0.10 80 </dev/null; sleep 60");
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        var denied = await UseAsync(spec);
        Assert.Equal((UseVerdict.Denied, "nc /bin/busybox", Service), (denied.Verdict, denied.Program, denied.MissingEntry));
    }

    [Theory]
    [InlineData("audit connect any", UseVerdict.Audited)]
    [InlineData("audit connect tcp service default/one 80", UseVerdict.Audited)]
    [InlineData("audit connect tcp service default/two 80", UseVerdict.Denied)]
    [InlineData("audit listen any", UseVerdict.Denied)]
    public async Task A_connection_goes_as_far_as_the_audit_and_is_reported(string entry, UseVerdict verdict)
    {
        var spec = _kernel.Script("nc 127.79.0.10 80 </dev/null; sleep 60", entry);
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        var used = await UseAsync(spec);
        Assert.Equal((verdict, Service), (used.Verdict, used.MissingEntry));
        if (verdict == UseVerdict.Audited) using (await _one.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(60))) { }
        Assert.Contains(entry, await _kernel.Service.ReadCapabilitiesAsync(spec.Id, None));
    }

    [Fact]
    public async Task In_an_audited_container_uses_of_grants_are_reported_as_granted_and_those_of_others_are_not()
    {
        var quiet = _kernel.Script("nc 127.79.0.10 80 </dev/null; sleep 60", Service);
        await _kernel.Service.CreateAsync(quiet, None);
        await _kernel.Service.StartAsync(quiet.Id, None);
        using (await _one.AcceptSocketAsync().WaitAsync(TimeSpan.FromSeconds(60))) { }
        var spec = _kernel.Script("nc 127.79.0.10 80 </dev/null; sleep 60", Service, "audit connect any");
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        var first = await _kernel.EventAsync<CapabilityDenied>(_ => true);
        Assert.Equal((spec.Id, UseVerdict.Granted, Service), (first.ContainerId, first.Verdict, first.MissingEntry));
    }

    [Theory]
    [InlineData("127.79.16.200 80")] // accepts only whom it names
    [InlineData("127.95.16.7 80")] // the private localhost of a pod
    public async Task Even_an_audit_of_everything_does_not_reach(string target)
    {
        var spec = _kernel.Script($"nc {target} </dev/null; sleep 60", "audit connect any");
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        Assert.Equal(UseVerdict.Denied, (await UseAsync(spec)).Verdict);
    }

    [Fact]
    public async Task An_audit_of_files_lets_the_root_be_written_and_what_was_written_lies_in_the_containers_own_layer()
    {
        var spec = _kernel.Script("echo x > /etc/new && echo written", "audit dir / read,write");
        Assert.Equal("written", (await _kernel.RunAsync(spec)).Output);
        Assert.Equal("x\n", await File.ReadAllTextAsync(Path.Combine(_kernel.Root, "containers", spec.Id, "upper/etc/new")));
    }

    [Theory]
    [InlineData("ended", "exec /bin/busybox")]
    [InlineData("RAN ended", "exec /bin/busybox", "audit exec /")]
    [InlineData("RAN ended", "exec /bin/busybox", "audit exec /bin/busybox-other")]
    public async Task An_audit_of_programs_lets_others_be_executed(string expected, params string[] entries)
    {
        var image = Path.Combine(_kernel.Root, "images/busybox/bin");
        File.Copy(Path.Combine(image, "busybox"), Path.Combine(image, "busybox-other"));
        var spec = _kernel.Script("/bin/busybox-other true 2>/dev/null && echo RAN; echo ended", entries);
        Assert.Equal(expected, (await _kernel.RunAsync(spec)).Output.Replace('\n', ' '));
    }

    [Theory]
    [InlineData(false, "quota memory=67108864 processes=1")]
    [InlineData(true, "audit quota memory=67108864 processes=8", "quota memory=67108864 processes=1")]
    [InlineData(false, "audit quota memory=67108864 processes=8", "quota memory=67108864 processes=1", "too many")]
    public async Task An_audit_of_a_quota_lets_as_many_processes_be_and_the_set_says_both(bool forks, params string[] entries)
    {
        var many = entries.Contains("too many") ? 9 : 2;
        var spec = _kernel.Script($"i=0; while [ $i -lt {many} ]; do sleep {(forks ? 3 : 1000)} & i=$((i+1)); done; echo forked; wait") with { Capabilities = ["log write", .. entries.Where(entry => entry != "too many")] };
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        Assert.Equal(spec.Capabilities.Order(StringComparer.Ordinal), await _kernel.Service.ReadCapabilitiesAsync(spec.Id, None));
        await _kernel.EventAsync<ContainerExited>(occurred => occurred.ContainerId == spec.Id);
        Assert.Equal(forks, _kernel.Log(spec).Contains("forked", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_listen_beyond_the_grants_is_let_through_and_ends_with_the_audit()
    {
        var spec = _kernel.Script("nc -ll -p 8080 -e cat", "audit listen any");
        await _kernel.Service.CreateAsync(spec, None);
        await _kernel.Service.StartAsync(spec.Id, None);
        var used = await UseAsync(spec);
        Assert.Equal((UseVerdict.Audited, "listen tcp 8080"), (used.Verdict, used.MissingEntry));
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        for (long begun = Stopwatch.GetTimestamp(); !client.Connected;)
        {
            try
            {
                await client.ConnectAsync(IPAddress.Parse(spec.PodAddress), 8080);
            }
            catch (SocketException) when (Stopwatch.GetElapsedTime(begun) < TimeSpan.FromSeconds(20))
            {
                await Task.Delay(10); // it was told of before it was done
            }
        }
        await _kernel.Service.ChangeCapabilitiesAsync(spec.Id, [], ["audit listen any"], None);
        Assert.True(await EndsAsync(client));
    }

    private static async Task<bool> EndsAsync(Socket socket)
    {
        try
        {
            return await socket.ReceiveAsync(new byte[1]).WaitAsync(TimeSpan.FromSeconds(60)) == 0;
        }
        catch (SocketException exception) when (exception.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
        {
            return true;
        }
    }
}
