using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Benchmarks;

/// <summary>
/// The API under load, over TLS and HTTP/2 on loopback, client and server on the same cores: single objects as fast as eight clients can, and mixed at 2,000 requests a second (the time
/// counts from when a request was due); lists of 10,000 pods; 1,000 watchers of every change; memory of 100,000 small objects. Beside it, in turns, requests that touch no object.
/// </summary>
public sealed class ApiRequests : IBenchmark
{
    public string Name => "api";
    public string Description => "creates, gets, lists, updates, watches a second and their latency; memory";
    public int DefaultRounds => 3;

    private const int Clients = 8, Rate = 2000, Open = 256, Pods = 10_000, Watchers = 1000, Changes = 100, Small = 100_000;
    private static readonly TimeSpan Span = TimeSpan.FromSeconds(3), Rest = TimeSpan.FromSeconds(15);
    private const string Home = "api/v1/namespaces/default/configmaps";

    private static string ConfigMap(string name, int size, string n = "0") => $"{{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{{\"name\":\"{name}\"}},\"data\":{{\"n\":\"{n}\",\"text\":\"{new string('x', size)}\"}}}}";

    public async Task RunAsync(int rounds)
    {
        await using (var server = await ApiServerProcess.StartAsync())
        {
            var client = server.Client();
            await SinglesAsync(client, rounds);
            await ListsAsync(client, rounds);
            await WatchesAsync(server, client);
        }
        await MemoryAsync();
    }

    private static async Task SinglesAsync(HttpClient client, int rounds)
    {
        var rows = new Dictionary<string, (Samples Samples, List<double> PerSecond)>();
        int made = 0;
        for (int i = 0; i < Clients; i++) await ApiServerProcess.SendAsync(client, HttpMethod.Post, Home, ConfigMap($"own-{i}", 1024));
        for (int round = -1; round < rounds; round++) // the first warms up
        {
            await MeasureAsync("no object (/version)", _ => ApiServerProcess.SendAsync(client, HttpMethod.Get, "version"));
            await MeasureAsync("create", _ => ApiServerProcess.SendAsync(client, HttpMethod.Post, Home, ConfigMap($"made-{Interlocked.Increment(ref made)}", 1024)));
            await MeasureAsync("get", who => ApiServerProcess.SendAsync(client, HttpMethod.Get, $"{Home}/own-{who}"));
            await MeasureAsync("update", who => ApiServerProcess.SendAsync(client, HttpMethod.Put, $"{Home}/own-{who}", ConfigMap($"own-{who}", 1024, Interlocked.Increment(ref made).ToString(CultureInfo.InvariantCulture))));
            await MixedAsync(round);
        }
        Console.WriteLine($"\n| {Clients} clients, objects of 1 KiB | a second | median | p99 | slowest | requests |\n|---|---|---|---|---|---|");
        foreach (var (what, row) in rows) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {what} | {row.PerSecond.Order().ElementAt(row.PerSecond.Count / 2):0} {row.Samples.Row()[(2 + what.Length)..]}"));

        async Task MeasureAsync(string what, Func<int, Task> request)
        {
            var samples = new Samples(what);
            long start = Stopwatch.GetTimestamp();
            var all = await Task.WhenAll(Enumerable.Range(0, Clients).Select(who => Task.Run(async () =>
            {
                var own = new Samples(what);
                while (Stopwatch.GetElapsedTime(start) < Span) await own.TakeAsync(() => request(who));
                return own;
            })));
            foreach (var own in all) samples.Add(own);
            Note(what, samples, samples.Count / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        void Note(string what, Samples samples, double perSecond)
        {
            if (!rows.TryGetValue(what, out var row)) { rows[what] = (new Samples(what), []); return; }
            row.Samples.Add(samples);
            row.PerSecond.Add(perSecond);
        }

        async Task MixedAsync(int round)
        {
            var what = $"mixed (6 gets, 2 updates, 2 creates), {Rate} a second offered";
            var samples = new Samples(what);
            var running = new List<Task>();
            using var open = new SemaphoreSlim(Open);
            long start = Stopwatch.GetTimestamp();
            await Task.Factory.StartNew(() =>
            {
                for (int i = 0; i < Rate * Span.TotalSeconds; i++)
                {
                    var due = TimeSpan.FromSeconds((double)i / Rate);
                    while (Stopwatch.GetElapsedTime(start) < due) Thread.Sleep(1); // a timer of the pool comes a millisecond later still, which would count as the server's
                    running.Add(OneAsync(i, due));
                }
            }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            await Task.WhenAll(running);
            Note(what, samples, samples.Count / Stopwatch.GetElapsedTime(start).TotalSeconds);

            async Task OneAsync(int i, TimeSpan due)
            {
                await Task.Yield();
                await open.WaitAsync(); // what waits here has been due all the same
                await ((i % 10) switch
                {
                    < 6 => ApiServerProcess.SendAsync(client, HttpMethod.Get, $"{Home}/own-{i % Clients}"),
                    < 8 => ApiServerProcess.SendAsync(client, HttpMethod.Put, $"{Home}/own-{i % Clients}", ConfigMap($"own-{i % Clients}", 1024, $"{round}-{i}")),
                    _ => ApiServerProcess.SendAsync(client, HttpMethod.Post, Home, ConfigMap($"mixed-{round + 1}-{i}", 1024)),
                });
                open.Release();
                var taken = Stopwatch.GetElapsedTime(start) - due;
                lock (samples) samples.Add(taken);
            }
        }
    }

    private static async Task ListsAsync(HttpClient client, int rounds)
    {
        await ApiServerProcess.SendAsync(client, HttpMethod.Post, "api/v1/namespaces", """{"metadata":{"name":"many"}}""");
        await Parallel.ForEachAsync(Enumerable.Range(0, Pods), new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (i, _) =>
            await ApiServerProcess.SendAsync(client, HttpMethod.Post, "api/v1/namespaces/many/pods", "{\"metadata\":{\"name\":\"p-" + i.ToString(CultureInfo.InvariantCulture) + "\",\"labels\":{\"app\":\"a" + (i % 10).ToString(CultureInfo.InvariantCulture) + "\"}},\"spec\":{\"schedulingGates\":[{\"name\":\"bench/held\"}],\"containers\":[{\"name\":\"c\",\"image\":\"i:1\",\"resources\":{\"requests\":{\"cpu\":\"10m\"}}}]}}"));
        Samples all = new($"list of {Pods} pods"), chosen = new($"list of {Pods / 10} of them by label"), pages = new($"list of {Pods} pods in pages of 500");
        int bytes = 0;
        for (int round = -1; round < rounds * 5; round++)
        {
            await all.TakeAsync(async () => bytes = (await ApiServerProcess.SendAsync(client, HttpMethod.Get, "api/v1/namespaces/many/pods")).Length);
            await chosen.TakeAsync(() => ApiServerProcess.SendAsync(client, HttpMethod.Get, "api/v1/namespaces/many/pods?labelSelector=app%3Da1"));
            await pages.TakeAsync(async () =>
            {
                string? next = "";
                while (next is not null) next = JsonNode.Parse(await ApiServerProcess.SendAsync(client, HttpMethod.Get, $"api/v1/namespaces/many/pods?limit=500&continue={next}"))!["metadata"]!["continue"]?.ToString();
            });
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\n{Samples.Header.Replace("| |", $"| {bytes / 1e6:0.0} MB |", StringComparison.Ordinal)}\n{all.Row()}\n{chosen.Row()}\n{pages.Row()}"));
    }

    private static async Task WatchesAsync(ApiServerProcess server, HttpClient client)
    {
        const string Watched = "api/v1/namespaces/watched/configmaps";
        await ApiServerProcess.SendAsync(client, HttpMethod.Post, "api/v1/namespaces", """{"metadata":{"name":"watched"}}""");
        await ApiServerProcess.SendAsync(client, HttpMethod.Post, Watched, ConfigMap("c", 200));
        var at = JsonNode.Parse(await ApiServerProcess.SendAsync(client, HttpMethod.Get, Watched))!["metadata"]!["resourceVersion"]!.ToString();
        var written = new long[Changes + 1];
        var deliveries = new Samples("a change at a watcher");
        var last = new Samples($"a change at the last of {Watchers} watchers");
        var slowest = new long[Changes + 1];
        using var ready = new CountdownEvent(Watchers);
        var clients = Enumerable.Range(0, 10).Select(_ => server.Client()).ToList();
        var watching = Enumerable.Range(0, Watchers).Select(i => Task.Run(async () =>
        {
            using var response = await clients[i % clients.Count].GetAsync($"{Watched}?watch=true&resourceVersion={at}", HttpCompletionOption.ResponseHeadersRead);
            using var lines = new StreamReader(await response.EnsureSuccessStatusCode().Content.ReadAsStreamAsync(), Encoding.UTF8);
            ready.Signal();
            for (int expected = 1; expected <= Changes; expected++)
            {
                var line = await lines.ReadLineAsync() ?? throw new InvalidOperationException($"a watch ended before change {expected}");
                if (!line.Contains($"\"n\":\"{expected}\"", StringComparison.Ordinal)) throw new InvalidOperationException($"a watcher saw another change than {expected}: {line}");
                long now = Stopwatch.GetTimestamp();
                lock (slowest)
                {
                    deliveries.Add(Stopwatch.GetElapsedTime(Volatile.Read(ref written[expected]), now));
                    slowest[expected] = Math.Max(slowest[expected], now);
                }
            }
        })).ToList();
        await Task.Run(ready.Wait);
        var start = Stopwatch.GetTimestamp();
        for (int i = 1; i <= Changes; i++)
        {
            var due = TimeSpan.FromMilliseconds(100 * i);
            if (due - Stopwatch.GetElapsedTime(start) is { Ticks: > 0 } wait) await Task.Delay(wait);
            Volatile.Write(ref written[i], Stopwatch.GetTimestamp());
            await ApiServerProcess.SendAsync(client, HttpMethod.Put, $"{Watched}/c", ConfigMap("c", 200, i.ToString(CultureInfo.InvariantCulture)));
        }
        await Task.WhenAll(watching);
        for (int i = 1; i <= Changes; i++) last.Add(Stopwatch.GetElapsedTime(written[i], slowest[i]));
        Console.WriteLine($"\n{Samples.Header.Replace("| |", $"| {Changes} changes, 10 a second, from the write on |", StringComparison.Ordinal)}\n{deliveries.Row()}\n{last.Row()}");
    }

    /// <summary>In a server of its own, which has done nothing else.</summary>
    private static async Task MemoryAsync()
    {
        await using var server = await ApiServerProcess.StartAsync();
        var client = server.Client();
        await ApiServerProcess.SendAsync(client, HttpMethod.Post, "api/v1/namespaces", """{"metadata":{"name":"small"}}""");
        long before = server.Resident();
        long start = Stopwatch.GetTimestamp();
        await Parallel.ForEachAsync(Enumerable.Range(0, Small), new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (i, _) => await ApiServerProcess.SendAsync(client, HttpMethod.Post, "api/v1/namespaces/small/configmaps", ConfigMap($"s-{i}", 16)));
        var taken = Stopwatch.GetElapsedTime(start);
        long after = server.Resident();
        await Task.Delay(Rest);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\n| memory of a server of its own | MiB |\n|---|---|\n| before | {before >> 20} |\n| with {Small} small objects, made at {Small / taken.TotalSeconds:0} a second by 64 clients | {after >> 20} |\n| after {Rest.TotalSeconds:0} s of rest | {server.Resident() >> 20} |"));
    }
}
