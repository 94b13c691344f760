using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>What the host's kernel holds a container to without a word: what is executed, which names are made, how many there are, what is told of the host. From the manifest to the program.</summary>
[Collection(nameof(NodeCluster))]
public sealed class LeastAuthorityTests(NodeCluster cluster)
{
    [Fact]
    public async Task Code_runs_from_what_was_named_and_from_everywhere_when_nothing_is_named_any_more()
    {
        var home = await cluster.NamespaceAsync();
        await home.PodAsync("named", "cp /bin/busybox /tmp/busybox; /tmp/busybox true 2>/dev/null && echo ran || echo refused; sleep 600",
            "permissions:\n  processes: {exec: [/bin]}\n  files: [{path: /tmp, access: write}]", "restartPolicy: Always");
        Task<string> SaysAsync(string word) => Shell.UntilAsync(() => home.KubectlAsync("logs", "named"), log => log.Contains(word, StringComparison.Ordinal), word);
        await SaysAsync("refused");
        var (code, output) = await home.KubectlAsync("exec", "named", "--", "/tmp/busybox", "true");
        Assert.True(code != 0, output);
        (code, output) = await home.KubectlAsync("exec", "named", "--", "/bin/busybox", "echo", "of the image");
        Assert.Equal((0, "of the image"), (code, output.Trim()));
        Assert.Contains("exec /bin", (await cluster.EyrieAsync("caps", "named", "-n", home.Name)).Output, StringComparison.Ordinal);

        (code, output) = await home.KubectlAsync("patch", "pod", "named", "--type=json", "-p", """[{"op":"remove","path":"/spec/containers/0/permissions/processes"}]""");
        Assert.True(code == 0, output);
        await SaysAsync("ran");
        Assert.Contains("equal to the compiled set", (await cluster.EyrieAsync("caps", "named", "-n", home.Name)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_is_changed_where_none_may_be_made_and_the_host_is_as_large_as_the_promise()
    {
        var home = await cluster.NamespaceAsync();
        await home.PodAsync("state", "echo after >/version; cat /version; (echo x >/etc/new) 2>/dev/null || echo refused; head -1 /proc/meminfo; cat /proc/loadavg",
            """
            resources: {limits: {memory: 32Mi}}
            permissions: {files: [{path: /version, access: write, create: false}, {path: /etc, access: write, create: false}], processes: {max: 8, threads: 1}, hostFacts: [load]}
            """);
        var log = (await home.EndedAsync("state")).Split('\n');
        Assert.Equal(["after", "refused", "MemTotal: 32768 kB"], log[..3]);
        Assert.DoesNotContain("0.00 0.00 0.00 1/1 1", log[3], StringComparison.Ordinal);
    }
}
