using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>The agents of a cluster of its own are killed, replaced and never come back.</summary>
[Takes(100)]
public sealed class AgentRestartTests : IAsyncLifetime
{
    private readonly HelloCluster _cluster = new();

    public Task InitializeAsync() => _cluster.InitializeAsync();
    public Task DisposeAsync() => _cluster.DisposeAsync();

    private string Node(string node) => Path.Combine(_cluster.State, "nodes", node);

    private async Task<int> AgentAsync(string node) => int.Parse((await File.ReadAllTextAsync(Path.Combine(Node(node), "agent.pid"))).Split(' ')[0], CultureInfo.InvariantCulture);

    private async Task<string> KernelAsync(string node) => JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(Node(node), "node.json")))!["kernelPid"]!.ToString();

    /// <summary>Since when they are ready is not asked of the sample's servers: on a busy machine their probes, which give a second for an answer, may be out of breath with no agent's doing.</summary>
    private async Task<string> PodsAsync() => await FieldsAsync("app", "{.status.podIP} {.status.containerStatuses[*].restartCount} {.status.containerStatuses[*].containerID}")
        + await FieldsAsync("app!=hello", "{.status.conditions[?(@.type==\"Ready\")].status} {.status.conditions[?(@.type==\"Ready\")].lastTransitionTime}");

    private async Task<string> FieldsAsync(string selector, string fields) => (await _cluster.KubectlAsync("get", "pods", "-l", selector, "--sort-by=.metadata.name", "-o", "jsonpath={range .items[*]}{.metadata.name} " + fields + "{\"\\n\"}{end}")).Output;

    /// <summary>When a process began (proc(5), field 22): its number may come to name another. "": it has ended, also when nobody has waited for it yet (Z).</summary>
    private static string Begun(string process)
    {
        try
        {
            var fields = File.ReadAllText($"/proc/{process}/stat").Split(") ")[^1].Split(' ');
            return fields[0] is "Z" or "X" ? "" : fields[19];
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static Task EndedAsync(string process, string begun) => Shell.UntilAsync(() => Task.FromResult((0, Begun(process))), now => now != begun, $"process {process} to end");

    /// <summary>Waits until another process is the agent and the node's session is there.</summary>
    private async Task AnotherAgentAsync(string node, int before)
    {
        await Shell.UntilAsync(async () => (0, (await AgentAsync(node)).ToString(CultureInfo.InvariantCulture)), agent => agent != before.ToString(CultureInfo.InvariantCulture), $"another agent of {node}");
        await Shell.UntilAsync(async () => (0, await File.ReadAllTextAsync(Path.Combine(_cluster.State, "logs", node + ".out"))), output => output.Split("ready").Length > 2, $"the new agent of {node} to be ready");
    }

    private async Task ApplyAsync(string manifest)
    {
        var file = Path.Combine(_cluster.State, Guid.NewGuid().ToString("N") + ".yaml");
        await File.WriteAllTextAsync(file, manifest);
        var (code, output) = await _cluster.KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
    }

    /// <summary>One server and clients on both nodes that count: nobody else could answer for it.</summary>
    private const string Workload = """
        apiVersion: v1
        kind: Service
        metadata: {name: single}
        spec: {selector: {app: single}, ports: [{port: 80, targetPort: 8080}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: single, labels: {app: single}}
        spec:
          nodeSelector: {kubernetes.io/hostname: node-0}
          terminationGracePeriodSeconds: 1
          containers:
          - name: web
            image: hello:1
            command: [sh, -c, 'echo yes >/www/index.html; exec httpd -f -p 8080 -h /www']
            ports: [{containerPort: 8080}]
            readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1, timeoutSeconds: 10}
            permissions: {files: [{path: /www, access: write}], processes: {max: 64}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: counter-0, labels: {app: counter}}
        spec: {nodeSelector: {kubernetes.io/hostname: node-0}, terminationGracePeriodSeconds: 0, containers: [CLIENT]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: counter-1, labels: {app: counter}}
        spec: {nodeSelector: {kubernetes.io/hostname: node-1}, terminationGracePeriodSeconds: 0, containers: [CLIENT]}
        """;

    private const string Client = """{name: count, image: hello:1, command: [sh, -c, 'until wget -q -O- http://single/; do :; done; n=0; while true; do n=$((n+1)); wget -q -O- http://single/ >/dev/null && echo ok $n || echo FAILED $n; done'], permissions: {connect: [{service: single, port: 80}]}}""";

    private async Task<long> AnsweredAsync(string pod)
    {
        var log = (await _cluster.KubectlAsync("logs", pod)).Output;
        Assert.DoesNotContain("FAILED", log, StringComparison.Ordinal);
        return log.Split('\n').LongCount(line => line.StartsWith("ok ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_killed_agent_comes_back_finds_its_containers_and_no_request_fails()
    {
        await ApplyAsync(Workload.Replace("CLIENT", Client, StringComparison.Ordinal));
        foreach (var pod in new[] { "single", "counter-0", "counter-1" })
            await Shell.UntilAsync(() => _cluster.KubectlAsync("get", "pod", pod, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}"), ready => ready == "True", $"{pod} to be ready");
        await Shell.UntilAsync(() => _cluster.KubectlAsync("logs", "counter-1"), log => log.Contains("ok 1\n", StringComparison.Ordinal), "the first answer");
        var before = await PodsAsync();
        var kernel = await KernelAsync("node-0");
        for (int kill = 0; kill < 3; kill++)
        {
            int agent = await AgentAsync("node-0");
            await File.WriteAllTextAsync(Path.Combine(_cluster.State, "logs", "node-0.out"), "ready\n");
            await Shell.RunAsync("kill", ["-9", agent.ToString(CultureInfo.InvariantCulture)]);
            await AnotherAgentAsync("node-0", agent);
            long answered = await AnsweredAsync("counter-0") + await AnsweredAsync("counter-1");
            await Shell.UntilAsync(async () => (0, (await AnsweredAsync("counter-0") + await AnsweredAsync("counter-1")).ToString(CultureInfo.InvariantCulture)), now => long.Parse(now, CultureInfo.InvariantCulture) > answered + 20, "more answers after the kill");
        }
        Assert.Equal(before, await PodsAsync());
        Assert.Equal(kernel, await KernelAsync("node-0"));
        // The new agent looks after them as the one before did.
        Assert.Equal((0, "yes\n"), await _cluster.KubectlAsync("exec", "single", "--", "cat", "/www/index.html"));
        foreach (var pod in (await _cluster.KubectlAsync("get", "pods", "-o", "name")).Output.Trim().Split('\n'))
            Assert.Contains("equal to the compiled set", (await _cluster.EyrieAsync("caps", pod["pod/".Length..])).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_happens_while_no_agent_runs_is_told_by_the_next_and_what_belongs_to_no_pod_goes()
    {
        await ApplyAsync("""
            apiVersion: v1
            kind: Pod
            metadata: {name: ends}
            spec:
              restartPolicy: Never
              nodeSelector: {kubernetes.io/hostname: node-0}
              volumes: [{name: v, emptyDir: {}}]
              containers:
              - {name: a, image: hello:1, command: [sh, -c, 'until [ -e /v/end ]; do sleep 0.05; done; echo last words; exit 42'], volumeMounts: [{name: v, mountPath: /v}]}
            """);
        await Shell.UntilAsync(() => _cluster.KubectlAsync("get", "pod", "ends", "-o", "jsonpath={.status.phase}"), phase => phase == "Running", "the pod to run");
        var uid = (await _cluster.KubectlAsync("get", "pod", "ends", "-o", "jsonpath={.metadata.uid}")).Output;
        int agent = await AgentAsync("node-0");
        await File.WriteAllTextAsync(Path.Combine(_cluster.State, "logs", "node-0.out"), "ready\n");
        // Stopped first, so that nothing tells the agent of the end before it is killed.
        await Shell.RunAsync("kill", ["-STOP", agent.ToString(CultureInfo.InvariantCulture)]);
        await File.WriteAllTextAsync(Path.Combine(Node("node-0"), "pods", uid, "volumes/v/end"), "");
        await Shell.UntilAsync(async () => (0, await File.ReadAllTextAsync(Path.Combine(Node("node-0"), "logs", uid, "a-0.log"))), log => log.Contains("last words", StringComparison.Ordinal), "the container's last words, which no agent writes");
        var stray = Directory.CreateDirectory(Path.Combine(Node("node-0"), "containers", "00000000-0000-stray-0")).FullName;
        await Shell.RunAsync("kill", ["-9", agent.ToString(CultureInfo.InvariantCulture)]);
        await AnotherAgentAsync("node-0", agent);
        await Shell.UntilAsync(() => _cluster.KubectlAsync("get", "pod", "ends", "-o", "jsonpath={.status.phase} {.status.containerStatuses[0].state.terminated.exitCode} {.status.containerStatuses[0].restartCount}"), state => state == "Failed 42 0", "the exit code");
        Assert.Equal("last words", (await _cluster.KubectlAsync("logs", "ends")).Output.Trim());
        Assert.False(Directory.Exists(stray));
        // A pod that is over keeps its log, also when yet another agent comes.
        agent = await AgentAsync("node-0");
        await File.WriteAllTextAsync(Path.Combine(_cluster.State, "logs", "node-0.out"), "ready\n");
        await Shell.RunAsync("kill", ["-HUP", Path.GetFileName(Directory.GetDirectories("/proc").First(process => char.IsAsciiDigit(process[6]) && Supervises(process, _cluster.State, "node-0")))]);
        await AnotherAgentAsync("node-0", agent);
        await Shell.UntilAsync(() => _cluster.KubectlAsync("logs", "ends"), log => log.Trim() == "last words", "the log of the pod that is over");
    }

    [Fact]
    public async Task A_volume_in_memory_outlives_its_agent_and_goes_with_its_pod_or_its_node()
    {
        foreach (var name in new[] { "first", "second" })
            await ApplyAsync($$$"""
                apiVersion: v1
                kind: Pod
                metadata: {name: {{{name}}} }
                spec:
                  nodeSelector: {kubernetes.io/hostname: node-0}
                  terminationGracePeriodSeconds: 0
                  volumes: [{name: v, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]
                  containers:
                  - {name: a, image: hello:1, command: [sh, -c, 'echo words >/v/words; sleep 3600'], volumeMounts: [{name: v, mountPath: /v}]}
                  - {name: b, image: hello:1, command: [sleep, "3600"], volumeMounts: [{name: v, mountPath: /v}]}
                """);
        Task<(int, string)> ReadAsync() => _cluster.KubectlAsync("exec", "first", "-c", "b", "--", "cat", "/v/words");
        await Shell.UntilAsync(ReadAsync, words => words == "words\n", "the other container's words");
        await _cluster.KubectlAsync("wait", "--for=condition=Ready", "pod/second", "--timeout=60s");
        int agent = await AgentAsync("node-0");
        await File.WriteAllTextAsync(Path.Combine(_cluster.State, "logs", "node-0.out"), "ready\n");
        await Shell.RunAsync("kill", ["-9", agent.ToString(CultureInfo.InvariantCulture)]);
        await AnotherAgentAsync("node-0", agent);
        await Shell.UntilAsync(ReadAsync, words => words == "words\n", "the words, still");
        Assert.Equal((0, ""), await _cluster.KubectlAsync("exec", "first", "-c", "b", "--", "busybox", "touch", "/v/more"));
        Assert.Equal((0, "more\nwords\n"), await _cluster.KubectlAsync("exec", "first", "-c", "a", "--", "busybox", "ls", "/v"));
        Assert.Equal(2, (await MountsAsync()).Length);
        await _cluster.KubectlAsync("delete", "pod", "first");
        await Shell.UntilAsync(async () => (0, string.Join('\n', await MountsAsync())), mounts => !mounts.Contains('\n', StringComparison.Ordinal), "one mount to go");
        Assert.Single(await MountsAsync());
        // Nobody is left to take the other down.
        agent = await AgentAsync("node-0");
        var supervisor = Path.GetFileName(Directory.GetDirectories("/proc").First(process => char.IsAsciiDigit(process[6]) && Supervises(process, _cluster.State, "node-0")));
        await Shell.RunAsync("kill", ["-9", supervisor, agent.ToString(CultureInfo.InvariantCulture)]);
        var (code, output) = await _cluster.EyrieAsync("down");
        Assert.True(code == 0, output);
        Assert.Empty(await MountsAsync());
    }

    /// <summary>What is mounted beneath the state directory.</summary>
    private async Task<string[]> MountsAsync() => [.. (await File.ReadAllLinesAsync("/proc/mounts")).Where(line => line.Contains(_cluster.State + "/", StringComparison.Ordinal))];

    private static bool Supervises(string process, string state, string node)
    {
        try
        {
            var line = File.ReadAllText(process + "/cmdline");
            return line.Contains("supervise\0", StringComparison.Ordinal) && line.Contains($"{state}/nodes/{node}\0", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    [Fact]
    public async Task A_kernel_whose_agent_never_returns_is_ended_by_down()
    {
        int agent = await AgentAsync("node-1");
        var kernel = await KernelAsync("node-1");
        var supervisor = Path.GetFileName(Directory.GetDirectories("/proc").First(process => char.IsAsciiDigit(process[6]) && Supervises(process, _cluster.State, "node-1")));
        await Shell.RunAsync("kill", ["-9", supervisor, agent.ToString(CultureInfo.InvariantCulture)]);
        var children = (await File.ReadAllTextAsync($"/proc/{kernel}/task/{kernel}/children")).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.True(children.Length > 2, "the kernel goes on with its containers");
        var living = children.Append(kernel).Select(process => (process, begun: Begun(process))).Where(pair => pair.begun.Length > 0).ToList();
        var (code, output) = await _cluster.EyrieAsync("down");
        Assert.True(code == 0, output);
        foreach (var (process, begun) in living) await EndedAsync(process, begun);
    }

    [Fact]
    public async Task Up_puts_a_new_agent_in_place_of_one_whose_supervisor_is_gone()
    {
        var before = await PodsAsync();
        int agent = await AgentAsync("node-1");
        var begun = Begun(agent.ToString(CultureInfo.InvariantCulture));
        var supervisor = Path.GetFileName(Directory.GetDirectories("/proc").First(process => char.IsAsciiDigit(process[6]) && Supervises(process, _cluster.State, "node-1")));
        await Shell.RunAsync("kill", ["-9", supervisor]);
        var (code, output) = await _cluster.EyrieAsync("up", "manifests/samples/hello.yaml");
        Assert.True(code == 0, output);
        Assert.NotEqual(agent, await AgentAsync("node-1"));
        await EndedAsync(agent.ToString(CultureInfo.InvariantCulture), begun);
        Assert.Equal(before, await PodsAsync());
    }
}
