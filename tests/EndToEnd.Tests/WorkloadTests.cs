using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>Every sort of workload as kubectl applies and waits for it.</summary>
public sealed class WorkloadTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    private const string Pod = """
            metadata: {labels: {app: NAME}}
            spec:
              terminationGracePeriodSeconds: 1
              containers:
              - name: web
                image: IMAGE
                command: [sleep, "3600"]
        """;

    private async Task ApplyAsync(string name, string manifest)
    {
        var image = (await cluster.KubectlAsync("get", "deploy", "hello", "-o", "jsonpath={.spec.template.spec.containers[0].image}")).Output;
        var file = Path.Combine(cluster.State, name + ".yaml");
        await File.WriteAllTextAsync(file, manifest.Replace("POD", Pod.TrimStart(), StringComparison.Ordinal).Replace("NAME", name, StringComparison.Ordinal).Replace("IMAGE", image, StringComparison.Ordinal));
        var (code, output) = await cluster.KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
    }

    private Task<string> UntilAsync(string wanted, params string[] arguments) => Shell.UntilAsync(() => cluster.KubectlAsync(arguments), output => output.Trim() == wanted, $"\"{wanted}\" from kubectl {string.Join(' ', arguments)}");

    [Fact]
    public async Task A_stateful_set_has_stable_names_and_rolls_over()
    {
        await ApplyAsync("db", """
            apiVersion: apps/v1
            kind: StatefulSet
            metadata: {name: NAME}
            spec:
              replicas: 2
              serviceName: NAME
              selector: {matchLabels: {app: NAME}}
              template:
                POD
            """);
        var (code, output) = await cluster.KubectlAsync("rollout", "status", "sts/db", "--timeout=60s");
        Assert.True(code == 0, output);
        await UntilAsync("pod/db-0\npod/db-1", "get", "pods", "-l", "app=db", "-o", "name");
        var before = (await cluster.KubectlAsync("get", "pods", "-l", "app=db", "-o", "jsonpath={.items[*].metadata.uid}")).Output;
        Assert.Equal(0, (await cluster.KubectlAsync("rollout", "restart", "sts/db")).Code);
        (code, output) = await cluster.KubectlAsync("rollout", "status", "sts/db", "--timeout=60s");
        Assert.True(code == 0, output);
        var after = (await cluster.KubectlAsync("get", "pods", "-l", "app=db", "-o", "jsonpath={.items[*].metadata.uid}")).Output;
        Assert.Empty(before.Split(' ').Intersect(after.Split(' ')));
    }

    [Fact]
    public async Task A_daemon_set_runs_on_every_node()
    {
        await ApplyAsync("agent", """
            apiVersion: apps/v1
            kind: DaemonSet
            metadata: {name: NAME}
            spec:
              selector: {matchLabels: {app: NAME}}
              template:
                POD
            """);
        var (code, output) = await cluster.KubectlAsync("rollout", "status", "ds/agent", "--timeout=60s");
        Assert.True(code == 0, output);
        Assert.Equal(["node-0", "node-1"], (await cluster.KubectlAsync("get", "pods", "-l", "app=agent", "-o", "jsonpath={.items[*].spec.nodeName}")).Output.Split(' ').Order());
    }

    [Fact]
    public async Task A_suspended_job_starts_when_it_is_resumed_and_a_cron_job_makes_jobs()
    {
        await ApplyAsync("batch", """
            apiVersion: batch/v1
            kind: Job
            metadata: {name: NAME}
            spec:
              suspend: true
              activeDeadlineSeconds: 3
              template:
                POD
                  restartPolicy: Never
            """);
        await UntilAsync("True", "get", "job", "batch", "-o", "jsonpath={.status.conditions[?(@.type==\"Suspended\")].status}");
        Assert.Equal(0, (await cluster.KubectlAsync("patch", "job", "batch", "-p", "{\"spec\":{\"suspend\":false}}")).Code);
        await UntilAsync("DeadlineExceeded", "get", "job", "batch", "-o", "jsonpath={.status.conditions[?(@.type==\"Failed\")].reason}");
        Assert.Equal(0, (await cluster.KubectlAsync("create", "cronjob", "tick", "--image=none", "--schedule=* * * * *")).Code);
        Assert.Equal(0, (await cluster.KubectlAsync("create", "job", "now", "--from=cronjob/tick")).Code);
        await UntilAsync("1", "get", "job", "now", "-o", "jsonpath={.status.active}");
    }

    [Fact]
    public async Task A_replication_controller_keeps_its_pods()
    {
        await ApplyAsync("rc", """
            apiVersion: v1
            kind: ReplicationController
            metadata: {name: NAME}
            spec:
              replicas: 2
              selector: {app: NAME}
              template:
                POD
            """);
        await UntilAsync("2", "get", "rc", "rc", "-o", "jsonpath={.status.readyReplicas}");
        Assert.Equal(0, (await cluster.KubectlAsync("scale", "rc", "rc", "--replicas=1")).Code);
        await UntilAsync("1", "get", "rc", "rc", "-o", "jsonpath={.status.replicas}");
    }

    [Fact]
    public async Task A_pod_that_fits_nowhere_says_so_in_the_words_of_kube_scheduler()
    {
        await ApplyAsync("huge", """
            apiVersion: v1
            kind: Pod
            metadata: {name: huge}
            spec:
              containers: [{name: c, image: IMAGE, resources: {requests: {cpu: "1000"}}}]
            """);
        await Shell.UntilAsync(() => cluster.KubectlAsync("describe", "pod", "huge"), text => text.Contains("0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.", StringComparison.Ordinal), "the event");
    }
}
