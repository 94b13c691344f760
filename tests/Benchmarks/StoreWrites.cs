using System.Diagnostics;
using System.Globalization;
using Eyrie.ControlPlane.Store;
using Eyrie.Store.Tests;

namespace Eyrie.Benchmarks;

/// <summary>Durable compare-and-swap writes of 1 KiB objects, with one writer and with 64: the embedded store, and etcd (Debian's, its data on the same disk) beside it, in turns.</summary>
public sealed class StoreWrites : IBenchmark
{
    public string Name => "store";
    public string Description => "durable writes a second, embedded store beside etcd";
    public int DefaultRounds => 5;

    private static readonly TimeSpan Span = TimeSpan.FromSeconds(2);

    private sealed record Outcome(string What, double PerSecond, Samples Latency);

    public async Task RunAsync(int rounds)
    {
        if (!File.Exists("/usr/bin/etcd")) await Commands.RunAsync("apt-get", ["install", "-y", "-qq", "etcd-server"]);
        var outcomes = new List<Outcome>();
        for (int round = 0; round < rounds; round++)
        {
            var directory = Directory.CreateTempSubdirectory("eyrie-bench-").FullName;
            await using var etcd = new EtcdServer();
            await using (var embedded = EmbeddedStore.Open(Path.Combine(directory, "store.db")))
            await using (var peer = await EtcdServerStores.OpenAsync(etcd.Address()))
                foreach (int writers in new[] { 1, 64 })
                {
                    outcomes.Add(await MeasureAsync("embedded", embedded, writers));
                    outcomes.Add(await MeasureAsync("etcd", peer, writers));
                }
            Directory.Delete(directory, true);
        }
        Console.WriteLine("| | writes a second | median | p99 | slowest | writes |\n|---|---|---|---|---|---|");
        foreach (var same in outcomes.GroupBy(outcome => outcome.What))
        {
            var all = new Samples(same.Key);
            foreach (var outcome in same) all.Add(outcome.Latency);
            var row = all.Row();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {same.Key} | {same.Select(outcome => outcome.PerSecond).Order().ElementAt(same.Count() / 2):0} {row[(2 + same.Key.Length)..]}"));
        }
    }

    private static async Task<Outcome> MeasureAsync(string name, IStore store, int writers)
    {
        var what = $"{name}, {writers} writer{(writers == 1 ? "" : "s")}";
        var samples = new Samples(what);
        var value = new byte[1024];
        Random.Shared.NextBytes(value);
        long start = Stopwatch.GetTimestamp();
        var latencies = await Task.WhenAll(Enumerable.Range(0, writers).Select(writer => Task.Run(async () =>
        {
            var taken = new List<TimeSpan>();
            var at = Revision.Zero;
            var key = string.Create(CultureInfo.InvariantCulture, $"/bench/{name}/{writers}/{writer}");
            while (Stopwatch.GetElapsedTime(start) < Span)
            {
                long begin = Stopwatch.GetTimestamp();
                var result = await store.CommitAsync(new Transaction([new Compare(key, at)], [new Write(key, value)]), CancellationToken.None);
                if (!result.Committed) throw new InvalidOperationException($"{what}: a write that nobody disputes was refused");
                taken.Add(Stopwatch.GetElapsedTime(begin));
                at = result.At;
            }
            return taken;
        })));
        var elapsed = Stopwatch.GetElapsedTime(start);
        foreach (var taken in latencies.SelectMany(list => list)) samples.Add(taken);
        return new Outcome(what, samples.Count / elapsed.TotalSeconds, samples);
    }
}
