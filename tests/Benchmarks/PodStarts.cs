using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Benchmarks;

/// <summary>
/// From a pod that is assigned to a node until the API says that it runs: a real cluster of one node, the image is there already. A pod is created with its node, so creating it is
/// assigning it; its states are read from a watch. What the node costs with 200 pods that do nothing is read from /proc.
/// </summary>
public sealed class PodStarts : IBenchmark
{
    public string Name => "pods";
    public string Description => "from assigned to Running, one at a time and 64 at once; an agent with 200 pods";
    public int DefaultRounds => 100;

    private const int AtOnce = 64, Many = 200;
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(20), Longest = TimeSpan.FromMinutes(2);

    private sealed record Watched
    {
        public TaskCompletionSource<long> Running { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public TaskCompletionSource<long> Ready { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public TaskCompletionSource Gone { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private readonly ConcurrentDictionary<string, Watched> _watched = new();

    public async Task RunAsync(int rounds)
    {
        await using var cluster = await RealCluster.StartAsync(1);
        using var over = new CancellationTokenSource();
        var watching = cluster.WatchPodsAsync(Changed, over.Token);
        await MeasureAsync(cluster, rounds);
        await over.CancelAsync();
        await watching;
    }

    private void Changed(string type, JsonNode pod)
    {
        long now = Stopwatch.GetTimestamp();
        if (!_watched.TryGetValue(pod["metadata"]!["name"]!.ToString(), out var watched)) return;
        if (type == "DELETED") watched.Gone.TrySetResult();
        if (pod["status"]?["phase"]?.ToString() == "Running") watched.Running.TrySetResult(now);
        if (RealCluster.IsReady(pod)) watched.Ready.TrySetResult(now);
    }

    private async Task MeasureAsync(RealCluster cluster, int rounds)
    {
        var client = cluster.Client;
        for (int warm = 0; warm < 5; warm++) await RemoveAsync(client, [await StartAsync(client, $"warm-{warm}")]);
        Samples single = new("assigned to Running, one at a time"), ready = new("assigned to Ready, with an HTTP readiness probe, one at a time"), together = new($"assigned to Running, {AtOnce} at once"), last = new($"{AtOnce} at once, until the last runs");
        for (int round = 0; round < rounds; round++)
        {
            var pod = await StartAsync(client, $"one-{round}");
            single.Add(pod.Taken);
            await RemoveAsync(client, [pod]);
        }
        for (int round = 0; round < rounds; round++)
        {
            var pod = await StartAsync(client, $"ready-{round}", true);
            ready.Add(pod.Taken);
            await RemoveAsync(client, [pod]);
        }
        for (int turn = 0; turn < 4; turn++)
        {
            long begun = Stopwatch.GetTimestamp();
            var pods = await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(i => StartAsync(client, $"many-{turn}-{i}")));
            last.Add(Stopwatch.GetElapsedTime(begun));
            foreach (var pod in pods) together.Add(pod.Taken);
            await RemoveAsync(client, pods);
        }
        Console.WriteLine(Samples.Header);
        foreach (var samples in new[] { single, ready, together, last }) Console.WriteLine(samples.Row());

        long start = Stopwatch.GetTimestamp();
        var all = await Task.WhenAll(Enumerable.Range(0, Many).Select(i => StartAsync(client, $"idle-{i}")));
        double each = Many / Stopwatch.GetElapsedTime(start).TotalSeconds;
        var (agent, kernel) = (cluster.Agent(0), cluster.Kernel(0));
        await Task.Delay(Idle / 2); // what the start left to do
        var (before, kernelBefore) = (ProcessUse.Cpu(agent), ProcessUse.Cpu(kernel));
        await Task.Delay(Idle);
        string Share(TimeSpan used) => string.Create(CultureInfo.InvariantCulture, $"{100 * (used / Idle):0.00} %");
        Console.WriteLine();
        Console.WriteLine($"| {Many} pods on one node | |\n|---|---|");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| pods started a second | {each:0} |"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| memory of the agent (resident; of it anonymous) | {ProcessUse.Kibibytes(agent, "VmRSS:") / 1024.0:0} MiB; {ProcessUse.Kibibytes(agent, "RssAnon:") / 1024.0:0} MiB |"));
        Console.WriteLine($"| CPU of the agent, pods idle | {Share(ProcessUse.Cpu(agent) - before)} |");
        Console.WriteLine($"| CPU of the kernel, pods idle | {Share(ProcessUse.Cpu(kernel) - kernelBefore)} |");
        await RemoveAsync(client, all);
    }

    private sealed record Started(string Name, TimeSpan Taken);

    private async Task<Started> StartAsync(HttpClient client, string name, bool ready = false)
    {
        var watched = new Watched();
        _watched[name] = watched;
        var container = new JsonObject { ["name"] = "a", ["image"] = "hello:1", ["command"] = new JsonArray("sleep", "100000"), ["resources"] = new JsonObject { ["limits"] = new JsonObject { ["memory"] = "16Mi", ["cpu"] = "100m" } } };
        if (ready)
        {
            (container["command"], container["ports"]) = (new JsonArray("httpd", "-f", "-p", "8080", "-h", "/"), new JsonArray(new JsonObject { ["containerPort"] = 8080 }));
            container["readinessProbe"] = new JsonObject { ["httpGet"] = new JsonObject { ["path"] = "/version", ["port"] = 8080 }, ["periodSeconds"] = 1 };
            container["permissions"] = new JsonObject { ["processes"] = new JsonObject { ["max"] = 16 } };
        }
        var pod = new JsonObject
        {
            ["apiVersion"] = "v1", ["kind"] = "Pod", ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject { ["nodeName"] = "node-0", ["terminationGracePeriodSeconds"] = 0, ["containers"] = new JsonArray(container) },
        };
        long start = Stopwatch.GetTimestamp();
        using var response = await client.PostAsync("/api/v1/namespaces/default/pods", new StringContent(pod.ToJsonString(), Encoding.UTF8, "application/json"));
        if (!response.IsSuccessStatusCode) throw new InvalidOperationException($"pod {name}: {await response.Content.ReadAsStringAsync()}");
        return new Started(name, Stopwatch.GetElapsedTime(start, await (ready ? watched.Ready : watched.Running).Task.WaitAsync(Longest)));
    }

    private async Task RemoveAsync(HttpClient client, IReadOnlyList<Started> pods)
    {
        await Parallel.ForEachAsync(pods, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (pod, _) => (await client.DeleteAsync($"/api/v1/namespaces/default/pods/{pod.Name}?gracePeriodSeconds=0", CancellationToken.None)).Dispose());
        foreach (var pod in pods) await _watched[pod.Name].Gone.Task.WaitAsync(Longest);
    }
}
