using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>kubectl debug: a container that is added to a pod while it runs.</summary>
[Collection(nameof(NodeCluster))]
public sealed class DebugTests(NodeCluster cluster)
{
    private const string Served = "echo served > /tmp/index.html; exec httpd -f -p 127.0.0.1:8080 -h /tmp";

    private async Task<TestNamespace> ServingAsync()
    {
        var home = await cluster.NamespaceAsync();
        await home.PodAsync("p", Served, "ports: [{containerPort: 8080}]\npermissions: {files: [{path: /tmp, access: write}]}", "restartPolicy: Always");
        await home.UntilAsync("p", "{.status.phase}", phase => phase == "Running", "the pod to run");
        return home;
    }

    private Task<(int Code, string Output)> InTerminalAsync(TestNamespace home, string command, string typed) =>
        Shell.RunAsync("sh", ["-c", $"printf '{typed}' | timeout 60 script -qec \"kubectl -n {home.Name} {command}\" /dev/null"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") });

    [Fact]
    public async Task A_shell_in_a_debug_container_has_a_set_of_its_own_and_is_run_once()
    {
        var home = await ServingAsync();
        var (_, output) = await InTerminalAsync(home, "debug -it p --image=hello:1 --target=a -c d -- sh", "echo answer $((6*7))\\nwget -qO- http://127.0.0.1:8080/ || echo no way\\ncat /tmp/index.html\\nexit 3\\n");
        Assert.Contains("answer 42", output, StringComparison.Ordinal);
        Assert.Contains("\nno way", output, StringComparison.Ordinal);
        Assert.Contains("No such file or directory", output, StringComparison.Ordinal);
        Assert.Contains("not the processes of container a", output, StringComparison.Ordinal);
        await home.UntilAsync("p", "{.status.ephemeralContainerStatuses[0].state.terminated.exitCode}", code => code == "3", "the shell to have ended");
        await Shell.UntilAsync(() => home.KubectlAsync("describe", "pod", "p"), text => text.Contains("container d (wget /bin/busybox) tried to connect 127.0.0.1:8080; missing grant: connect tcp cidr 127.0.0.1/32 8080", StringComparison.Ordinal) && text.Contains("Ephemeral Containers:", StringComparison.Ordinal), "the event");
        Assert.Equal("0 true", (await home.KubectlAsync("get", "pod", "p", "-o", "jsonpath={.status.ephemeralContainerStatuses[0].restartCount} {.status.containerStatuses[0].ready}")).Output);
    }

    [Fact]
    public async Task With_permissions_it_reaches_the_pods_localhost_and_logs_exec_and_attach_find_it()
    {
        var home = await ServingAsync();
        var pod = JsonNode.Parse((await home.KubectlAsync("get", "pod", "p", "-o", "json")).Output)!;
        pod["spec"]!["ephemeralContainers"] = new JsonArray(JsonNode.Parse("""
            {"name":"e","image":"hello:1","stdin":true,"command":["sh","-c","until wget -qO- http://127.0.0.1:8080/ 2>/dev/null; do sleep 0.1; done; read line; echo heard $line; sleep 1000"],"permissions":{"connect":[{"cidr":"127.0.0.1/32","port":8080}]}}
            """));
        var file = Path.Combine(cluster.State, home.Name + ".json");
        await File.WriteAllTextAsync(file, pod.ToJsonString());
        var (code, output) = await home.KubectlAsync("replace", "--raw", $"/api/v1/namespaces/{home.Name}/pods/p/ephemeralcontainers", "-f", file);
        Assert.True(code == 0, output);
        await home.UntilAsync("p", "{.status.ephemeralContainerStatuses[0].state.running.startedAt}", started => started.Length > 0, "the container to run");
        await Shell.UntilAsync(() => home.KubectlAsync("logs", "p", "-c", "e"), log => log == "served\n", "what its pod serves");
        Assert.Equal("1", (await home.KubectlAsync("exec", "p", "-c", "e", "--", "cat", "/version")).Output.Trim());
        var heard = Path.Combine(cluster.State, home.Name + ".heard"); // an attachment goes on as long as its container: until it has said it
        var attached = await Shell.RunAsync("sh", ["-c", $"echo over there >{heard}.in; timeout 60 kubectl -n {home.Name} attach -i p -c e <{heard}.in >{heard} 2>&1 & for i in $(seq 550); do grep -qs heard {heard} && break; sleep 0.1; done; kill $!; cat {heard}"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(cluster.State, "kubeconfig") });
        Assert.Contains("heard over there", attached.Output, StringComparison.Ordinal);
        Assert.Contains("container e (equal to the compiled set)", (await cluster.EyrieAsync("caps", "p", "-n", home.Name)).Output, StringComparison.Ordinal);
        (code, output) = await home.KubectlAsync("delete", "pod", "p", "--timeout=30s");
        Assert.True(code == 0, output);
    }

    [Fact]
    public async Task A_debug_image_that_cannot_be_had_does_not_touch_the_pod()
    {
        var home = await ServingAsync();
        await home.KubectlAsync("debug", "p", "--image=nowhere:1", "-c", "d");
        await home.UntilAsync("p", "{.status.ephemeralContainerStatuses[0].state.waiting.reason}", reason => reason is "ErrImagePull" or "ImagePullBackOff", "the reason");
        Assert.Equal("Running 0 true", (await home.KubectlAsync("get", "pod", "p", "-o", "jsonpath={.status.phase} {.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}")).Output);
    }
}
