using System.Globalization;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Servers.Tests;

/// <summary>What each server holds, told by a program that runs in its place with its capabilities, under its filter (tests/Probe).</summary>
public sealed class ServerAuthorityTests
{
    private static readonly string Tool = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../Probe/bin/probe"));

    private sealed record Authority(IReadOnlyList<(int Slot, ObjectKind Kind, Rights Rights)> Capabilities, IReadOnlyList<int> Calls, IReadOnlyList<long> Opened);

    private static async Task<Authority> OfAsync(string server)
    {
        var servers = Directory.CreateTempSubdirectory("eyrie-servers-").FullName;
        foreach (var name in new[] { "metteagle", "network" }) File.Copy(name == server ? Tool : Path.Combine(RunningKernel.Binaries, name), Path.Combine(servers, name));
        await using var kernel = await RunningKernel.StartAsync(servers);
        var deadline = DateTimeOffset.UtcNow.AddSeconds(60);
        while (!kernel.Errors.Any(line => line.StartsWith("probe: end", StringComparison.Ordinal)))
        {
            Assert.True(DateTimeOffset.UtcNow < deadline, $"the probe in place of {server} did not end; it said: {string.Join('\n', kernel.Errors.TakeLast(5))}");
            await Task.Delay(5);
        }
        Directory.Delete(servers, recursive: true);
        var said = kernel.Errors.Where(line => line.StartsWith("probe: ", StringComparison.Ordinal)).Select(line => line.Split(' ', 5)).ToList();
        IEnumerable<(long Number, int Second)> Lines(string what) => said.Where(fields => fields[1] == what).Select(fields => (long.Parse(fields[2], CultureInfo.InvariantCulture), int.Parse(fields[3], CultureInfo.InvariantCulture)));
        return new Authority([.. Lines("capability").Select(line => ((int)line.Number, (ObjectKind)(line.Second / 100), (Rights)(line.Second % 100))).Order()], [.. Lines("call").Select(line => (int)line.Number)], [.. Lines("file").Select(line => line.Number)]);
    }

    [Fact]
    public async Task A_compromised_network_server_holds_a_log_makes_twenty_calls_and_can_open_no_file()
    {
        var authority = await OfAsync("network");
        // MettEagle, which is started beside it, gives it the notification by which it tells of denials.
        Assert.Equal([(BootSlot.Log, ObjectKind.Log, Rights.Write)], authority.Capabilities.Except([(NetworkControl.DenialSlot, ObjectKind.Notification, Rights.Write)]));
        // read write close poll mmap munmap getpid, the socket calls, fcntl futex clock_gettime execveat; clone is refused but for threads, exit and sigreturn are not tried
        Assert.Equal([0, 1, 3, 7, 9, 11, 39, 41, 42, 48, 49, 50, 51, 52, 54, 55, 72, 202, 228, 322], authority.Calls);
        Assert.NotEmpty(authority.Opened);
        Assert.All(authority.Opened, result => Assert.InRange(result, long.MinValue, -1));
    }

    [Fact]
    public async Task MettEagle_holds_what_making_containers_needs_and_opens_files_only_beneath_the_node_root()
    {
        var authority = await OfAsync("metteagle");
        Assert.Equal(
        [
            (BootSlot.Factory, ObjectKind.Factory, Rights.All), (BootSlot.NodeRoot, ObjectKind.Descriptor, Rights.Read | Rights.Write), (BootSlot.NetworkTask, ObjectKind.Task, Rights.Control),
            (BootSlot.SelfTask, ObjectKind.Task, Rights.Control), (BootSlot.NetworkControl, ObjectKind.Gate, Rights.Call), (BootSlot.Log, ObjectKind.Log, Rights.Write | Rights.Map),
        ], authority.Capabilities);
        Assert.Equal([0, 1, 3, 7, 9, 11, 17, 20, 39, 44, 46, 47, 72, 202, 228, 232, 233, 288, 291, 293, 322], authority.Calls);
        Assert.Single(authority.Opened, result => result >= 0); // "." through the capability to the node root
    }

    [Fact]
    public async Task The_servers_that_run_have_an_empty_root_no_privileges_and_a_filter()
    {
        const string NetBindService = "0000000000000400", None = "0000000000000000";
        await using var kernel = await RunningKernel.StartAsync();
        var children = (await File.ReadAllTextAsync($"/proc/{kernel.ProcessId}/task/{kernel.ProcessId}/children")).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var states = children.Where(child => File.ReadAllText($"/proc/{child}/comm").Trim() != "eyrie-kernel").ToDictionary(child => File.ReadAllText($"/proc/{child}/comm").Trim(), child => (Child: child, Status: File.ReadAllLines($"/proc/{child}/status").Select(line => line.Split(":\t", 2)).ToDictionary(pair => pair[0], pair => pair[^1].Trim())));
        Assert.Equal(2, states.Count);
        foreach (var (child, status) in states.Values)
        {
            Assert.Empty(Directory.GetFileSystemEntries($"/proc/{child}/root"));
            Assert.Equal(("2", "1", "65534\t65534\t65534\t65534"), (status["Seccomp"], status["NoNewPrivs"], status["Uid"]));
        }
        Assert.Equal([None, NetBindService], states.Values.Select(state => state.Status["CapEff"]).Order());
        Assert.Equal([None, NetBindService], states.Values.Select(state => state.Status["CapBnd"]).Order());
    }
}
