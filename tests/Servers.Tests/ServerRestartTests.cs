using System.Globalization;
using Eyrie.Microkernel.Client;

namespace Eyrie.Servers.Tests;

/// <summary>The network server is killed while containers use it: it is started anew with their sessions, and they notice nothing but a moment's wait.</summary>
public sealed class ServerRestartTests : IAsyncLifetime
{
    private const string Grant = AnsweredKernel.Grant;
    private static readonly CancellationToken None = CancellationToken.None;
    private AnsweredKernel _answered = null!;

    private RunningKernel Kernel => _answered.Kernel;

    public async Task InitializeAsync() => _answered = await AnsweredKernel.StartAsync();

    public async Task DisposeAsync() => await _answered.DisposeAsync();

    [Fact]
    public async Task Containers_that_connect_all_the_time_lose_no_connection_to_it()
    {
        var specs = new List<ContainerSpec>();
        for (int i = 0; i < 4; i++) specs.Add(await Kernel.StartScriptAsync(AnsweredKernel.Calls, Grant));
        for (int kill = 0; kill < 4; kill++)
        {
            await _answered.AnswersAsync(40, "forty answers");
            await Kernel.KillServerAsync("network");
        }
        await _answered.AnswersAsync(40, "forty answers after the last kill");
        Assert.All(specs, spec => Assert.Empty(File.ReadAllText(Path.Combine(Kernel.Root, spec.LogPath))));
        Assert.Equal(4, Kernel.Errors.Count(line => line.Contains("the network server ended; it is started anew", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task The_successor_refuses_reports_and_forgets_as_its_predecessor_did()
    {
        var spec = await Kernel.StartScriptAsync("while true; do nc 127.79.0.10 80 </dev/null; nc 192.168.7.7 81 </dev/null; done", Grant);
        await Kernel.EventAsync<CapabilityDenied>(denied => denied.Target == "192.168.7.7:81");
        await Kernel.KillServerAsync("network");
        await Kernel.EventAsync<CapabilityDenied>(denied => denied.Target == "192.168.7.7:81");
        await Kernel.Service.ChangeCapabilitiesAsync(spec.Id, [], [Grant], None);
        await Kernel.EventAsync<CapabilityDenied>(denied => denied.MissingEntry == Grant);
        var other = Kernel.Script("nc 127.79.0.10 80 </dev/null", Grant);
        Assert.Equal((0, "answer"), await Kernel.RunAsync(other) is var (exit, said) ? (exit.ExitCode, said) : default);
    }

    [Fact]
    public async Task A_server_that_ends_again_and_again_takes_the_kernel_along()
    {
        for (int kill = 0; kill < 6 && Kernel.State == "runs"; kill++)
        {
            int? server = null;
            await Kernel.UntilAsync(() => Kernel.State != "runs" || (server = Kernel.Server("network")) is not null, "a network server");
            if (server is not { } number) break;
            RunningKernel.Kill(number);
            await Kernel.UntilAsync(() => !Directory.Exists(string.Create(CultureInfo.InvariantCulture, $"/proc/{number}")), "its end");
        }
        Assert.Equal(0, await Kernel.EndedAsync(TimeSpan.FromSeconds(60)));
    }
}
