using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>What Prometheus finds when it scrapes the processes of a cluster.</summary>
public sealed class MetricsTests(HelloCluster cluster) : IClassFixture<HelloCluster>
{
    [Fact]
    public async Task A_node_tells_of_itself_its_kernel_its_servers_and_its_containers()
    {
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", "deploy/visitor"), log => log.Contains("hello from", StringComparison.Ordinal), "the visitor to have been answered");
        var seen = "";
        foreach (var node in new[] { "node-0", "node-1" })
        {
            var facts = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(cluster.State, "nodes", node, "node.json")))!;
            seen += (await Shell.RunAsync("curl", ["-sf", facts["metrics"]!.ToString()])).Output;
        }
        foreach (var process in new[] { "eyrie-kernel", "metteagle", "network" })
            Assert.True(Value(seen, $"eyrie_process_resident_memory_bytes{{process=\"{process}\"}}") > 0, process);
        foreach (var pod in (await cluster.KubectlAsync("get", "pods", "-o", "jsonpath={range .items[*]}{.metadata.name}/{.spec.containers[0].name} {end}")).Output.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var labels = $"{{namespace=\"default\",pod=\"{pod.Split('/')[0]}\",container=\"{pod.Split('/')[1]}\"}}";
            Assert.True(Value(seen, "container_memory_usage_bytes" + labels) > 0 && Value(seen, "container_memory_working_set_bytes" + labels) > 0 && Value(seen, "container_processes" + labels) >= 1 && Value(seen, "container_fs_writes_bytes_total" + labels) >= 0 && Value(seen, "container_fs_reads_bytes_total" + labels) >= 0, $"{pod}:\n{seen}");
        }
        Assert.Contains("process_cpu_seconds_total", seen, StringComparison.Ordinal);
        var visitor = (await cluster.KubectlAsync("get", "pods", "-l", "app=visitor", "-o", "jsonpath={.items[0].metadata.name}/{.items[0].spec.containers[0].name}")).Output.Split('/');
        Assert.True(Value(seen, $"eyrie_container_connections_total{{namespace=\"default\",pod=\"{visitor[0]}\",container=\"{visitor[1]}\",peer=\"tcp service default/hello 80\",outcome=\"made\"}}") >= 1, seen);
    }

    /// <summary>The uninvited of the sample is refused again and again.</summary>
    [Fact]
    public async Task Denials_are_a_metric_of_the_node_that_goes_on_counting()
    {
        double seen = -1;
        for (int i = 0; i < 2; i++)
        {
            double before = seen;
            await Shell.UntilAsync(async () =>
            {
                double sum = 0;
                foreach (var node in new[] { "node-0", "node-1" })
                {
                    var facts = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(cluster.State, "nodes", node, "node.json")))!;
                    sum += Math.Max(0, Value((await Shell.RunAsync("curl", ["-sf", facts["metrics"]!.ToString()])).Output, "eyrie_node_denials_total{operation=\"connect\"}"));
                }
                seen = sum;
                return (0, $"{sum}");
            }, _ => seen > Math.Max(0, before), "a denial to be counted");
        }
    }

    [Fact]
    public async Task Top_shows_what_a_node_and_its_pods_use()
    {
        var busy = Path.Combine(cluster.State, "busy.yaml");
        await File.WriteAllTextAsync(busy, "apiVersion: v1\nkind: Pod\nmetadata: {name: busy}\nspec: {terminationGracePeriodSeconds: 0, containers: [{name: a, image: \"hello:1\", command: [sh, -c, 'while :; do :; done'], resources: {limits: {cpu: 200m, memory: 32Mi}}}, {name: idle, image: \"hello:1\", command: [sleep, \"1000\"]}]}\n");
        Assert.Equal(0, (await cluster.KubectlAsync("apply", "-f", busy)).Code);
        await Shell.UntilAsync(() => cluster.KubectlAsync("top", "pod", "busy", "--no-headers"), text => Regex.IsMatch(text, @"^busy\s+\d+m\s+\d+Mi"), "the pod's use");
        await Shell.UntilAsync(() => cluster.KubectlAsync("top", "pod", "busy", "--containers", "--no-headers"), text => Regex.Match(text, @"^busy\s+a\s+(\d+)m", RegexOptions.Multiline) is { Success: true } match && int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) is >= 120 and <= 230
            && Regex.IsMatch(text, @"^busy\s+idle\s+[0-9]m\s+\d+Mi", RegexOptions.Multiline), "the busy container to use about its limit of 200m, and the idle one next to nothing"); // its first measure, over a short time, is its start
        var node = (await cluster.KubectlAsync("get", "pod", "busy", "-o", "jsonpath={.spec.nodeName}")).Output;
        await Shell.UntilAsync(() => cluster.KubectlAsync("top", "node", node, "--no-headers"), text => Regex.Match(text, @$"^{node}\s+(\d+)m\s+\d+%\s+(\d+)Mi\s+\d+%") is { Success: true } match && int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) >= 120 && int.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture) > 20, "the node to use at least that, and some memory");
        Assert.Equal(0, (await cluster.KubectlAsync("delete", "-f", busy)).Code);
    }

    [Fact]
    public async Task The_control_plane_tells_of_itself()
    {
        var url = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(cluster.State, "control-plane.json")))!["url"];
        var token = (await File.ReadAllTextAsync(Path.Combine(cluster.State, "pki/admin.token"))).Trim();
        var metrics = (await Shell.RunAsync("curl", ["-sf", "--cacert", Path.Combine(cluster.State, "pki/ca.crt"), "-H", $"Authorization: Bearer {token}", $"{url}/metrics"])).Output;
        Assert.Contains("http_request_duration_seconds", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_image_without_a_program_is_explained_where_people_look()
    {
        var manifest = Path.Combine(cluster.State, "nothing.yaml");
        await File.WriteAllTextAsync(manifest, "apiVersion: v1\nkind: Pod\nmetadata: {name: nothing}\nspec: {containers: [{name: a, image: \"hello:1\"}]}\n");
        Assert.Equal(0, (await cluster.EyrieAsync("apply", "-f", manifest)).Code);
        await Shell.UntilAsync(() => cluster.KubectlAsync("describe", "pod", "nothing"),
            text => text.Contains("CreateContainerConfigError", StringComparison.Ordinal) && text.Contains("give the container a `command`", StringComparison.Ordinal), "the reason");
        Assert.Equal(0, (await cluster.KubectlAsync("delete", "pod", "nothing")).Code);
    }

    [Fact]
    public async Task A_deployment_grows_by_the_cpu_that_its_containers_use()
    {
        var manifest = Path.Combine(cluster.State, "grows.yaml");
        await File.WriteAllTextAsync(manifest, """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: grows}
            spec:
              selector: {matchLabels: {app: grows}}
              template:
                metadata: {labels: {app: grows}}
                spec:
                  terminationGracePeriodSeconds: 0
                  containers:
                  - {name: a, image: "hello:1", command: [sh, -c, "while :; do :; done"], resources: {requests: {cpu: 20m}, limits: {cpu: 100m}}}
            """);
        Assert.Equal(0, (await cluster.KubectlAsync("apply", "-f", manifest)).Code);
        await Shell.UntilAsync(() => cluster.KubectlAsync("top", "pods", "-l", "app=grows", "--no-headers"), text => text.StartsWith("grows-", StringComparison.Ordinal) && !text.Contains(" 0m", StringComparison.Ordinal), "its CPU to be measured");
        Assert.Equal(0, (await cluster.KubectlAsync("autoscale", "deploy/grows", "--min=1", "--max=2", "--cpu-percent=50")).Code);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "deploy", "grows", "-o", "jsonpath={.spec.replicas} {.status.readyReplicas}"), text => text == "2 2", "two replicas");
        await Shell.UntilAsync(() => cluster.KubectlAsync("describe", "hpa", "grows"), text => text.Contains("New size: 2; reason: cpu resource utilization (percentage of request) above target", StringComparison.Ordinal), "the event");
        Assert.Equal(0, (await cluster.KubectlAsync("delete", "hpa/grows", "deploy/grows")).Code);
        await Shell.UntilAsync(() => cluster.KubectlAsync("get", "pods", "-o", "name"), pods => !pods.Contains("grows", StringComparison.Ordinal), "its pods to go"); // another test looks at every pod
    }

    private static double Value(string metrics, string series) =>
        metrics.Split('\n').FirstOrDefault(line => line.StartsWith(series + " ", StringComparison.Ordinal)) is { } line ? double.Parse(line[(series.Length + 1)..], CultureInfo.InvariantCulture) : -1;
}
