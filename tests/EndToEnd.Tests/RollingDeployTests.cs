using System.Globalization;
using System.Text.RegularExpressions;
using Eyrie.Programs;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>Ten replicas of nginx, which keeps a connection for two seconds and says with the last answer that it closes it: sooner than the grace period of its pod ends.</summary>
public abstract class RollingDeploy(HelloCluster cluster)
{
    private const string Manifest = """
        apiVersion: v1
        kind: Service
        metadata: {name: NAME}
        spec: {type: NodePort, selector: {app: NAME}, ports: [{port: 80, targetPort: 8080}]}
        ---
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: NAME-VALUE}
        data:
          nginx.conf: |
            daemon off;
            worker_processes 1;
            pid /tmp/nginx.pid;
            error_log stderr warn;
            events { worker_connections 1024; }
            http {
                access_log off;
                keepalive_time 2s;
                client_body_temp_path /tmp/body;
                proxy_temp_path /tmp/proxy;
                fastcgi_temp_path /tmp/fastcgi;
                uwsgi_temp_path /tmp/uwsgi;
                scgi_temp_path /tmp/scgi;
                server {
                    listen 8080;
                    location / { return 200 "version VALUE\n"; }
                    location /never { return 503; }
                }
            }
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: NAME}
        spec:
          replicas: 10
          progressDeadlineSeconds: DEADLINE
          selector: {matchLabels: {app: NAME}}
          template:
            metadata: {labels: {app: NAME}}
            spec:
              terminationGracePeriodSeconds: 10
              securityContext: {runAsUser: 33, runAsGroup: 33, fsGroup: 33}
              tolerations: [{operator: Exists, effect: NoExecute, tolerationSeconds: 1}]
              containers:
              - name: web
                image: nginx:1
                command: [/usr/sbin/nginx, -e, stderr, -c, /conf/nginx.conf]
                ports: [{containerPort: 8080}]
                readinessProbe: {httpGet: {path: PATH, port: 8080}, periodSeconds: 1}
                volumeMounts: [{name: tmp, mountPath: /tmp}, {name: conf, mountPath: /conf}]
                permissions: {processes: {max: 8}}
              volumes: [{name: tmp, emptyDir: {}}, {name: conf, configMap: {name: NAME-VALUE}}]
        """;

    protected async Task<string> ApplyAsync(string name, string version, string path = "/", string deadline = "60")
    {
        var (code, output) = await cluster.EyrieAsync("image", "import", "nginx:1", await PackedPrograms.FolderAsync(Shell.Root, "nginx"));
        Assert.True(code == 0, output);
        var file = Path.Combine(cluster.State, Guid.NewGuid().ToString("N") + ".yaml");
        var manifest = Manifest;
        foreach (var (word, value) in new[] { ("NAME", name), ("VALUE", version), ("PATH", path), ("DEADLINE", deadline) }) manifest = manifest.Replace(word, value, StringComparison.Ordinal);
        await File.WriteAllTextAsync(file, manifest);
        (code, output) = await cluster.KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
        return "http://" + (await cluster.KubectlAsync("get", "svc", name, "-o", "jsonpath={.spec.clusterIP}")).Output + "/";
    }

    protected async Task RolledOutAsync(string name)
    {
        var (code, output) = await cluster.KubectlAsync("rollout", "status", $"deploy/{name}", "--timeout=120s");
        Assert.True(code == 0, output);
    }

    protected static async Task SaysAsync(string address, string version) => await Shell.UntilAsync(() => Shell.RunAsync("curl", ["-s", address]), text => text.Contains($"version {version}", StringComparison.Ordinal), $"version {version}");

    protected HelloCluster Cluster => cluster;
}

/// <summary>Under the load of wrk, on connections that stay and on new ones, they are rolled over.</summary>
[Takes(35)]
public sealed class RollingDeployTests(HelloCluster cluster) : RollingDeploy(cluster), IClassFixture<HelloCluster>
{
    [Fact]
    public async Task No_request_fails_while_ten_replicas_are_replaced_twice()
    {
        var address = await ApplyAsync("busy", "1");
        await RolledOutAsync("busy");
        Assert.Contains("Re-using existing connection", (await Shell.RunAsync("curl", ["-sv", address, address])).Output, StringComparison.Ordinal); // connections really stay
        await using var load = new Wrk(address);
        await ApplyAsync("busy", "2");
        await RolledOutAsync("busy");
        await SaysAsync(address, "2");
        Assert.Equal(0, (await Cluster.KubectlAsync("rollout", "undo", "deploy/busy")).Code);
        await RolledOutAsync("busy");
        await SaysAsync(address, "1");
        foreach (var report in await load.EndAsync()) report.Fine();
    }

    [Fact]
    public async Task A_version_that_never_becomes_ready_stops_says_why_and_is_undone_without_a_failed_request()
    {
        var address = await ApplyAsync("stuck", "1"); // in whatever time it takes: the short deadline is the next version's
        await RolledOutAsync("stuck");
        await using var load = new Wrk(address);
        await ApplyAsync("stuck", "2", "/never", "5");
        await Shell.UntilAsync(() => Cluster.KubectlAsync("get", "deploy", "stuck", "-o", "jsonpath={.status.conditions[?(@.type=='Progressing')].reason}"), text => text == "ProgressDeadlineExceeded", "the deadline to be exceeded");
        var (code, output) = await Cluster.KubectlAsync("rollout", "status", "deploy/stuck", "--timeout=30s");
        Assert.True(code == 1 && output.Contains("exceeded its progress deadline", StringComparison.Ordinal), output);
        Assert.InRange(int.Parse((await Cluster.KubectlAsync("get", "deploy", "stuck", "-o", "jsonpath={.status.availableReplicas}")).Output, CultureInfo.InvariantCulture), 8, 10); // maxUnavailable is 25 %, rounded down
        Assert.Contains("Unhealthy", (await Cluster.KubectlAsync("get", "events")).Output, StringComparison.Ordinal);
        Assert.Equal(0, (await Cluster.KubectlAsync("rollout", "undo", "deploy/stuck")).Code);
        await RolledOutAsync("stuck");
        await SaysAsync(address, "1");
        foreach (var report in await load.EndAsync()) report.Fine();
    }
}

/// <summary>A cluster of its own: one of its two nodes dies in the middle of a rolling deploy. Clients enter by the other: their machine lives on.</summary>
public sealed partial class LostNodeDeployTests(HelloCluster cluster) : RollingDeploy(cluster), IClassFixture<HelloCluster>
{
    [Fact]
    public async Task No_request_fails_while_ten_replicas_are_replaced_and_a_node_is_killed_in_the_middle()
    {
        await ApplyAsync("shaky", "1");
        await RolledOutAsync("shaky");
        var port = (await Cluster.KubectlAsync("get", "svc", "shaky", "-o", "jsonpath={.spec.ports[0].nodePort}")).Output;
        var address = $"http://127.0.0.1:{port}/";
        await SaysAsync(address, "1");
        var entrance = await EntranceAsync(port);
        var lost = Assert.Single(Directory.GetDirectories(Path.Combine(Cluster.State, "nodes")).Select(Path.GetFileName), node => node != entrance)!;
        await using var load = new Wrk(address);
        await ApplyAsync("shaky", "2");
        await Shell.UntilAsync(() => Cluster.KubectlAsync("get", "deploy", "shaky", "-o", "jsonpath={.status.updatedReplicas}"), text => text.Length > 0 && text != "0", "the rollout to begin");
        await LoseAsync(lost);
        await RolledOutAsync("shaky");
        await SaysAsync(address, "2");
        Assert.DoesNotContain(lost, (await Cluster.KubectlAsync("get", "pods", "-l", "app=shaky", "--field-selector", "status.phase=Running", "-o", "jsonpath={range .items[?(@.metadata.deletionTimestamp=='')]}{.spec.nodeName} {end}")).Output, StringComparison.Ordinal);
        foreach (var report in await load.EndAsync()) report.Fine();
    }

    /// <summary>The node whose agent listens at the node port.</summary>
    private static async Task<string> EntranceAsync(string port)
    {
        var (_, listeners) = await Shell.RunAsync("ss", ["-Hltnp", $"sport = :{port}"]);
        var agent = Assert.Single(Listeners().Matches(listeners)).Groups[1].Value;
        return Node().Match(await File.ReadAllTextAsync($"/proc/{agent}/cmdline")).Groups[1].Value;
    }

    [GeneratedRegex("pid=([0-9]+)")]
    private static partial Regex Listeners();

    [GeneratedRegex("/nodes/(node-[0-9]+)")]
    private static partial Regex Node();

    /// <summary>Its supervisor, its agent, its kernel and every container in one stroke, as when a machine loses its power.</summary>
    private async Task LoseAsync(string node)
    {
        var (code, output) = await Shell.RunAsync("pgrep", ["-f", $"eyrie-node.dll.*{Cluster.State}/nodes/{node}"]);
        Assert.True(code == 0, output);
        var lost = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => int.Parse(line, CultureInfo.InvariantCulture)).ToHashSet();
        var parents = Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, CultureInfo.InvariantCulture, out _)).Select(name => (Id: int.Parse(name!, CultureInfo.InvariantCulture), Parent: Parent(name!))).ToList();
        for (int before = 0; before < lost.Count;)
        {
            before = lost.Count;
            foreach (var (id, parent) in parents)
                if (lost.Contains(parent)) lost.Add(id);
        }
        Assert.True(lost.Count > 5, string.Join(' ', lost)); // containers among them
        await Shell.RunAsync("kill", ["-9", .. lost.Select(id => id.ToString(CultureInfo.InvariantCulture))]);
    }

    private static int Parent(string process)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{process}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0; // it has ended
        }
    }
}
