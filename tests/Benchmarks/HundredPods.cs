using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.Benchmarks;

/// <summary>
/// From the apply of a Deployment of a hundred pods on four nodes of one machine until the API says that all of them are Ready, the image being there: scheduler, controllers, nodes and kernels together. With and
/// without a readiness probe; and where the CPU time goes.
/// </summary>
public sealed class HundredPods : IBenchmark
{
    public string Name => "hundred";
    public string Description => "from apply of a Deployment of 100 pods on four nodes to all Ready";
    public int DefaultRounds => 10;

    private const int Nodes = 4, Pods = 100;
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(2);

    private readonly ConcurrentDictionary<string, bool> _pods = new(); // name: Ready
    private volatile TaskCompletionSource<long> _reached = new();
    private int _wanted;

    public async Task RunAsync(int rounds)
    {
        await using var cluster = await RealCluster.StartAsync(Nodes);
        using var over = new CancellationTokenSource();
        var watching = cluster.WatchPodsAsync(Changed, over.Token);
        Samples plain = new($"{Pods} pods Ready, no probe"), probed = new($"{Pods} pods Ready, with an HTTP readiness probe");
        await OnceAsync(cluster, "warm", true);
        var (before, begun) = (Used(cluster), Stopwatch.GetTimestamp());
        var used = new Dictionary<string, TimeSpan>();
        for (int round = 0; round < rounds; round++)
            foreach (var (samples, probe) in new[] { (plain, false), (probed, true) })
            {
                before = Used(cluster);
                samples.Add(await OnceAsync(cluster, $"h{round}{(probe ? "p" : "")}", probe, () =>
                {
                    foreach (var (what, time) in Used(cluster)) used[what] = used.GetValueOrDefault(what) + time - before[what];
                }));
            }
        await over.CancelAsync();
        await watching;
        Console.WriteLine(Samples.Header);
        Console.WriteLine(plain.Row());
        Console.WriteLine(probed.Row());
        Console.WriteLine($"\n| CPU time for each pod, from apply to all Ready | |\n|---|---|");
        foreach (var (what, time) in used) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {time.TotalMilliseconds / (2 * rounds * Pods):0.00} ms |"));
    }

    private static Dictionary<string, TimeSpan> Used(RealCluster cluster) => cluster.Processes().GroupBy(process => process.What).ToDictionary(group => group.Key, group => group.Aggregate(TimeSpan.Zero, (sum, process) => sum + ProcessUse.Cpu(process.Process)));

    private async Task<TimeSpan> OnceAsync(RealCluster cluster, string name, bool probe, Action? ready = null)
    {
        Expect(Pods);
        long begun = Stopwatch.GetTimestamp();
        await cluster.PostAsync("/apis/apps/v1/namespaces/default/deployments", Deployment(name, probe));
        long end = await _reached.Task.WaitAsync(Longest);
        ready?.Invoke();
        Expect(0);
        (await cluster.Client.DeleteAsync($"/apis/apps/v1/namespaces/default/deployments/{name}?propagationPolicy=Background")).Dispose();
        await _reached.Task.WaitAsync(Longest);
        return Stopwatch.GetElapsedTime(begun, end);
    }

    /// <summary>So many pods are to be there, all of them Ready.</summary>
    private void Expect(int pods)
    {
        lock (_pods)
        {
            (_wanted, _reached) = (pods, new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously));
            Look();
        }
    }

    private void Changed(string type, JsonNode pod)
    {
        var name = pod["metadata"]!["name"]!.ToString();
        lock (_pods)
        {
            if (type == "DELETED") _pods.TryRemove(name, out _);
            else _pods[name] = RealCluster.IsReady(pod);
            Look();
        }
    }

    private void Look()
    {
        if (_pods.Count == _wanted && _pods.Values.All(ready => ready)) _reached.TrySetResult(Stopwatch.GetTimestamp());
    }

    private static JsonObject Deployment(string name, bool probe)
    {
        var container = new JsonObject
        {
            ["name"] = "a", ["image"] = "hello:1", ["command"] = probe ? new JsonArray("httpd", "-f", "-p", "8080", "-h", "/") : new JsonArray("sleep", "100000"),
            ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["cpu"] = "1m" }, ["limits"] = new JsonObject { ["memory"] = "16Mi" } },
        };
        if (probe)
        {
            container["ports"] = new JsonArray(new JsonObject { ["containerPort"] = 8080 });
            container["readinessProbe"] = new JsonObject { ["httpGet"] = new JsonObject { ["path"] = "/version", ["port"] = 8080 }, ["periodSeconds"] = 1 };
            container["permissions"] = new JsonObject { ["processes"] = new JsonObject { ["max"] = 16 } };
        }
        var labels = new JsonObject { ["app"] = name };
        return new JsonObject
        {
            ["apiVersion"] = "apps/v1", ["kind"] = "Deployment", ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject
            {
                ["replicas"] = Pods, ["selector"] = new JsonObject { ["matchLabels"] = labels },
                ["template"] = new JsonObject { ["metadata"] = new JsonObject { ["labels"] = labels.DeepClone() }, ["spec"] = new JsonObject { ["terminationGracePeriodSeconds"] = 0, ["containers"] = new JsonArray(container) } },
            },
        };
    }
}
