using System.Text;
using Eyrie.ControlPlane.Store;
using Xunit;

namespace Eyrie.Store.Tests;

public sealed class BackupTests : IDisposable
{
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly string _directory = Directory.CreateTempSubdirectory("eyrie-backup-").FullName;

    private string InDirectory(string name) => Path.Combine(_directory, name);

    public void Dispose() => Directory.Delete(_directory, true);

    private static Transaction Put(params (string Key, string Value)[] writes) => new([], [.. writes.Select(write => new Write(write.Key, new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(write.Value))))]);

    private static async Task<List<(string, string)>> ContentAsync(IStore store) =>
        [.. (await store.RangeAsync(new RangeQuery("/", "0"), None)).Entries.Select(entry => (entry.Key, Encoding.UTF8.GetString(entry.Value.Span)))];

    [Fact]
    public async Task A_restored_store_is_what_it_was_at_the_backup_and_gives_no_revision_twice()
    {
        Revision seen;
        await using (var store = EmbeddedStore.Open(InDirectory("store.db")))
        {
            await store.CommitAsync(Put(("/a", "1"), ("/b", "1")), None);
            await store.CommitAsync(Put(("/a", "2")), None);
            await store.BackupAsync(InDirectory("backup.db"), None);
            seen = (await store.CommitAsync(Put(("/a", "later"), ("/c", "later")), None)).At;
        }
        EmbeddedStore.Restore(InDirectory("backup.db"), InDirectory("store.db"));
        await using var restored = EmbeddedStore.Open(InDirectory("store.db"));
        Assert.Equal([("/a", "2"), ("/b", "1")], await ContentAsync(restored));
        await Assert.ThrowsAsync<RevisionCompactedException>(async () => { await foreach (var _ in restored.WatchAsync("/", seen, None)) break; });
        Assert.True((await restored.CommitAsync(Put(("/d", "1")), None)).At.CompareTo(seen) > 0);
    }

    [Theory]
    [InlineData("no database at all")]
    [InlineData("")]
    public async Task A_file_that_is_no_backup_is_refused_and_the_store_stays(string content)
    {
        await using (var store = EmbeddedStore.Open(InDirectory("store.db"))) await store.CommitAsync(Put(("/a", "1")), None);
        await File.WriteAllTextAsync(InDirectory("backup.db"), content);
        Assert.Contains("backup.db", Assert.Throws<StoreUnavailableException>(() => EmbeddedStore.Restore(InDirectory("backup.db"), InDirectory("store.db"))).Message, StringComparison.Ordinal);
        await using var kept = EmbeddedStore.Open(InDirectory("store.db"));
        Assert.Equal([("/a", "1")], await ContentAsync(kept));
    }

    [Fact]
    public async Task Moving_to_etcd_keeps_every_key_and_the_order_of_the_last_writes()
    {
        await using var etcd = new EtcdServer();
        await using var target = await EtcdServerStores.OpenAsync(etcd.Address());
        await using var source = EmbeddedStore.Open(InDirectory("store.db"));
        await source.CommitAsync(Put(("/a", "1"), ("/b", "1")), None);
        await source.CommitAsync(Put(("/c", "1")), None);
        await source.CommitAsync(Put(("/a", "2")), None);
        Assert.Equal(3, await StoreCopy.RunAsync(source, target, None));
        Assert.Equal(await ContentAsync(source), await ContentAsync(target));
        static async Task<IEnumerable<string>> ByAgeAsync(IStore store) => (await store.RangeAsync(new RangeQuery("/", "0"), None)).Entries.OrderBy(entry => entry.Modified).Select(entry => entry.Key);
        Assert.Equal(await ByAgeAsync(source), await ByAgeAsync(target));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => StoreCopy.RunAsync(source, target, None));
    }

    [Fact]
    public async Task Past_values_take_a_bounded_place_and_a_watcher_that_is_behind_is_told()
    {
        await using var store = EmbeddedStore.Open(InDirectory("store.db"));
        var value = new byte[1 << 20];
        for (int i = 0; i < 200; i++) await store.CommitAsync(new Transaction([], [new Write("/a", value)]), None);
        await Assert.ThrowsAsync<RevisionCompactedException>(async () => { await foreach (var _ in store.WatchAsync("/", new Revision(1), None)) break; });
        await foreach (var batch in store.WatchAsync("/", new Revision(195), None))
        {
            Assert.Equal(5, batch.Changes.Count);
            break;
        }
    }
}
