using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>The disk of a node changes what is in an image that pods run from.</summary>
public sealed class ImageDamageTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    private async Task<string> PodsAsync() => (await cluster.KubectlAsync("get", "pods", "-l", "app in (hello,visitor,uninvited)", "-o", "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].containerID} {.status.phase}{\"\\n\"}{end}")).Output;

    [Fact]
    public async Task A_damaged_layer_is_noticed_told_and_pulled_anew_and_what_runs_on_it_goes_on()
    {
        var node = Path.Combine(cluster.State, "nodes/node-0");
        string Version() => Directory.EnumerateDirectories(Path.Combine(node, "images/layers"), "sha256-*").Where(layer => !Path.GetFileName(layer).Contains('.', StringComparison.Ordinal)).Select(layer => Path.Combine(layer, "version")).FirstOrDefault(File.Exists) ?? "";
        var (before, file) = (await PodsAsync(), Version());
        var good = await File.ReadAllTextAsync(file);
        await File.WriteAllTextAsync(file, new string('?', good.Length)); // as long as it was
        var members = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(cluster.State, "processes.json")))!.AsArray();
        await Shell.RunAsync("kill", ["-HUP", members.First(member => member!["name"]!.ToString() == "node-0")!["pid"]!.ToString()]); // another agent looks at everything
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "node", "node-0", "-o", "jsonpath={.status.conditions[?(@.type=='ImageStoreDamaged')].message}"),
            message => message.Contains("version has other contents", StringComparison.Ordinal) && message.Contains("it was pulled anew", StringComparison.Ordinal), "the node's condition");
        Assert.Equal(good, await File.ReadAllTextAsync(Version()));
        Assert.Equal(before, await PodsAsync());
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "events", "-o", "jsonpath={range .items[?(@.reason=='ImageDamaged')]}{.message}{end}"), text => text.Contains("it goes on", StringComparison.Ordinal), "the event of a pod that runs on it");
        var manifest = Path.Combine(cluster.State, "fresh.yaml");
        await File.WriteAllTextAsync(manifest, "apiVersion: v1\nkind: Pod\nmetadata: {name: fresh}\nspec: {nodeName: node-0, restartPolicy: Never, containers: [{name: a, image: \"hello:1\", command: [cat, /version]}]}\n");
        Assert.Equal(0, (await cluster.KubectlAsync("apply", "-f", manifest)).Code);
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", "fresh"), log => log.Trim() == good.Trim(), "a new container to read what was pulled anew");
    }
}
