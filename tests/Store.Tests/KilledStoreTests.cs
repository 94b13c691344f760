using System.Diagnostics;
using System.Globalization;
using System.Text;
using Eyrie.ControlPlane.Store;
using Xunit;

namespace Eyrie.Store.Tests;

/// <summary>A process that writes to an embedded store is killed (SIGKILL) at a random moment, over and over on one file.</summary>
public sealed class KilledStoreTests : IDisposable
{
    private static readonly int Kills = Environment.GetEnvironmentVariable("EYRIE_LONG") == "1" ? 200 : 12;
    private readonly string _directory = Directory.CreateTempSubdirectory("eyrie-killed-").FullName;

    public void Dispose() => Directory.Delete(_directory, true);

    [Fact]
    public async Task No_acknowledged_write_is_lost_and_history_has_no_gap()
    {
        int seed = Environment.TickCount;
        var random = new Random(seed);
        var path = Path.Combine(_directory, "store.db");
        var acknowledged = new Dictionary<string, (int Value, long Revision)>();
        var seen = Revision.Zero;
        for (int kill = 0; kill < Kills; kill++)
        {
            await WriteAndKillAsync(path, acknowledged, TimeSpan.FromMilliseconds(random.Next(5, 150)));
            await using var store = EmbeddedStore.Open(path);
            var range = await store.RangeAsync(new RangeQuery("/counter/", "/counter0"), CancellationToken.None);
            foreach (var (writer, last) in acknowledged)
            {
                var entry = Assert.Single(range.Entries, entry => entry.Key == "/counter/" + writer);
                Assert.True(Number(entry.Value) >= last.Value && entry.Modified.Value >= last.Revision, $"seed {seed}, kill {kill}: writer {writer} was told {last}, the store holds {Number(entry.Value)} at {entry.Modified}");
            }
            seen = await FollowAsync(store, seen, range, $"seed {seed}, kill {kill}");
        }
        Assert.Equal(4, acknowledged.Count);
    }

    private static int Number(ReadOnlyMemory<byte>? value) => int.Parse(Encoding.UTF8.GetString(value!.Value.Span), CultureInfo.InvariantCulture);

    /// <summary>Every revision after the last one seen is there once, each counter goes up by one, and the end is what a range shows.</summary>
    private static async Task<Revision> FollowAsync(EmbeddedStore store, Revision after, RangeResult range, string where)
    {
        if (range.At == after) return after;
        await foreach (var batch in store.WatchAsync("/", after, CancellationToken.None))
        {
            long next = after.Value;
            foreach (var change in batch.Changes)
            {
                Assert.True(change.At.Value == ++next, $"{where}: revision {next} is missing, {change.At} follows");
                Assert.Equal(change.Previous is null ? 1 : Number(change.Previous) + 1, Number(change.Value));
            }
            Assert.Equal(range.At, batch.At);
            foreach (var last in batch.Changes.GroupBy(change => change.Key).Select(group => group.Last())) Assert.Equal(range.Entries.First(entry => entry.Key == last.Key).Modified, last.At);
            break;
        }
        return range.At;
    }

    private static async Task WriteAndKillAsync(string path, Dictionary<string, (int, long)> acknowledged, TimeSpan after)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "../../../../StoreWriter/bin/Release/net10.0/StoreWriter.dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, path]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        bool killed = false;
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Split(' ') is [var writer, var value, var revision] && long.TryParse(revision, CultureInfo.InvariantCulture, out long at)) acknowledged[writer] = (int.Parse(value, CultureInfo.InvariantCulture), at);
            if (killed) continue;
            killed = true;
            _ = Task.Delay(after).ContinueWith(_ => process.Kill(), TaskScheduler.Default);
        }
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 137, $"the writer ended by itself: {await errors}");
    }
}
