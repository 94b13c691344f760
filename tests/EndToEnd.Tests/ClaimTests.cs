using System.Text.RegularExpressions;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>PersistentVolumeClaims with the volumes that nodes make of directories.</summary>
[Collection(nameof(NodeCluster))]
public sealed class ClaimTests(NodeCluster cluster)
{
    private string DirectoryOf(string volume) => Directory.EnumerateDirectories(Path.Combine(cluster.State, "nodes")).Select(node => Path.Combine(node, "volumes", volume)).FirstOrDefault(Directory.Exists) ?? "";

    [Fact]
    public async Task What_a_stateful_set_wrote_is_there_after_its_pod_was_deleted_and_goes_with_the_claim()
    {
        var space = await cluster.NamespaceAsync();
        await space.ApplyAsync("""
            apiVersion: apps/v1
            kind: StatefulSet
            metadata: {name: db}
            spec:
              serviceName: db
              selector: {matchLabels: {app: db}}
              template:
                metadata: {labels: {app: db}}
                spec:
                  terminationGracePeriodSeconds: 1
                  securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000}
                  containers:
                  - name: a
                    image: hello:1
                    command: [sh, -c, "echo start >>/data/starts; busybox wc -l </data/starts; busybox stat -c '%g %a' /data; sleep 3600"]
                    volumeMounts: [{name: data, mountPath: /data}]
              volumeClaimTemplates:
              - metadata: {name: data}
                spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
            """);
        await Shell.UntilAsync(() => space.KubectlAsync("logs", "db-0"), log => log.Contains("1\n2000 2777", StringComparison.Ordinal), "the first start");
        var (_, table) = await space.KubectlAsync("get", "pvc", "data-db-0", "--no-headers");
        Assert.Matches(@"data-db-0 +Bound +pvc-[-0-9a-f]+ +1Mi +RWO +local-path", table);
        var volume = (await space.KubectlAsync("get", "pvc", "data-db-0", "-o", "jsonpath={.spec.volumeName}")).Output;
        await Shell.UntilAsync(() => space.KubectlAsync("get", "pv", volume, "--no-headers"), row => Regex.IsMatch(row, $@"{volume} +1Mi +RWO +Delete +Bound +{space.Name}/data-db-0 +local-path"), "the volume to be told bound");
        Assert.Matches(@"local-path \(default\) +eyrie.dev/local-path +Delete +WaitForFirstConsumer", (await space.KubectlAsync("get", "sc", "--no-headers")).Output);
        Assert.True(File.Exists(Path.Combine(DirectoryOf(volume), "starts")));

        var (code, output) = await space.KubectlAsync("delete", "pod", "db-0");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => space.KubectlAsync("logs", "db-0"), log => log.StartsWith("2\n", StringComparison.Ordinal), "the second start to find what the first wrote");

        (code, output) = await space.KubectlAsync("delete", "pvc", "data-db-0", "--wait=false");
        Assert.True(code == 0, output);
        Assert.Contains("Terminating", (await space.KubectlAsync("get", "pvc", "data-db-0", "--no-headers")).Output, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(DirectoryOf(volume), "starts")));
        await space.KubectlAsync("delete", "statefulset", "db");
        await Shell.UntilAsync(() => space.KubectlAsync("get", "pvc,pv", "--no-headers", "--ignore-not-found"), left => !left.Contains(volume, StringComparison.Ordinal), "claim and volume to go");
        Assert.Equal("", DirectoryOf(volume));
    }

    [Fact]
    public async Task Two_pods_of_one_claim_are_on_one_node_and_see_the_same_files()
    {
        var space = await cluster.NamespaceAsync();
        await space.ApplyAsync("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: shared}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}\n");
        await Shell.UntilAsync(() => space.KubectlAsync("get", "events", "-o", "jsonpath={.items[*].reason}"), reasons => reasons.Contains("WaitForFirstConsumer", StringComparison.Ordinal), "the claim to wait");
        const string Spec = "restartPolicy: Never\nvolumes: [{name: v, persistentVolumeClaim: {claimName: shared}}]";
        await space.PodAsync("writes", "echo words >/v/words; sleep 3600", "volumeMounts: [{name: v, mountPath: /v}]", Spec);
        await space.PodAsync("reads", "until [ -s /v/words ]; do sleep 0.1; done; cat /v/words; echo x 2>/dev/null >/v/x || echo refused", "volumeMounts: [{name: v, mountPath: /v, readOnly: true}]", Spec);
        Assert.Equal("words\nrefused", (await space.EndedAsync("reads")).Trim());
        var nodes = (await space.KubectlAsync("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}")).Output.Split(' ');
        Assert.Equal(nodes[0], nodes[1]);
    }

    [Fact]
    public async Task A_pod_whose_claim_is_not_there_says_so()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("waits", "true", "volumeMounts: [{name: v, mountPath: /v}]", "restartPolicy: Never\nvolumes: [{name: v, persistentVolumeClaim: {claimName: nowhere}}]");
        await space.UntilEventAsync("waits", "FailedScheduling: 0/2 nodes are available: persistentvolumeclaim \"nowhere\" not found.");
    }
}
