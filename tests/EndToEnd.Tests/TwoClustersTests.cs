using System.Text.RegularExpressions;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>A second cluster beside the first, and what commands say when they cannot do their work.</summary>
[Takes(35)]
public sealed class TwoClustersTests(HelloCluster first) : IClassFixture<HelloCluster>
{
    /// <summary>Starts a cluster on a host without control groups, whose time of day is ahead by what a file says (clockshift.c).</summary>
    /// <param name="cluster">Which.</param>
    /// <param name="clock">The file.</param>
    private static async Task StartOnAPoorHostAsync(HelloCluster cluster, string clock)
    {
        var library = clock + ".so";
        await SetAsync(clock, 0);
        var made = await Shell.RunAsync("gcc", ["-shared", "-fPIC", "-O2", "-o", library, Path.Combine(Shell.Root, "tests/EndToEnd.Tests/clockshift.c")]);
        Assert.True(made.Code == 0, made.Output);
        var (code, output) = await Shell.RunAsync("unshare", ["--mount", "sh", "-c", "umount -R /sys/fs/cgroup && exec \"$@\"", "sh", Path.Combine(Shell.Root, "eyrie"), "up", "manifests/samples/hello.yaml", "--state-dir", cluster.State], new Dictionary<string, string>
        {
            ["LD_PRELOAD"] = library, ["EYRIE_CLOCK_SHIFT"] = clock,
        });
        Assert.True(code == 0, output);
    }

    /// <summary>Sets the time of day; in place, because running programs have the file mapped.</summary>
    private static async Task SetAsync(string clock, long secondsAhead)
    {
        await using var file = File.OpenWrite(clock);
        await file.WriteAsync(BitConverter.GetBytes(secondsAhead));
    }

    private static async Task<string> ConditionAsync(HelloCluster cluster, string type, Func<string, bool> wanted, string waitingFor) =>
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "nodes", "-o", $"jsonpath={{range .items[*]}}{{.status.conditions[?(@.type=='{type}')].status}} {{.status.conditions[?(@.type=='{type}')].message}}{{'\\n'}}{{end}}"), wanted, waitingFor);

    private static async Task<string> PodsAsync(HelloCluster cluster) =>
        (await cluster.KubectlAsync("get", "pods", "-o", "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount} {.status.conditions[?(@.type=='Ready')].status} {.status.conditions[?(@.type=='Ready')].lastTransitionTime}{'\\n'}{end}")).Output;

    /// <summary>Its nodes say what the host does not enforce, and when its clock jumps, and nothing else comes of that.</summary>
    private static async Task TellsOfItsHostAsync(HelloCluster cluster, string clock)
    {
        static bool Both(string nodes, string pattern) => nodes.Split('\n').Count(line => Regex.IsMatch(line, "^True .*" + pattern)) == 2;
        await ConditionAsync(cluster, "LimitsNotEnforced", nodes => Both(nodes, "Limits of memory and processes are not enforced by the host"), "both nodes to say that limits are not enforced");
        await ConditionAsync(cluster, "ClockJump", nodes => !nodes.Contains("True", StringComparison.Ordinal), "no clock to have jumped");
        var before = await PodsAsync(cluster);
        foreach (var (ahead, said) in new[] { (3600, "jumped ahead by (59m59|60m0)s"), (0, "jumped back by (59m59|60m[01])s") })
        {
            await SetAsync(clock, ahead);
            await ConditionAsync(cluster, "ClockJump", nodes => Both(nodes, said), $"both nodes to say that it {said}");
        }
        await ConditionAsync(cluster, "Ready", nodes => Both(nodes, ""), "both nodes to be ready");
        Assert.Equal(before, await PodsAsync(cluster));
    }

    [Fact]
    public async Task A_second_cluster_on_a_poorer_host_runs_beside_the_first_and_leaves_nothing_when_it_goes()
    {
        var second = new HelloCluster();
        var clock = Path.GetTempFileName();
        try
        {
            await StartOnAPoorHostAsync(second, clock);
            await TellsOfItsHostAsync(second, clock);
            foreach (var cluster in new[] { first, second })
            {
                var address = "http://" + (await cluster.KubectlAsync("get", "svc", "hello", "-o", "jsonpath={.spec.clusterIP}")).Output;
                Assert.Contains("hello from", (await Shell.RunAsync("curl", ["-sf", address])).Output, StringComparison.Ordinal);
            }
            Assert.NotEqual(await AddressAsync(first), await AddressAsync(second));
        }
        finally
        {
            await second.DisposeAsync();
            File.Delete(clock);
            File.Delete(clock + ".so");
        }
        await Shell.UntilAsync(() => Shell.RunAsync("ps", ["-eo", "args"]), lines => !lines.Contains(second.State, StringComparison.Ordinal), "the last process of the second cluster to be gone"); // what was killed takes a moment
        Assert.DoesNotContain(second.State, await File.ReadAllTextAsync("/proc/self/mounts"), StringComparison.Ordinal);
        Assert.Contains("Running", (await first.KubectlAsync("get", "pods", "--no-headers")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disk_that_is_full_is_told_and_not_taken_for_other_clusters()
    {
        var state = Directory.CreateTempSubdirectory("eyrie-full-").FullName;
        // A /run of its own with room for a directory and no file.
        var (code, output) = await Shell.RunAsync("unshare", ["--mount", "sh", "-c", "mount -t tmpfs -o nr_inodes=2 tmpfs /run && exec \"$@\"", "sh", Path.Combine(Shell.Root, "eyrie"), "up", "--state-dir", state]);
        Directory.Delete(state, true);
        Assert.Equal(1, code);
        Assert.Contains("/run/eyrie/octet-64 cannot be written, by which clusters of this machine keep apart: No space left on device", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_rights_to_install_it_says_what_to_install()
    {
        var bare = Directory.CreateTempSubdirectory("eyrie-bare-").FullName;
        File.SetUnixFileMode(bare, (UnixFileMode)0b111_101_101);
        foreach (var program in new[] { "bash", "dirname", "id", "grep", "setpriv", "env" }) File.CreateSymbolicLink(Path.Combine(bare, program), (await Shell.RunAsync("which", [program])).Output.Trim());
        await File.WriteAllTextAsync(Path.Combine(bare, "dotnet"), "#!/bin/bash\necho 10.0.100\n");
        File.SetUnixFileMode(Path.Combine(bare, "dotnet"), (UnixFileMode)0b111_101_101);
        var copy = Path.Combine(bare, "eyrie");
        File.Copy(Path.Combine(Shell.Root, "eyrie"), copy);
        var (code, output) = await Shell.RunAsync("setpriv", ["--reuid", "65534", "--clear-groups", "env", "PATH=" + bare, "bash", copy, "up"]);
        Directory.Delete(bare, true);
        Assert.Equal(1, code);
        Assert.Contains("ld is missing; install it with: sudo apt-get install binutils", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_that_is_nowhere_ends_up_with_what_to_do_and_the_cluster_goes_on()
    {
        var file = Path.Combine(first.State, "nowhere.yaml");
        await File.WriteAllTextAsync(file, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: nowhere}\nspec:\n  selector: {matchLabels: {app: nowhere}}\n  template:\n    metadata: {labels: {app: nowhere}}\n    spec:\n      containers: [{name: a, image: \"nowhere:7\"}]\n");
        var (code, output) = await first.EyrieAsync("up", file);
        Assert.Equal(1, code);
        Assert.Contains("image \"nowhere:7\" is not in the cluster's registry; import it with: eyrie image import nowhere:7", output, StringComparison.Ordinal);
        (code, output) = await first.EyrieAsync("delete", "deployment", "nowhere");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => first.KubectlAsync("get", "pods", "-o", "name"), pods => !pods.Contains("nowhere", StringComparison.Ordinal), "the pods of the deleted Deployment to go");
    }

    private static async Task<string> AddressAsync(HelloCluster cluster) => (await cluster.KubectlAsync("get", "svc", "hello", "-o", "jsonpath={.spec.clusterIP}")).Output;
}
