using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.Benchmarks;

/// <summary>
/// The whole control plane in a process of its own, bindings durable in the embedded store, with hollow nodes on the same two cores: from the first Deployment posted to the last pod told to its node,
/// and to the last Deployment whose pods are all available. Ten pods a node; before that a Deployment of 500, so that what is measured is not a process that has just begun.
/// </summary>
public sealed class HollowCluster : IBenchmark
{
    public string Name => "cluster";
    public string Description => "placements a second through the whole control plane, 100 to 5,000 hollow nodes; convergence of 1,000 Deployments of 10; memory";
    public int DefaultRounds => 1;

    private const int PodsANode = 10, WarmUp = 500;
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(10);

    private sealed record Outcome(string What, int Nodes, int Pods, TimeSpan Placed, TimeSpan Converged, TimeSpan Cpu, TimeSpan Beside, long Allocated, int Memory);

    public async Task RunAsync(int rounds)
    {
        await Commands.RunAsync("./eyrie", ["--help"]); // builds
        var sizes = (Environment.GetEnvironmentVariable("EYRIE_BENCH_NODES") ?? "100,1000,5000").Split(',').Select(text => int.Parse(text, CultureInfo.InvariantCulture)).ToList();
        var outcomes = new List<Outcome>();
        for (int round = 0; round < rounds; round++)
        {
            foreach (int nodes in sizes) outcomes.Add(await MeasureAsync("Deployments of 500", nodes, Math.Max(1, nodes * PodsANode / 500), Math.Min(500, nodes * PodsANode)));
            if (Environment.GetEnvironmentVariable("EYRIE_BENCH_NODES") is null) outcomes.Add(await MeasureAsync("1,000 Deployments of 10", 1_000, 1_000, 10));
        }
        Console.WriteLine("| | nodes | pods | placements a second, durable | a pod | until all are available | CPU a pod | of nodes and clients | allocated a pod | memory |\n|---|---|---|---|---|---|---|---|---|---|");
        foreach (var same in outcomes.GroupBy(outcome => (outcome.What, outcome.Nodes)))
        {
            var middle = same.OrderBy(outcome => outcome.Placed).ElementAt(same.Count() / 2);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {middle.What} | {middle.Nodes} | {middle.Pods} | {middle.Pods / middle.Placed.TotalSeconds:0} | {middle.Placed.TotalMicroseconds / middle.Pods:0} µs | {middle.Converged.TotalSeconds:0.0} s | {middle.Cpu.TotalMicroseconds / middle.Pods:0} µs | {middle.Beside.TotalMicroseconds / middle.Pods:0} µs | {middle.Allocated / 1024.0 / middle.Pods:0} KiB | {middle.Memory} MiB |"));
        }
    }

    private static async Task<Outcome> MeasureAsync(string what, int nodes, int deployments, int replicas)
    {
        await using var server = await ControlPlaneProcess.StartAsync();
        await using var hollow = new HollowNodes(server, nodes, true);
        await UntilAsync("every node", hollow, () => Task.FromResult(hollow.Synced == nodes), () => $"{hollow.Synced} of {nodes}");
        await UntilAsync("every node ready", hollow, async () => (await server.GetAsync("/api/v1/nodes"))["items"]!.AsArray().Count(Ready) == nodes, () => "");
        await RunAsync("warm", 1, WarmUp);
        int there = hollow.Pods;
        var (before, beside, allocated) = (server.Cpu, Environment.CpuUsage.TotalTime, await server.AllocatedAsync());
        var (placed, converged) = await RunAsync("app", deployments, replicas);
        return new Outcome(what, nodes, hollow.Pods - there, placed, converged, server.Cpu - before, Environment.CpuUsage.TotalTime - beside, await server.AllocatedAsync() - allocated, server.Memory().Most);

        async Task<(TimeSpan Placed, TimeSpan Converged)> RunAsync(string prefix, int count, int each)
        {
            int wanted = hollow.Pods + (count * each), available = 0;
            long start = Stopwatch.GetTimestamp();
            await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) => await server.PostAsync("/apis/apps/v1/namespaces/default/deployments", Deployment($"{prefix}-{i}", each)));
            await UntilAsync("every pod placed", hollow, () => Task.FromResult(hollow.Pods == wanted), () => $"{hollow.Pods} of {wanted}");
            var placed = Stopwatch.GetElapsedTime(start);
            await UntilAsync("every Deployment available", hollow, async () =>
            {
                available = (await server.GetAsync("/apis/apps/v1/deployments"))["items"]!.AsArray().Sum(item => item!["status"]?["availableReplicas"]?.GetValue<int>() ?? 0);
                return available == wanted;
            }, () => $"{available} of {wanted}");
            return (placed, Stopwatch.GetElapsedTime(start));
        }
    }

    private static bool Ready(JsonNode? node) => node!["status"]?["conditions"]?.AsArray().Any(condition => condition!["type"]!.ToString() == "Ready" && condition["status"]!.ToString() == "True") == true;

    private static string Deployment(string name, int replicas) => new JsonObject
    {
        ["apiVersion"] = "apps/v1", ["kind"] = "Deployment", ["metadata"] = new JsonObject { ["name"] = name },
        ["spec"] = new JsonObject
        {
            ["replicas"] = replicas, ["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["app"] = name } },
            ["template"] = new JsonObject
            {
                ["metadata"] = new JsonObject { ["labels"] = new JsonObject { ["app"] = name } },
                ["spec"] = new JsonObject { ["containers"] = new JsonArray(new JsonObject { ["name"] = "c", ["image"] = "none:1", ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["cpu"] = "100m", ["memory"] = "128Mi" } } }) },
            },
        },
    }.ToJsonString();

    private static async Task UntilAsync(string what, HollowNodes hollow, Func<Task<bool>> reached, Func<string> seen)
    {
        long start = Stopwatch.GetTimestamp();
        while (!await reached())
        {
            hollow.ThrowIfBroken();
            if (Stopwatch.GetElapsedTime(start) > Deadline) throw new TimeoutException($"{what}: not after {Deadline.TotalMinutes} minutes; {seen()}");
            await Task.Delay(20);
        }
    }
}
