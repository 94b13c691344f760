using System.Text.Json.Nodes;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>A node of two goes down as its host does (SIGTERM), and is drained.</summary>
[Takes(35)]
public sealed class ShutdownTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    private async Task ApplyAsync(string manifest)
    {
        var file = Path.Combine(cluster.State, Guid.NewGuid().ToString("N") + ".yaml");
        await File.WriteAllTextAsync(file, manifest);
        var (code, output) = await cluster.KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
    }

    private Task<string> UntilAsync(string what, string name, string path, Func<string, bool> wanted, string waitingFor) => Shell.UntilAsync(() => cluster.KubectlAsync("get", what, name, "-o", "jsonpath=" + path), wanted, waitingFor);

    private Task ReadyAsync(string node) => UntilAsync("node", node, "{.status.conditions[?(@.type=='Ready')].status}", status => status == "True", $"{node} to be ready");

    /// <summary>Waits for the nodes of an app's ready pods.</summary>
    private Task WhereAsync(string app, Func<string[], bool> wanted, string waitingFor) => Shell.UntilAsync(() => cluster.KubectlAsync("get", "pods", "-l", "app=" + app, "-o", "jsonpath={range .items[*]}{.spec.nodeName}={.status.conditions[?(@.type=='Ready')].status} {end}"),
        pods => wanted([.. pods.Split(' ').Where(pod => pod.EndsWith("=True", StringComparison.Ordinal)).Select(pod => pod.Split('=')[0])]), waitingFor);

    private static string Pod(string name, string command, string spec = "") => $$$"""
        apiVersion: v1
        kind: Pod
        metadata: {name: {{{name}}}, labels: {app: {{{name}}} } }
        spec:
          nodeName: node-1
          {{{spec}}}
          containers: [{name: a, image: hello:1, command: [sh, -c, '{{{command}}}']}]
        """;

    [Fact]
    public async Task A_node_that_is_shut_down_gives_its_pods_their_grace_takes_no_others_and_comes_back()
    {
        await ApplyAsync(Pod("graceful", "trap \"echo told; until [ -e /dev/shm/end ]; do sleep 0.1; done; echo done; exit 0\" TERM; echo up; while true; do sleep 0.1; done"));
        await ApplyAsync(Pod("deaf", "trap \"\" TERM; echo up; while true; do sleep 0.1; done", "terminationGracePeriodSeconds: 1"));
        await ApplyAsync(Pod("over", "echo up; exit 0", "restartPolicy: Never"));
        foreach (var pod in new[] { "graceful", "deaf", "over" }) await Shell.UntilAsync(() => cluster.KubectlAsync("logs", pod), log => log.Contains("up", StringComparison.Ordinal), $"{pod} to be up");
        await UntilAsync("pod", "over", "{.status.phase}", phase => phase == "Succeeded", "the third to be over");
        var supervisor = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(cluster.State, "processes.json")))!.AsArray().First(member => member!["name"]!.ToString() == "node-1")!["pid"]!.ToString();
        await Shell.RunAsync("kill", ["-TERM", supervisor]);
        await UntilAsync("node", "node-1", "{.status.conditions[?(@.type=='Ready')].status} {.status.conditions[?(@.type=='Ready')].message}", ready => ready == "False node is shutting down", "the node's condition");
        await ApplyAsync(Pod("late", "sleep 1000"));
        Assert.Equal("Failed NodeShutdown Pod was rejected as the node is shutting down.", await UntilAsync("pod", "late", "{.status.phase} {.status.reason} {.status.message}", state => state.StartsWith("Failed", StringComparison.Ordinal), "the late pod to be refused"));
        const string State = "{.status.phase} {.status.reason} {.status.message} {.status.conditions[?(@.type=='DisruptionTarget')].reason} {.status.containerStatuses[0].state.terminated.exitCode}";
        const string Ended = "Failed Terminated Pod was terminated in response to imminent node shutdown. TerminationByKubelet ";
        await UntilAsync("pod", "deaf", State, state => state == Ended + "137", "the pod that does not listen to be killed");
        var (code, output) = await cluster.KubectlAsync("exec", "graceful", "--", "sh", "-c", "echo >/dev/shm/end"); // until here the node has to be there, and refuse
        Assert.True(code == 0, output);
        await UntilAsync("pod", "graceful", State, state => state == Ended + "0", "the pod that ended by itself");
        Assert.Equal("Succeeded", (await cluster.KubectlAsync("get", "pod", "over", "-o", "jsonpath={.status.phase}")).Output);
        await Shell.UntilAsync(() => Task.FromResult((0, Directory.Exists("/proc/" + supervisor) ? "there" : "gone")), process => process == "gone", "the node's processes to end");
        // What controllers keep is elsewhere by then.
        await WhereAsync("hello", nodes => nodes is ["node-0", "node-0", "node-0"], "three replicas on the other node");

        (code, output) = await cluster.EyrieAsync("up");
        Assert.True(code == 0, output);
        await ReadyAsync("node-1");
        await ApplyAsync(Pod("after", "echo up; sleep 1000"));
        await UntilAsync("pod", "after", "{.status.phase}", phase => phase == "Running", "a new pod on the node");
        // A pod without a controller stays what it was, and says what it last said.
        Assert.Equal(Ended + "0", (await cluster.KubectlAsync("get", "pod", "graceful", "-o", "jsonpath=" + State)).Output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", "graceful"), log => log == "up\ntold\ndone\n", "its log");
        await cluster.KubectlAsync("delete", "pod", "graceful", "deaf", "over", "late", "after", "--grace-period=1");
        Assert.Equal("", (await cluster.KubectlAsync("get", "pods", "-l", "app in (graceful,deaf,over,late,after)", "-o", "name")).Output);
    }

    [Fact]
    public async Task A_node_that_is_told_to_end_while_it_has_no_agent_ends_its_pods_within_their_grace_all_the_same()
    {
        await ReadyAsync("node-1");
        await ApplyAsync(Pod("orphan", "trap \"echo told; exit 0\" TERM; echo up; while true; do sleep 0.1; done"));
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", "orphan"), log => log == "up\n", "the pod to be up");
        var supervisor = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(cluster.State, "processes.json")))!.AsArray().First(member => member!["name"]!.ToString() == "node-1")!["pid"]!.ToString();
        var nap = await StoppedNapAsync(supervisor);
        await Shell.RunAsync("kill", ["-TERM", supervisor]);
        await Shell.RunAsync("kill", ["-CONT", nap]);
        await UntilAsync("pod", "orphan", "{.status.phase} {.status.reason} {.status.containerStatuses[0].state.terminated.exitCode}", state => state == "Failed Terminated 0", "the pod to have failed");
        await Shell.UntilAsync(() => Task.FromResult((0, Directory.Exists("/proc/" + supervisor) ? "there" : "gone")), process => process == "gone", "the node's supervisor to end");
        await Shell.UntilAsync(() => Shell.RunAsync("pgrep", ["-f", $"{cluster.State}/nodes/node-1 "]), processes => processes.Length == 0, "whatever it ran to be gone"); // what was killed takes a moment

        var (code, output) = await cluster.EyrieAsync("up");
        Assert.True(code == 0, output);
        await ReadyAsync("node-1");
        await cluster.KubectlAsync("delete", "pod", "orphan", "--grace-period=1");
    }

    /// <summary>Kills a node's agents until its supervisor waits before it starts the next one, and stops what it waits for.</summary>
    private static async Task<string> StoppedNapAsync(string supervisor)
    {
        var nap = "";
        await Shell.UntilAsync(async () =>
        {
            foreach (var child in (await File.ReadAllTextAsync($"/proc/{supervisor}/task/{supervisor}/children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
                try
                {
                    var program = Path.GetFileName((await File.ReadAllTextAsync($"/proc/{child}/cmdline")).Split('\0')[0]);
                    if (program is "dotnet" or "sleep") await Shell.RunAsync("kill", [program == "sleep" ? "-STOP" : "-KILL", child]);
                    if (program == "sleep" && (await File.ReadAllTextAsync($"/proc/{child}/stat")).Contains("(sleep) T", StringComparison.Ordinal)) nap = child;
                }
                catch (IOException)
                {
                    // It has just ended.
                }
            return (0, nap);
        }, stopped => stopped.Length > 0, "the supervisor to wait");
        return nap;
    }

    [Fact]
    public async Task A_drained_node_is_left_by_everything_and_taken_again_when_it_may()
    {
        await ReadyAsync("node-1");
        await ApplyAsync("""
            apiVersion: policy/v1
            kind: PodDisruptionBudget
            metadata: {name: hello}
            spec: {maxUnavailable: 1, selector: {matchLabels: {app: hello}}}
            """);
        await ApplyAsync(Pod("alone", "trap \"exit 0\" TERM; while true; do sleep 0.1; done"));
        await UntilAsync("pod", "alone", "{.status.phase}", phase => phase == "Running", "a pod of nobody's");
        var (code, output) = await cluster.KubectlAsync("drain", "node-1", "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s");
        Assert.True(code == 0, output);
        Assert.Equal("", (await cluster.KubectlAsync("get", "pods", "--field-selector=spec.nodeName=node-1", "-o", "name")).Output);
        await WhereAsync("hello", nodes => nodes is ["node-0", "node-0", "node-0"], "three replicas on the other node");
        Assert.Equal(0, (await cluster.KubectlAsync("uncordon", "node-1")).Code);
        Assert.Equal(0, (await cluster.KubectlAsync("scale", "deployment/hello", "--replicas=6")).Code);
        await WhereAsync("hello", nodes => nodes.Contains("node-1"), "replicas on the node that may be used again");
        await cluster.KubectlAsync("scale", "deployment/hello", "--replicas=3");
    }
}
