using System.Globalization;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>Logs as people read them, of containers that write more than one file of them.</summary>
[Collection(nameof(NodeCluster))]
public sealed class LogTests(NodeCluster cluster)
{
    private const int Lines = 400_000;

    private async Task<string> PlaceAsync(TestNamespace space, string pod) => Path.Combine(cluster.State, "nodes", (await space.KubectlAsync("get", "pod", pod, "-o", "jsonpath={.spec.nodeName}/logs/{.metadata.uid}")).Output);

    /// <summary>-1 while it is being put aside and the new one is not there yet.</summary>
    private static long Size(string file)
    {
        try
        {
            return new FileInfo(file).Length;
        }
        catch (FileNotFoundException)
        {
            return -1;
        }
    }

    [Fact]
    public async Task A_log_is_put_aside_in_pieces_without_losing_a_line_and_a_follower_sees_them_all()
    {
        var space = await cluster.NamespaceAsync();
        // 44 bytes and their head: some 30 MiB in all, so at least two files are put aside.
        await space.PodAsync("writer", $"busybox awk 'BEGIN {{ for (i = 1; i <= {Lines}; i++) printf \"%08d abcdefghijklmnopqrstuvwxyzabcdefghi\\n\", i }}'; busybox touch /v/written; until [ -e /v/end ]; do busybox sleep 0.1; done; echo last", "volumeMounts: [{name: v, mountPath: /v}]", "restartPolicy: Never\nvolumes: [{name: v, emptyDir: {}}]");
        await space.UntilAsync("writer", "{.status.phase}", phase => phase == "Running", "the pod to run");
        var place = await PlaceAsync(space, "writer");
        var follower = Shell.RunAsync("sh", ["-c", $"kubectl -n {space.Name} logs -f writer | md5sum"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") });
        await Shell.UntilAsync(() => Task.FromResult((0, $"{Directory.EnumerateFiles(place, "a-0.log.*").Count(file => !file.EndsWith(".log", StringComparison.Ordinal))}")), files => int.Parse(files, CultureInfo.InvariantCulture) >= 1, "a file to be put aside");
        var volume = Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(place))!, "pods", Path.GetFileName(place), "volumes/v");
        await Shell.UntilAsync(() => Task.FromResult((0, $"{File.Exists(Path.Combine(volume, "written"))}")), written => written == "True", "everything to be written");
        // What is written after the files were put aside is in a new one.
        await Shell.UntilAsync(() => Task.FromResult((0, $"{Size(Path.Combine(place, "a-0.log")) is > -1 and < 10 << 20}")), small => small == "True", "the current file to be below its bound");
        await File.WriteAllTextAsync(Path.Combine(volume, "end"), "");
        await space.UntilAsync("writer", "{.status.phase}", phase => phase == "Succeeded", "the pod to end");
        var expected = (await Shell.RunAsync("sh", ["-c", $"(seq -f '%08.0f abcdefghijklmnopqrstuvwxyzabcdefghi' 1 {Lines}; echo last) | md5sum"])).Output;
        Assert.Equal(expected, (await follower.WaitAsync(TimeSpan.FromSeconds(60))).Output);
        Assert.Equal(expected, (await Shell.RunAsync("sh", ["-c", $"kubectl -n {space.Name} logs writer | md5sum"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") })).Output);
        Assert.Equal($"{Lines:00000000} abcdefghijklmnopqrstuvwxyzabcdefghi\nlast\n", (await space.KubectlAsync("logs", "writer", "--tail=2")).Output);
        Assert.Equal("00000001 ab", (await space.KubectlAsync("logs", "writer", "--limit-bytes=11")).Output);
        Assert.Equal("", (await space.KubectlAsync("logs", "writer", "--since-time=2099-01-01T00:00:00Z")).Output);
        Assert.Matches("^20[0-9-]+T[0-9:.]+Z last\n$", (await space.KubectlAsync("logs", "writer", "--tail=1", "--timestamps")).Output);
    }
}
