using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>A cluster of its own: its kernels are killed.</summary>
public sealed class KernelRestartTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    private async Task<int> KernelAsync(string node) => JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(cluster.State, "nodes", node, "node.json")))!["kernelPid"]!.GetValue<int>();

    [Fact]
    public async Task A_killed_kernel_is_started_anew_and_what_it_took_down_is_told_and_runs_again()
    {
        var node = (await cluster.KubectlAsync("get", "pod", "-l", "app=visitor", "-o", "jsonpath={.items[0].spec.nodeName}")).Output;
        var pod = (await cluster.KubectlAsync("get", "pod", "-l", "app=visitor", "-o", "jsonpath={.items[0].metadata.name}")).Output;
        for (int round = 1; round <= 2; round++)
        {
            var kernel = await KernelAsync(node);
            using (var process = Process.GetProcessById(kernel)) process.Kill();
            await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}"), state => state == $"{round} true", $"the pod to run again after kill {round}");
            // The agent writes down which it is beside starting what ran on it.
            await Shell.UntilAsync(async () => (0, (await KernelAsync(node)).ToString(CultureInfo.InvariantCulture)), now => now != kernel.ToString(CultureInfo.InvariantCulture), "another kernel to be written down");
        }
        Assert.Equal("137", (await cluster.KubectlAsync("get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}")).Output);
        Assert.Contains("the node's microkernel ended", (await cluster.KubectlAsync("get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.message}")).Output, StringComparison.Ordinal);
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", pod), log => log.Contains("hello from", StringComparison.Ordinal), "the visitor to be answered: the new kernel knows the Services");
        foreach (var name in (await cluster.KubectlAsync("get", "pods", "-o", "name")).Output.Trim().Split('\n'))
        {
            await Shell.UntilAsync(() => cluster.KubectlAsync("get", name, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"), ready => ready == "True", $"{name} to be ready");
            await Shell.UntilAsync(() => cluster.EyrieAsync("caps", name["pod/".Length..]), caps => caps.Contains("equal to the compiled set", StringComparison.Ordinal), $"{name} to hold its set on the new kernel"); // Ready may be older than the last kill
        }
    }
}
