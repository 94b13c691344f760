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
    public async Task What_a_client_saw_before_a_move_is_older_than_everything_after_it_and_too_old_to_go_on_from()
    {
        await using var etcd = new EtcdServer();
        var address = etcd.Address();
        Revision seen = default;
        await using (var source = EmbeddedStore.Open(InDirectory("store.db")))
        {
            for (int i = 0; i < 300; i++) seen = (await source.CommitAsync(Put(("/a", "1"), ("/b", "1")), None)).At; // more revisions than the target will have
            await using var target = await EtcdServerStores.OpenAsync(address);
            await StoreCopy.RunAsync(source, target, None);
        }
        await using var moved = await CachedStore.OpenAsync(await EtcdServerStores.OpenAsync(address), None);
        var all = await moved.RangeAsync(new RangeQuery("/", "0"), None);
        Assert.All(all.Entries, entry => Assert.True(entry.Modified.CompareTo(seen) > 0, $"{entry.Modified} is not after {seen}"));
        Assert.True(all.At.CompareTo(seen) > 0);
        await using var direct = await EtcdServerStores.OpenAsync(address);
        foreach (var store in new IStore[] { moved, direct })
        {
            await Assert.ThrowsAsync<RevisionCompactedException>(async () => { await foreach (var _ in store.WatchAsync("/", seen, None)) break; });
            await Assert.ThrowsAsync<RevisionCompactedException>(() => store.RangeAsync(new RangeQuery("/", "0", At: new Revision(7)), None));
        }
        var next = await moved.CommitAsync(new Transaction([new Compare("/a", all.Entries[0].Modified)], [new Write("/a", new byte[] { 2 })]), None);
        Assert.True(next.Committed && next.At.CompareTo(all.At) > 0);
        await foreach (var batch in direct.WatchAsync("/", all.At, None))
        {
            Assert.Equal(next.At, Assert.Single(batch.Changes).At);
            break;
        }
        await moved.CompactAsync(next.At, None);
        Assert.Equal(2, (await direct.RangeAsync(new RangeQuery("/", "0", At: next.At), None)).Entries.Count);
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
