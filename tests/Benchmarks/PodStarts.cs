using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
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

    private readonly ConcurrentDictionary<string, (TaskCompletionSource<long> Running, TaskCompletionSource Gone)> _watched = new();

    public async Task RunAsync(int rounds)
    {
        await Commands.RunAsync("./eyrie", ["--help"]); // builds
        var state = Path.Combine(Path.GetTempPath(), $"eyrie-bench-{Environment.ProcessId}");
        try
        {
            await Commands.RunAsync("./eyrie", ["up", "manifests/samples/hello.yaml", "--nodes", "1", "--state-dir", state]);
            await Commands.RunAsync("kubectl", ["delete", "--wait", "--grace-period=0", "--force", "-f", "manifests/samples/hello.yaml"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(state, "kubeconfig") });
            using var client = Client(state);
            using var over = new CancellationTokenSource();
            var watching = WatchAsync(client, over.Token);
            await MeasureAsync(client, state, rounds);
            await over.CancelAsync();
            await watching;
        }
        finally
        {
            await Commands.RunAsync("./eyrie", ["down", "--purge", "--state-dir", state]);
        }
    }

    private async Task MeasureAsync(HttpClient client, string state, int rounds)
    {
        for (int warm = 0; warm < 5; warm++) await RemoveAsync(client, [await StartAsync(client, $"warm-{warm}")]);
        Samples single = new("assigned to Running, one at a time"), together = new($"assigned to Running, {AtOnce} at once"), last = new($"{AtOnce} at once, until the last runs");
        for (int round = 0; round < rounds; round++)
        {
            var pod = await StartAsync(client, $"one-{round}");
            single.Add(pod.Taken);
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
        foreach (var samples in new[] { single, together, last }) Console.WriteLine(samples.Row());

        long start = Stopwatch.GetTimestamp();
        var all = await Task.WhenAll(Enumerable.Range(0, Many).Select(i => StartAsync(client, $"idle-{i}")));
        double each = Many / Stopwatch.GetElapsedTime(start).TotalSeconds;
        var agent = int.Parse((await File.ReadAllTextAsync(Path.Combine(state, "nodes/node-0/agent.pid"))).Split(' ')[0], CultureInfo.InvariantCulture);
        var kernel = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(state, "nodes/node-0/node.json")))!["kernelPid"]!.GetValue<int>();
        await Task.Delay(Idle / 2); // what the start left to do
        var (before, kernelBefore) = (Cpu(agent), Cpu(kernel));
        await Task.Delay(Idle);
        string Share(double ticks) => string.Create(CultureInfo.InvariantCulture, $"{ticks / Idle.TotalSeconds:0.00} %"); // a tick is 10 ms: so many a second are per cent of a core
        Console.WriteLine();
        Console.WriteLine($"| {Many} pods on one node | |\n|---|---|");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| pods started a second | {each:0} |"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| memory of the agent (resident; of it anonymous) | {Resident(agent, "VmRSS:") / 1024.0:0} MiB; {Resident(agent, "RssAnon:") / 1024.0:0} MiB |"));
        Console.WriteLine($"| CPU of the agent, pods idle | {Share(Cpu(agent) - before)} |");
        Console.WriteLine($"| CPU of the kernel, pods idle | {Share(Cpu(kernel) - kernelBefore)} |");
        await RemoveAsync(client, all);
    }

    private sealed record Started(string Name, TimeSpan Taken);

    private async Task<Started> StartAsync(HttpClient client, string name)
    {
        var watched = (Running: new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously), Gone: new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        _watched[name] = watched;
        var pod = new JsonObject
        {
            ["apiVersion"] = "v1", ["kind"] = "Pod", ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = new JsonObject
            {
                ["nodeName"] = "node-0", ["terminationGracePeriodSeconds"] = 0,
                ["containers"] = new JsonArray(new JsonObject { ["name"] = "a", ["image"] = "hello:1", ["command"] = new JsonArray("sleep", "100000"), ["resources"] = new JsonObject { ["limits"] = new JsonObject { ["memory"] = "16Mi", ["cpu"] = "100m" } } }),
            },
        };
        long start = Stopwatch.GetTimestamp();
        using var response = await client.PostAsync("/api/v1/namespaces/default/pods", new StringContent(pod.ToJsonString(), Encoding.UTF8, "application/json"));
        if (!response.IsSuccessStatusCode) throw new InvalidOperationException($"pod {name}: {await response.Content.ReadAsStringAsync()}");
        return new Started(name, Stopwatch.GetElapsedTime(start, await watched.Running.Task.WaitAsync(Longest)));
    }

    private async Task RemoveAsync(HttpClient client, IReadOnlyList<Started> pods)
    {
        await Parallel.ForEachAsync(pods, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (pod, _) => (await client.DeleteAsync($"/api/v1/namespaces/default/pods/{pod.Name}?gracePeriodSeconds=0", CancellationToken.None)).Dispose());
        foreach (var pod in pods) await _watched[pod.Name].Gone.Task.WaitAsync(Longest);
    }

    private async Task WatchAsync(HttpClient client, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await client.GetAsync("/api/v1/namespaces/default/pods?watch=1", HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
            while (await reader.ReadLineAsync(cancellationToken) is { } line)
            {
                long now = Stopwatch.GetTimestamp();
                var change = JsonNode.Parse(line)!;
                if (!_watched.TryGetValue(change["object"]!["metadata"]!["name"]!.ToString(), out var watched)) continue;
                if (change["type"]!.ToString() == "DELETED") watched.Gone.TrySetResult();
                else if (change["object"]!["status"]?["phase"]?.ToString() == "Running") watched.Running.TrySetResult(now);
            }
        }
        catch (OperationCanceledException)
        {
            // Everything is measured.
        }
    }

    private static HttpClient Client(string state)
    {
        var authority = X509Certificate2.CreateFromPem(File.ReadAllText(Path.Combine(state, "pki/ca.crt")));
        var handler = new SocketsHttpHandler { MaxConnectionsPerServer = 256, SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, CustomTrustStore = { authority } } } };
        var client = new HttpClient(handler) { BaseAddress = new Uri(JsonNode.Parse(File.ReadAllText(Path.Combine(state, "control-plane.json")))!["url"]!.ToString()), Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", File.ReadAllText(Path.Combine(state, "pki/admin.token")).Trim());
        return client;
    }

    /// <summary>CPU time in ticks of 10 ms (proc(5)).</summary>
    private static double Cpu(int process)
    {
        var text = File.ReadAllText($"/proc/{process}/stat");
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture);
    }

    private static long Resident(int process, string field) => long.Parse(File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith(field, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
