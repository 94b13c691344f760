using Xunit;

namespace Eyrie.EndToEnd.Tests;

[Collection(nameof(NodeCluster))]
public sealed class ProbeTests(NodeCluster cluster)
{
    [Fact]
    public async Task A_failed_liveness_probe_restarts_the_container_with_the_events_that_Kubernetes_writes()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("live", "touch /tmp/healthy; trap 'exit 3' TERM; sleep 1; rm /tmp/healthy; while true; do sleep 0.1; done",
            "livenessProbe: {exec: {command: [cat, /tmp/healthy]}, periodSeconds: 1, failureThreshold: 2}\npermissions: {files: [{path: /tmp, access: write}]}", "restartPolicy: Always", grace: 20);
        await space.UntilAsync("live", "{.status.containerStatuses[0].restartCount}", count => int.TryParse(count, out int restarts) && restarts >= 1, "a restart");
        Assert.Equal("3", (await space.KubectlAsync("get", "pod", "live", "-o", "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}")).Output);
        await space.UntilEventAsync("live", "Unhealthy: Liveness probe failed: cat:");
        await space.UntilEventAsync("live", "Killing: Container a failed liveness probe, will be restarted");
    }

    [Fact]
    public async Task Nothing_else_is_asked_before_the_startup_probe_has_succeeded()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("slow", "sleep 3; touch /tmp/up; echo up; sleep 1000",
            "startupProbe: {exec: {command: [cat, /tmp/up]}, periodSeconds: 1, failureThreshold: 30}\nlivenessProbe: {exec: {command: [cat, /tmp/up]}, periodSeconds: 1, timeoutSeconds: 30, failureThreshold: 1}\npermissions: {files: [{path: /tmp, access: write}]}");
        await space.UntilAsync("slow", "{.status.containerStatuses[0].started}", started => started == "true", "the startup probe");
        Assert.Equal("0 true", (await space.KubectlAsync("get", "pod", "slow", "-o", "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}")).Output);
        await Shell.UntilAsync(() => space.KubectlAsync("logs", "slow"), log => log.Contains("up", StringComparison.Ordinal), "its word, which comes after the file");
    }

    [Fact]
    public async Task A_startup_probe_that_never_succeeds_ends_the_container()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("never", "exec sleep 1000", "startupProbe: {tcpSocket: {port: 9999}, periodSeconds: 1, failureThreshold: 2}\nports: [{containerPort: 9999}]");
        await space.UntilEventAsync("never", "Startup probe failed: dial tcp");
        await space.UntilEventAsync("never", "Killing: Container a failed startup probe, will be restarted");
        await space.UntilAsync("never", "{.status.phase}", phase => phase == "Failed", "the pod to fail, since nothing restarts it");
    }

    [Theory]
    [InlineData("http", "httpGet: {path: /, port: web, httpHeaders: [{name: X-Test, value: a}]}")]
    [InlineData("tcp", "tcpSocket: {port: 8080}")]
    [InlineData("exec", "exec: {command: [cat, /www/index.html]}")]
    public async Task A_readiness_probe_turns_with_what_it_asks(string name, string handler)
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync(name, "echo ok >/www/index.html; httpd -p 8080 -h /www; sleep 1000",
            $"ports: [{{name: web, containerPort: 8080}}]\nreadinessProbe: {{{handler}, periodSeconds: 1, failureThreshold: 1}}\npermissions: {{files: [{{path: /www, access: write}}]}}");
        await space.UntilAsync(name, "{.status.containerStatuses[0].ready}", ready => ready == "true", "ready");
        var (code, output) = await space.KubectlAsync("exec", name, "--", "sh", "-c", "rm /www/index.html");
        Assert.True(code == 0, output);
        if (name == "tcp") return; // its port stays open
        await space.UntilAsync(name, "{.status.containerStatuses[0].ready}", ready => ready == "false", "not ready any more");
    }

    [Fact]
    public async Task An_answer_that_is_an_error_is_not_ready_and_says_so()
    {
        var space = await cluster.NamespaceAsync();
        await space.PodAsync("missing", "exec httpd -f -p 8080 -h /www", "ports: [{containerPort: 8080}]\nreadinessProbe: {httpGet: {path: /nothing, port: 8080}, periodSeconds: 1}");
        await space.UntilEventAsync("missing", "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 404");
        Assert.Equal("false", (await space.KubectlAsync("get", "pod", "missing", "-o", "jsonpath={.status.containerStatuses[0].ready}")).Output);
        Assert.Contains("containers with unready status: [a]", (await space.KubectlAsync("get", "pod", "missing", "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].message}")).Output, StringComparison.Ordinal);
    }
}
