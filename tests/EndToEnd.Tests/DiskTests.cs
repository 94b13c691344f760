using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>A node whose disk is a small one of its own, which fills.</summary>
public sealed class DiskTests : IAsyncLifetime
{
    private readonly HelloCluster _cluster = new();

    private string Disk => Path.Combine(_cluster.State, "nodes/node-0");

    public async Task InitializeAsync()
    {
        Directory.CreateDirectory(Disk);
        Assert.Equal((0, ""), await Shell.RunAsync("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", Disk]));
        await _cluster.InitializeAsync();
    }

    public async Task DisposeAsync()
    {
        await _cluster.EyrieAsync("down");
        await Shell.UntilAsync(() => Shell.RunAsync("umount", [Disk]), said => said.Length == 0, "the disk to be let go of by whoever is just ending");
        await _cluster.DisposeAsync();
    }

    private async Task<string> PodsAsync() => (await _cluster.KubectlAsync("get", "pods", "-l", "app in (hello,visitor,uninvited)", "-o", "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].containerID} {.status.phase}{\"\\n\"}{end}")).Output;

    private Task<string> PressureAsync(string wanted) => Shell.UntilAsync(() => _cluster.KubectlAsync("get", "node", "node-0", "-o", "jsonpath={.status.conditions[?(@.type=='DiskPressure')].status}"), status => status == wanted, $"DiskPressure to be \"{wanted}\"");

    [Fact]
    public async Task A_full_disk_is_a_condition_of_the_node_nothing_is_lost_and_it_goes_with_its_cause()
    {
        var before = await PodsAsync();
        await PressureAsync("");
        var talker = Path.Combine(_cluster.State, "talker.yaml");
        await File.WriteAllTextAsync(talker, "apiVersion: v1\nkind: Pod\nmetadata: {name: talker}\nspec: {nodeName: node-0, terminationGracePeriodSeconds: 0, containers: [{name: a, image: \"hello:1\", command: [sh, -c, 'n=0; while true; do n=$((n+1)); echo number $n; busybox usleep 2000; done'], permissions: {processes: {max: 16}}}]}\n");
        Assert.Equal(0, (await _cluster.KubectlAsync("apply", "-f", talker)).Code);
        await Shell.UntilAsync(() => _cluster.KubectlAsync("logs", "talker"), log => log.Contains("number 10\n", StringComparison.Ordinal), "the talker to talk");
        await Shell.RunAsync("dd", ["if=/dev/zero", $"of={Disk}/fill", "bs=64k"]); // until there is no room
        await PressureAsync("True");
        var file = Path.Combine(_cluster.State, "late.yaml");
        // Its node is said, so that no scheduler keeps it away.
        await File.WriteAllTextAsync(file, "apiVersion: v1\nkind: Pod\nmetadata: {name: late}\nspec: {nodeName: node-0, containers: [{name: a, image: \"hello:1\", command: [sleep, \"1000\"]}]}\n");
        Assert.Equal(0, (await _cluster.KubectlAsync("apply", "-f", file)).Code);
        await Shell.UntilAsync(() => _cluster.KubectlAsync("describe", "pod", "late"), text => text.Contains("No space left on device", StringComparison.Ordinal), "the reason");
        Assert.Equal(before, await PodsAsync());
        Assert.Equal((0, "yes\n"), await _cluster.KubectlAsync("exec", (await _cluster.KubectlAsync("get", "pods", "--field-selector=spec.nodeName=node-0", "-l", "app in (hello,visitor,uninvited)", "-o", "jsonpath={.items[0].metadata.name}")).Output, "--", "echo", "yes"));
        File.Delete(Path.Combine(Disk, "fill"));
        await PressureAsync("");
        await Shell.UntilAsync(() => _cluster.KubectlAsync("logs", "talker"), log => log.Contains("lines lost", StringComparison.Ordinal) && log.Split('\n')[^2].StartsWith("number ", StringComparison.Ordinal), "the log to say how much of it is missing, and to go on");
        NothingIsMissingUntold((await _cluster.KubectlAsync("logs", "talker")).Output);
        await Shell.UntilAsync(() => _cluster.KubectlAsync("get", "pod", "late", "-o", "jsonpath={.status.phase}"), phase => phase == "Running", "the pod to run, now that there is room");
        Assert.Equal(before, await PodsAsync());
    }

    /// <summary>The numbers go up by one, but where so many are said to be lost; a piece of a lost one may stand before that.</summary>
    private static void NothingIsMissingUntold(string log)
    {
        int next = 1, gaps = 0;
        bool told = false;
        foreach (var line in log.Split('\n')[..^1])
            if (line.StartsWith('[')) { next += int.Parse(line[1..line.IndexOf(' ', StringComparison.Ordinal)], System.Globalization.CultureInfo.InvariantCulture); gaps++; told = true; }
            else if (told && line == $"number {next - 1}") told = false; // the first that was lost lacked its newline only
            else if (line == $"number {next}") (next, told) = (next + 1, false);
            else Assert.True($"number {next}".StartsWith(line, StringComparison.Ordinal), $"after number {next - 1} the log says \"{line}\"");
        Assert.True(gaps > 0 && next > 100);
    }
}
