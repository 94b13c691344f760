using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>Rollouts that watch themselves, as a person follows them with <c>eyrie rollout</c>.</summary>
public sealed class GuardTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    private async Task ApplyAsync(string name, string before, string guard)
    {
        var image = (await cluster.KubectlAsync("get", "deploy", "hello", "-o", "jsonpath={.spec.template.spec.containers[0].image}")).Output;
        var file = Path.Combine(cluster.State, Guid.NewGuid().ToString("N") + ".yaml");
        await File.WriteAllTextAsync(file, """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: NAME}
            spec:
              replicas: 4
              selector: {matchLabels: {app: NAME}}
              guard: GUARD
              template:
                metadata: {labels: {app: NAME}}
                spec:
                  terminationGracePeriodSeconds: 1
                  containers:
                  - name: web
                    image: IMAGE
                    command: [sh, -c, 'BEFORE exec httpd -f -p 8080 -h /']
                    ports: [{containerPort: 8080}]
                    readinessProbe: {httpGet: {path: /version, port: 8080}, periodSeconds: 1, timeoutSeconds: 10}
                    permissions: {processes: {max: 16}}
            """.Replace("NAME", name, StringComparison.Ordinal).Replace("GUARD", guard, StringComparison.Ordinal).Replace("IMAGE", image, StringComparison.Ordinal).Replace("BEFORE", before, StringComparison.Ordinal));
        var (code, output) = await cluster.KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
    }

    private Task<string> FieldAsync(string name, string path, string wanted) => Shell.UntilAsync(() => cluster.KubectlAsync("get", "deploy", name, "-o", $"jsonpath={path}"), text => text == wanted, $"{path} of {name} to be \"{wanted}\"");

    [Fact]
    public async Task A_new_version_that_is_denied_a_capability_is_undone_by_itself()
    {
        await ApplyAsync("shop", "", "{steps: [{weight: 25, pause: 60}]}");
        var (code, output) = await cluster.EyrieAsync("rollout", "status", "shop");
        Assert.True(code == 0, output);
        await ApplyAsync("shop", "(while true; do wget -q -O- http://10.9.9.9/; sleep 1; done) &", "{steps: [{weight: 25, pause: 60}]}");
        await FieldAsync("shop", "{.status.guard.phase}", "Undone");
        (code, output) = await cluster.EyrieAsync("rollout", "status", "shop");
        Assert.True(code == 1, output);
        Assert.Contains("the rollout was undone", output, StringComparison.Ordinal);
        Assert.Matches("without a grant, 0 at most: pod shop-[^ ]+: container web .*tried to connect 10.9.9.9:80", output);
        await FieldAsync("shop", "{.status.updatedReplicas} {.status.availableReplicas} {.status.replicas}", "4 4 4");
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pods", "-l", "app=shop", "-o", "yaml"), pods => !pods.Contains("wget", StringComparison.Ordinal), "the refused version's pod to go");
        Assert.Contains("RolloutUndone", (await cluster.KubectlAsync("get", "events", "--field-selector", "involvedObject.name=shop")).Output, StringComparison.Ordinal);
        Assert.Contains("CapabilityDenied", (await cluster.KubectlAsync("get", "deploy", "shop", "-o", "jsonpath={.status.conditions[?(@.type=='RolloutGuard')].reason}")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_canary_waits_for_approval_and_goes_on_with_it()
    {
        await ApplyAsync("bank", "", "{steps: [{weight: 25, pause: manual}], bakeSeconds: 1}");
        await FieldAsync("bank", "{.status.guard.phase}", "Passed");
        await ApplyAsync("bank", "true;", "{steps: [{weight: 25, pause: manual}], bakeSeconds: 1}");
        await FieldAsync("bank", "{.status.guard.phase} {.status.updatedReplicas} {.status.availableReplicas}", "Paused 1 4");
        var (code, output) = await cluster.EyrieAsync("rollout", "status", "--once", "bank");
        Assert.Contains("1 of 4 new, 4 available; paused: step 1 of 1: 1 of 4 replicas, waiting for approval", output, StringComparison.Ordinal);
        (code, output) = await cluster.EyrieAsync("rollout", "approve", "bank");
        Assert.True(code == 0, output);
        (code, output) = await cluster.EyrieAsync("rollout", "status", "bank");
        Assert.True(code == 0, output);
        await FieldAsync("bank", "{.status.guard.phase} {.status.updatedReplicas}", "Passed 4");
    }

    [Fact]
    public async Task A_guard_with_mistakes_is_refused_with_their_places_and_explained_to_clients()
    {
        var file = Path.Combine(cluster.State, "bad-guard.yaml");
        await File.WriteAllTextAsync(file, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: bad}, spec: {selector: {matchLabels: {app: bad}}, guard: {steps: [{weight: 200}, {weight: 10}]}, template: {metadata: {labels: {app: bad}}, spec: {containers: [{name: c, image: i}]}}}}");
        var (code, output) = await cluster.KubectlAsync("apply", "-f", file);
        Assert.Equal(1, code);
        Assert.Contains("spec.guard.steps[0].weight: Invalid value: 200: must be 1 to 100, percent of the replicas", output, StringComparison.Ordinal);
        Assert.Contains("percent of the replicas", (await cluster.KubectlAsync("explain", "deployment.spec.guard.steps.weight")).Output, StringComparison.OrdinalIgnoreCase);
    }
}
