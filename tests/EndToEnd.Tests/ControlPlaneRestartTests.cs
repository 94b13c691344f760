using System.Text.Json.Nodes;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>The control plane is killed while pods run, and started again.</summary>
[Takes(55)]
public sealed class ControlPlaneRestartTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    private async Task<string> PodsAsync() => (await cluster.KubectlAsync("get", "pods", "-o", "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].containerID}{\"\\n\"}{end}")).Output;

    [Fact]
    public async Task Every_pod_goes_on_as_it_was_and_none_is_made_twice()
    {
        var before = await PodsAsync();
        for (int kill = 0; kill < 3; kill++)
        {
            var process = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(cluster.State, "control-plane.json")))!["pid"]!.ToString();
            await Shell.RunAsync("kill", ["-9", process]);
            var (code, output) = await cluster.EyrieAsync("up", "manifests/samples/hello.yaml");
            Assert.True(code == 0, output);
            await Shell.UntilAsync(() => cluster.KubectlAsync("get", "nodes", "--no-headers"), nodes => nodes.Split('\n').Count(line => line.Contains(" Ready ", StringComparison.Ordinal)) == 2, "two nodes Ready");
            Assert.Equal(before, await PodsAsync());
        }
    }

    [Fact]
    public async Task A_node_without_its_control_plane_goes_on_and_tells_later_what_happened()
    {
        var file = Path.Combine(cluster.State, "alone.yaml");
        await File.WriteAllTextAsync(file, """
            apiVersion: v1
            kind: Pod
            metadata: {name: restarted}
            spec:
              containers: [{name: a, image: hello:1, command: [sh, -c, 'echo run; until [ -e /v/end ]; do sleep 0.05; done; rm /v/end; exit 9'], volumeMounts: [{name: v, mountPath: /v}]}]
              volumes: [{name: v, emptyDir: {}}]
            ---
            apiVersion: v1
            kind: Pod
            metadata: {name: finished}
            spec:
              restartPolicy: Never
              containers: [{name: a, image: hello:1, command: [sh, -c, 'until [ -e /v/end ]; do sleep 0.05; done; echo done'], volumeMounts: [{name: v, mountPath: /v}]}]
              volumes: [{name: v, emptyDir: {}}]
            """);
        var before = await PodsAsync();
        Assert.Equal(0, (await cluster.KubectlAsync("apply", "-f", file)).Code);
        var volumes = new List<string>();
        foreach (var pod in new[] { "restarted", "finished" })
        {
            await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", pod, "-o", "jsonpath={.status.phase}"), phase => phase == "Running", $"{pod} to run");
            var place = (await cluster.KubectlAsync("get", "pod", pod, "-o", "jsonpath={.spec.nodeName}/pods/{.metadata.uid}/volumes/v")).Output;
            volumes.Add(Path.Combine(cluster.State, "nodes", place));
        }
        var process = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(cluster.State, "control-plane.json")))!["pid"]!.ToString();
        await Shell.RunAsync("kill", ["-9", process]);
        foreach (var volume in volumes) await File.WriteAllTextAsync(Path.Combine(volume, "end"), "");
        // The node restarts what it has to, with nobody to ask: the second run writes the second log.
        var log = Path.Combine(volumes[0], "../../../../logs", Path.GetFileName(Path.GetFullPath(Path.Combine(volumes[0], "../.."))), "a-1.log");
        await Shell.UntilAsync(async () => (0, File.Exists(log) ? await File.ReadAllTextAsync(log) : ""), text => text.Contains("run", StringComparison.Ordinal), "the second run of the container");
        var (code, output) = await cluster.EyrieAsync("up", "manifests/samples/hello.yaml");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "restarted", "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].lastState.terminated.exitCode} {.status.phase}"), state => state == "1 9 Running", "the restart to be told");
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", "finished", "-o", "jsonpath={.status.phase} {.status.containerStatuses[0].state.terminated.exitCode}"), state => state == "Succeeded 0", "the end to be told");
        Assert.Equal("done", (await cluster.KubectlAsync("logs", "finished")).Output.Trim());
        foreach (var pod in new[] { "restarted", "finished" }) Assert.Equal(0, (await cluster.KubectlAsync("delete", "pod", pod)).Code);
        Assert.Equal(before, await PodsAsync());
    }

    [Fact]
    public async Task A_node_renews_its_lease_and_a_service_shows_its_endpoints()
    {
        Assert.Contains("HolderIdentity:  node-0", (await cluster.KubectlAsync("describe", "node", "node-0")).Output, StringComparison.Ordinal);
        // Only pods that are ready stand there, and one may just be out of breath: what holds is what it comes to.
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "endpointslices", "-l", "kubernetes.io/service-name=hello", "-o", "jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].targetRef.name}"),
            names => names.Split(' ').Count(name => name.StartsWith("hello-", StringComparison.Ordinal)) == 3, "three ready endpoints in the slice");
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "endpoints", "hello", "-o", "jsonpath={.subsets[*].addresses[*].ip}"), addresses => addresses.Split(' ').Length == 3, "three addresses in the Endpoints");
    }
}
