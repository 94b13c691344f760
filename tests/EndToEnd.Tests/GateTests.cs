using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>The vault of samples/keyvault.yaml: pods call each other's gates as what they are, and what they may not is told with what would allow it.</summary>
public sealed class GateTests : IAsyncLifetime
{
    private readonly HelloCluster _cluster = new();

    public async Task InitializeAsync()
    {
        var (code, output) = await _cluster.EyrieAsync("up", "manifests/samples/keyvault.yaml");
        Assert.True(code == 0, output);
    }

    public Task DisposeAsync() => _cluster.DisposeAsync();

    private Task LogAsync(string deployment, string text) => Shell.UntilAsync(() => _cluster.KubectlAsync("logs", "deploy/" + deployment, "--tail=3"), log => log.Contains(text, StringComparison.Ordinal), $"{deployment} to write \"{text}\"");

    private Task EventAsync(string app, string text) => Shell.UntilAsync(() => _cluster.KubectlAsync("describe", "pod", "-l", "app=" + app), said => said.Contains(text, StringComparison.Ordinal), $"the event \"{text}\"");

    [Fact]
    public async Task Each_caller_gets_what_is_its_own_and_a_stranger_an_event_with_what_is_missing()
    {
        await LogAsync("teller", "4711");
        await LogAsync("auditor", "no key for default/auditor-");
        await LogAsync("stranger", "no grant for gate keyvault");
        await LogAsync("stranger", "UTC");
        await EventAsync("stranger", "tried to call default/keyvault; missing grant: gate call default/keyvault");
        await EventAsync("stranger", "- service: keyvault");
        foreach (var pod in (await _cluster.KubectlAsync("get", "pods", "-o", "name")).Output.Trim().Split('\n'))
            Assert.Contains("equal to the compiled set", (await _cluster.EyrieAsync("caps", pod["pod/".Length..])).Output, StringComparison.Ordinal);
        var graph = (await _cluster.EyrieAsync("permissions", "graph")).Output;
        Assert.Matches(@"default/teller +.*gate default/keyvault", graph);

        // Granted, and still not accepted: the vault names its callers.
        var (code, output) = await _cluster.KubectlAsync("patch", "deployment", "stranger", "--type=json", "-p", """[{"op":"add","path":"/spec/template/spec/containers/0/permissions/gates/-","value":{"service":"keyvault"}}]""");
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => _cluster.EyrieAsync("permissions", "doctor", "deployment/stranger"), said => said.Contains("does not accept this pod (`publish`)", StringComparison.Ordinal), "why it is not granted");

        // The vault goes and comes, where it is called: its callers wait for the next one, and nobody restarts.
        await _cluster.KubectlAsync("scale", "deployment", "keyvault", "--replicas=0");
        await EventAsync("teller", "called gate default/keyvault, which no running container of this node serves");
        await LogAsync("teller", "no publisher on this node of gate keyvault");
        await _cluster.KubectlAsync("scale", "deployment", "keyvault", "--replicas=1");
        await LogAsync("teller", "4711");
        Assert.Equal("0", (await _cluster.KubectlAsync("get", "pod", "-l", "app=teller", "-o", "jsonpath={.items[0].status.containerStatuses[0].restartCount}")).Output);
    }
}
