using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>The control plane is killed while pods run, and started again.</summary>
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
    public async Task A_node_renews_its_lease_and_a_service_shows_its_endpoints()
    {
        Assert.Contains("HolderIdentity:  node-0", (await cluster.KubectlAsync("describe", "node", "node-0")).Output, StringComparison.Ordinal);
        // Only pods that are ready stand there, and one may just be out of breath: what holds is what it comes to.
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "endpointslices", "-l", "kubernetes.io/service-name=hello", "-o", "jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].targetRef.name}"),
            names => names.Split(' ').Count(name => name.StartsWith("hello-", StringComparison.Ordinal)) == 3, "three ready endpoints in the slice");
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "endpoints", "hello", "-o", "jsonpath={.subsets[*].addresses[*].ip}"), addresses => addresses.Split(' ').Length == 3, "three addresses in the Endpoints");
    }
}
