using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>A cluster, and a real Prometheus (Debian's) on loopback that scrapes the pods with the annotation <c>scrape</c>. (Debian builds it without discovery by the Kubernetes API: the targets are kept in a file.)</summary>
public sealed class PrometheusCluster : IAsyncLifetime
{
    private readonly string _directory = Directory.CreateTempSubdirectory("eyrie-prometheus-").FullName;
    private readonly CancellationTokenSource _ended = new();
    private Process? _process;
    private Task _following = Task.CompletedTask;

    public HelloCluster Cluster { get; } = new();

    public string Url { get; private set; } = "";

    public async Task InitializeAsync()
    {
        var configuration = Path.Combine(_directory, "prometheus.yml");
        await File.WriteAllTextAsync(configuration, $$"""
            global: {scrape_interval: 1s}
            scrape_configs:
            - job_name: pods
              file_sd_configs: [{files: [{{_directory}}/targets.json], refresh_interval: 1s}]
            """);
        // It takes a port by itself: one that was found free before may be another's by then.
        var start = new ProcessStartInfo("prometheus", [$"--config.file={configuration}", $"--storage.tsdb.path={_directory}/data", "--web.listen-address=127.0.0.1:0"]) { RedirectStandardError = true, RedirectStandardOutput = true };
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, _) => { };
        _process.OutputDataReceived += (_, _) => { };
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
        var own = new Regex($@"(127\.0\.0\.1:\d+) .*pid={_process.Id},");
        Url = "http://" + own.Match(await Shell.UntilAsync(() => Shell.RunAsync("ss", ["-Hltnp"]), text => own.IsMatch(text), "Prometheus to listen")).Groups[1].Value;
        var (code, output) = await Cluster.EyrieAsync("up", "manifests/samples/hello.yaml", "--prometheus", Url);
        Assert.True(code == 0, output);
        await TargetsAsync();
        _following = FollowAsync(_ended.Token);
        await Shell.UntilAsync(() => Shell.RunAsync("curl", ["-s", Url + "/-/ready"]), text => text.Contains("Ready", StringComparison.Ordinal), "Prometheus to be ready");
    }

    /// <summary>Waits until it has scraped a value: autoscalers look every 15 s.</summary>
    public Task ScrapedAsync(string metric, int value) => Shell.UntilAsync(() => Shell.RunAsync("curl", ["-s", $"{Url}/api/v1/query?query={metric}"]), text => text.Contains($",\"{value}\"]", StringComparison.Ordinal), $"{metric} {value} to be scraped");

    private async Task FollowAsync(CancellationToken end)
    {
        using var beat = new PeriodicTimer(TimeSpan.FromMilliseconds(500));
        while (!end.IsCancellationRequested)
        {
            await TargetsAsync();
            await beat.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    private async Task TargetsAsync()
    {
        var pods = JsonNode.Parse((await Cluster.KubectlAsync("get", "pods", "-o", "json")).Output)!["items"]!.AsArray().Where(pod => pod!["metadata"]!["annotations"]?["scrape"] is not null && pod["metadata"]!["deletionTimestamp"] is null && pod["status"]?["podIP"] is not null);
        var targets = new JsonArray([.. pods.Select(pod => new JsonObject
        {
            ["targets"] = new JsonArray($"{pod!["status"]!["podIP"]}:8080"), ["labels"] = new JsonObject { ["namespace"] = pod["metadata"]!["namespace"]!.DeepClone(), ["pod"] = pod["metadata"]!["name"]!.DeepClone() },
        })]);
        await File.WriteAllTextAsync(Path.Combine(_directory, "targets.new"), targets.ToJsonString());
        File.Move(Path.Combine(_directory, "targets.new"), Path.Combine(_directory, "targets.json"), true);
    }

    public async Task DisposeAsync()
    {
        await _ended.CancelAsync();
        await _following;
        _ended.Dispose();
        if (_process is { HasExited: false })
        {
            _process.Kill();
            await _process.WaitForExitAsync();
        }
        _process?.Dispose();
        await Cluster.DisposeAsync();
        Directory.Delete(_directory, true);
    }
}

/// <summary>Decisions by what a real Prometheus scraped from real pods.</summary>
[Takes(40)]
public sealed class PrometheusTests(PrometheusCluster prometheus) : IClassFixture<PrometheusCluster>
{
    private HelloCluster Cluster => prometheus.Cluster;

    /// <summary>A Deployment whose pods tell one metric.</summary>
    private async Task ApplyAsync(string name, int replicas, string metric, string guard = "")
    {
        var image = (await Cluster.KubectlAsync("get", "deploy", "hello", "-o", "jsonpath={.spec.template.spec.containers[0].image}")).Output;
        var file = Path.Combine(Cluster.State, Guid.NewGuid().ToString("N") + ".yaml");
        var manifest = """
            apiVersion: apps/v1
            kind: Deployment
            metadata: {name: NAME}
            spec:
              replicas: REPLICAS
              selector: {matchLabels: {app: NAME}}
            GUARD
              template:
                metadata: {labels: {app: NAME}, annotations: {scrape: "yes"}}
                spec:
                  terminationGracePeriodSeconds: 1
                  containers:
                  - name: web
                    image: IMAGE
                    command: [sh, -c, "echo 'METRIC' >/www/metrics; exec httpd -f -p 8080 -h /www"]
                    ports: [{containerPort: 8080}]
                    readinessProbe: {httpGet: {path: /metrics, port: 8080}, periodSeconds: 1}
                    permissions: {files: [{path: /www, access: write}], processes: {max: 16}}
            """;
        foreach (var (word, value) in new[] { ("NAME", name), ("REPLICAS", $"{replicas}"), ("IMAGE", image), ("METRIC", metric), ("GUARD", guard) }) manifest = manifest.Replace(word, value, StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, manifest);
        var (code, output) = await Cluster.KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
    }

    private async Task ScaleByAsync(string name, int most, string metric)
    {
        var file = Path.Combine(Cluster.State, Guid.NewGuid().ToString("N") + ".yaml");
        await File.WriteAllTextAsync(file, $$"""
            apiVersion: autoscaling/v2
            kind: HorizontalPodAutoscaler
            metadata: {name: {{name}}}
            spec:
              scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{name}}}
              minReplicas: 1
              maxReplicas: {{most}}
              metrics: [{{metric}}]
            """);
        var (code, output) = await Cluster.KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
    }

    private Task FieldAsync(string kind, string name, string path, string wanted) => Shell.UntilAsync(() => Cluster.KubectlAsync("get", kind, name, "-o", $"jsonpath={path}"), text => text == wanted, $"{path} of {kind} {name} to be \"{wanted}\"");

    [Fact]
    public async Task A_deployment_grows_by_a_metric_of_its_own_pods_and_follows_one_that_is_told_elsewhere()
    {
        await ApplyAsync("queue", 1, "queue_length 30");
        await ApplyAsync("worker", 1, "busy 1");
        await ApplyAsync("front", 1, "in_flight 25");
        await prometheus.ScrapedAsync("queue_length", 30);
        await prometheus.ScrapedAsync("in_flight", 25);
        await ScaleByAsync("worker", 6, "{type: External, external: {metric: {name: queue_length, selector: {matchLabels: {namespace: default}}}, target: {type: AverageValue, averageValue: 10}}}");
        await ScaleByAsync("front", 2, "{type: Pods, pods: {metric: {name: in_flight}, target: {type: AverageValue, averageValue: 10}}}");
        await FieldAsync("deploy", "worker", "{.spec.replicas} {.status.readyReplicas}", "3 3");
        await FieldAsync("deploy", "front", "{.spec.replicas} {.status.readyReplicas}", "2 2");
        await FieldAsync("hpa", "front", "{.status.currentMetrics[0].pods.current.averageValue} {.status.desiredReplicas}", "25 2");
        var (code, output) = await Cluster.KubectlAsync("exec", "deploy/queue", "--", "sh", "-c", "echo queue_length 50 >/www/metrics");
        Assert.True(code == 0, output);
        await prometheus.ScrapedAsync("queue_length", 50);
        await FieldAsync("deploy", "worker", "{.spec.replicas}", "5");
        await FieldAsync("hpa", "worker", "{.status.currentMetrics[0].external.current.averageValue}{.status.currentMetrics[0].external.current.value}", "50");
    }

    [Fact]
    public async Task A_new_version_whose_query_crosses_the_limit_is_undone_and_one_within_it_passes()
    {
        const string Guard = "  guard: {steps: [{weight: 25, pause: 3}], bakeSeconds: 2, limits: {queries: [{name: errors, query: 'max(errors)', max: 10}]}}";
        await ApplyAsync("shop", 4, "errors 1", Guard);
        await FieldAsync("deploy", "shop", "{.status.guard.phase} {.status.availableReplicas}", "Passed 4");
        await ApplyAsync("shop", 4, "errors 2", Guard);
        // Of the new version: the first has passed as well, and the status says so until the change is seen.
        await Shell.UntilAsync(() => Cluster.KubectlAsync("get", "deploy", "shop", "-o", "jsonpath={.status.guard.phase} {.status.updatedReplicas} {.metadata.generation} {.status.observedGeneration}"),
            text => text.Split(' ') is ["Passed", "4", var wanted, var seen] && wanted == seen, "the second version to pass");
        await ApplyAsync("shop", 4, "errors 40", Guard.Replace("pause: 3", "pause: 120", StringComparison.Ordinal)); // until it has been scraped
        await FieldAsync("deploy", "shop", "{.status.guard.phase}", "Undone");
        await FieldAsync("deploy", "shop", "{.status.updatedReplicas} {.status.availableReplicas} {.status.replicas}", "4 4 4");
        Assert.Contains("errors 2", (await Cluster.KubectlAsync("get", "deploy", "shop", "-o", "yaml")).Output, StringComparison.Ordinal);
        var (_, output) = await Cluster.KubectlAsync("get", "deploy", "shop", "-o", "jsonpath={.status.conditions[?(@.type=='RolloutGuard')].message}");
        Assert.Contains("errors is 40, 10 at most", output, StringComparison.Ordinal);
    }
}
