using System.Text;
using Eyrie.ControlPlane.Store;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.Store.Tests;

/// <summary>What every implementation of the seam must do. One class an implementation derives from it.</summary>
public abstract class StoreConformance : IAsyncLifetime
{
    protected IStore Store { get; set; } = null!;

    protected abstract Task<IStore> OpenAsync();

    public virtual async Task InitializeAsync() => Store = await OpenAsync();

    public virtual async Task DisposeAsync() => await Store.DisposeAsync();

    private static readonly CancellationToken None = CancellationToken.None;

    private static Write Put(string key, string value) => new(key, new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(value)));

    private static string Text(ReadOnlyMemory<byte>? value) => value is { } bytes ? Encoding.UTF8.GetString(bytes.Span) : "<deleted>";

    private Task<CommitResult> CommitAsync(params Write[] writes) => Store.CommitAsync(new Transaction([], writes), None);

    [Fact]
    public async Task A_write_is_read_back_with_the_revision_it_was_made_at()
    {
        var written = await CommitAsync(Put("/a", "1"));
        var entry = Assert.Single((await Store.RangeAsync(new RangeQuery("/a", "/b"), None)).Entries);
        Assert.Equal("1", Text(entry.Value));
        Assert.Equal(written.At, entry.Modified);
        Assert.Equal(written.At, entry.Created);
    }

    [Fact]
    public async Task Compare_and_swap_writes_only_on_the_revision_it_was_decided_on()
    {
        var first = await CommitAsync(Put("/a", "1"));
        Assert.False((await Store.CommitAsync(new Transaction([new Compare("/a", Revision.Zero)], [Put("/a", "new")]), None)).Committed);
        Assert.True((await Store.CommitAsync(new Transaction([new Compare("/a", first.At)], [Put("/a", "2")]), None)).Committed);
        Assert.False((await Store.CommitAsync(new Transaction([new Compare("/a", first.At)], [Put("/a", "3")]), None)).Committed);
        Assert.Equal("2", Text((await Store.RangeAsync(new RangeQuery("/a", "/b"), None)).Entries[0].Value));
    }

    [Fact]
    public async Task A_deleted_key_is_gone_and_may_be_made_anew()
    {
        await CommitAsync(Put("/a", "1"));
        await CommitAsync(new Write("/a", null));
        Assert.Empty((await Store.RangeAsync(new RangeQuery("/a", "/b"), None)).Entries);
        Assert.True((await Store.CommitAsync(new Transaction([new Compare("/a", Revision.Zero)], [Put("/a", "2")]), None)).Committed);
    }

    [Fact]
    public async Task A_range_is_ordered_limited_and_can_be_read_as_of_an_older_revision()
    {
        var both = await CommitAsync(Put("/p/b", "1"), Put("/p/a", "1"));
        await CommitAsync(Put("/p/a", "2"), Put("/p/c", "1"));
        await CommitAsync(new Write("/p/b", null));
        var limited = await Store.RangeAsync(new RangeQuery("/p/", "/p0", 1), None);
        Assert.Equal((true, 1), (limited.More, limited.Remaining));
        Assert.Equal("/p/a", limited.Entries[0].Key);
        Assert.Equal(0, (await Store.RangeAsync(new RangeQuery("/p/", "/p0", 2), None)).Remaining);
        Assert.Equal(1, (await Store.RangeAsync(new RangeQuery("/p/", "/p0", 1, both.At), None)).Remaining);
        var old = await Store.RangeAsync(new RangeQuery("/p/", "/p0", At: both.At), None);
        Assert.Equal(["/p/a=1", "/p/b=1"], old.Entries.Select(entry => $"{entry.Key}={Text(entry.Value)}"));
    }

    [Fact]
    public async Task A_watch_brings_every_change_after_its_revision_once_and_in_order()
    {
        var start = await CommitAsync(Put("/w/a", "1"));
        await CommitAsync(Put("/w/a", "2"));
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var seen = new List<string>();
        var writing = Task.Run(async () =>
        {
            await CommitAsync(Put("/other", "x"));
            await CommitAsync(new Write("/w/a", null));
            await CommitAsync(Put("/w/b", "end"));
        });
        await foreach (var batch in Store.WatchAsync("/w/", start.At, deadline.Token))
        {
            seen.AddRange(batch.Changes.Select(change => $"{change.Key}={Text(change.Value)} was {Text(change.Previous)}"));
            if (seen.Count >= 3) break;
        }
        await writing;
        Assert.Equal(["/w/a=2 was 1", "/w/a=<deleted> was 2", "/w/b=end was <deleted>"], seen);
    }

    [Fact]
    public async Task Many_writers_of_one_counter_lose_no_increment()
    {
        await CommitAsync(Put("/n", "0"));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (int done = 0; done < 10;)
            {
                var entry = (await Store.RangeAsync(new RangeQuery("/n", "/o"), None)).Entries[0];
                var next = (int.Parse(Text(entry.Value), System.Globalization.CultureInfo.InvariantCulture) + 1).ToString(System.Globalization.CultureInfo.InvariantCulture);
                if ((await Store.CommitAsync(new Transaction([new Compare("/n", entry.Modified)], [Put("/n", next)]), None)).Committed) done++;
            }
        })));
        Assert.Equal("80", Text((await Store.RangeAsync(new RangeQuery("/n", "/o"), None)).Entries[0].Value));
    }

    [Fact]
    public async Task What_was_compacted_is_refused_and_what_stands_stays()
    {
        var first = await CommitAsync(Put("/a", "1"));
        await CommitAsync(Put("/a", "2"));
        var last = await CommitAsync(Put("/a", "3"));
        await Store.CompactAsync(last.At, None);
        await Assert.ThrowsAsync<RevisionCompactedException>(async () =>
        {
            await foreach (var batch in Store.WatchAsync("/a", first.At, None)) Assert.Fail($"brought {batch}");
        });
        Assert.Equal("3", Text((await Store.RangeAsync(new RangeQuery("/a", "/b"), None)).Entries[0].Value));
    }

    /// <summary>Waits until a key is gone.</summary>
    private async Task<TimeSpan> GoneAsync(string key, DateTimeOffset since)
    {
        for (var end = DateTimeOffset.UtcNow.AddSeconds(30); DateTimeOffset.UtcNow < end; await Task.Delay(50))
            if ((await Store.RangeAsync(new RangeQuery(key, key + "\0"), None)).Entries.Count == 0) return DateTimeOffset.UtcNow - since;
        throw new TimeoutException($"waited 30 s for {key} to go with its lease");
    }

    [Fact]
    public async Task Keys_go_with_a_lease_that_nobody_keeps_alive_and_watchers_are_told()
    {
        var began = DateTimeOffset.UtcNow;
        var lease = await Store.GrantAsync(TimeSpan.FromSeconds(4), None); // long enough for a disk that is slow to take what is written under it
        var start = await CommitAsync(Put("/l/a", "1") with { Lease = lease }, Put("/l/b", "2") with { Lease = lease }, Put("/l/c", "3"));
        Assert.InRange(await GoneAsync("/l/a", began), TimeSpan.FromSeconds(3.9), TimeSpan.FromSeconds(29));
        Assert.Equal("/l/c", Assert.Single((await Store.RangeAsync(new RangeQuery("/l/", "/l0"), None)).Entries).Key);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var gone = new List<string>();
        await foreach (var batch in Store.WatchAsync("/l/", start.At, deadline.Token))
        {
            gone.AddRange(batch.Changes.Select(change => $"{change.Key}={Text(change.Value)} was {Text(change.Previous)}"));
            if (gone.Count == 2) break;
        }
        Assert.Equal(["/l/a=<deleted> was 1", "/l/b=<deleted> was 2"], gone.Order(StringComparer.Ordinal));
        Assert.False(await Store.KeepAliveAsync(lease, None));
        await Assert.ThrowsAsync<LeaseOverException>(() => CommitAsync(Put("/l/d", "1") with { Lease = lease }));
        Assert.Single((await Store.RangeAsync(new RangeQuery("/l/", "/l0"), None)).Entries);
        await Store.RevokeAsync(lease, None); // it is over already
    }

    [Fact]
    public async Task A_lease_that_is_kept_alive_lasts_and_one_that_is_revoked_is_over_at_once()
    {
        var kept = await Store.GrantAsync(TimeSpan.FromSeconds(4), None);
        var revoked = await Store.GrantAsync(TimeSpan.FromMinutes(5), None);
        await CommitAsync(Put("/k", "1") with { Lease = kept }, Put("/r", "1") with { Lease = revoked }, Put("/moved", "1") with { Lease = revoked });
        await CommitAsync(Put("/moved", "2")); // under no lease from now on
        await Store.RevokeAsync(revoked, None);
        Assert.Equal(["/k", "/moved"], (await Store.RangeAsync(new RangeQuery("/", "0"), None)).Entries.Select(entry => entry.Key));
        var left = default(DateTimeOffset);
        for (int i = 0; i < 10; i++)
        {
            await Task.Delay(800); // twice as long as it lasts
            left = DateTimeOffset.UtcNow; // its time begins anew after this
            Assert.True(await Store.KeepAliveAsync(kept, None));
        }
        Assert.Equal(2, (await Store.RangeAsync(new RangeQuery("/", "0"), None)).Entries.Count);
        Assert.InRange(await GoneAsync("/k", left), TimeSpan.FromSeconds(3.9), TimeSpan.FromSeconds(29));
    }
}

public sealed class ModelStoreTests : StoreConformance
{
    protected override Task<IStore> OpenAsync() => Task.FromResult<IStore>(new ModelStore());
}

public sealed class CachedModelStoreTests : StoreConformance
{
    protected override async Task<IStore> OpenAsync() => await CachedStore.OpenAsync(new ModelStore(), CancellationToken.None);
}

[Takes(26)]
public sealed class EmbeddedStoreTests : StoreConformance
{
    private readonly string _directory = Directory.CreateTempSubdirectory("eyrie-store-").FullName;

    protected override Task<IStore> OpenAsync() => Task.FromResult<IStore>(EmbeddedStore.Open(Path.Combine(_directory, "store.db")));

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        Directory.Delete(_directory, true);
    }

    [Fact]
    public async Task Who_watches_other_keys_learns_how_far_the_store_is()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var start = await Store.CommitAsync(new Transaction([], [new Write("/w/a", new byte[] { 1 })]), CancellationToken.None);
        await using var batches = Store.WatchAsync("/w/", start.At, deadline.Token).GetAsyncEnumerator(deadline.Token);
        var next = batches.MoveNextAsync();
        Assert.False(next.IsCompleted);
        var other = await Store.CommitAsync(new Transaction([], [new Write("/other/a", new byte[] { 1 })]), CancellationToken.None);
        Assert.True(await next);
        Assert.Equal((0, other.At), (batches.Current.Changes.Count, batches.Current.At));
    }

    [Fact]
    public async Task A_lease_outlives_a_restart_with_all_of_its_time_and_then_ends()
    {
        var lease = await Store.GrantAsync(TimeSpan.FromSeconds(5), CancellationToken.None);
        var other = await Store.GrantAsync(TimeSpan.FromHours(1), CancellationToken.None);
        await Store.CommitAsync(new Transaction([], [new Write("/a", new byte[] { 1 }, lease), new Write("/b", new byte[] { 1 }, other), new Write("/c", new byte[] { 1 }, other)]), CancellationToken.None);
        await Store.CommitAsync(new Transaction([], [new Write("/c", null)]), CancellationToken.None);
        await Store.CommitAsync(new Transaction([], [new Write("/c", new byte[] { 2 })]), CancellationToken.None);
        await Store.DisposeAsync();
        await Task.Delay(5100); // nobody could keep it alive
        Store = await OpenAsync();
        Assert.True(await Store.KeepAliveAsync(lease, CancellationToken.None));
        Assert.Equal(3, (await Store.RangeAsync(new RangeQuery("/", "0"), CancellationToken.None)).Entries.Count);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var start = (await Store.RangeAsync(new RangeQuery("/", "0"), CancellationToken.None)).At;
        await foreach (var batch in Store.WatchAsync("/", start, deadline.Token))
            if (batch.Changes.Count > 0)
            {
                Assert.Equal("/a", Assert.Single(batch.Changes).Key);
                break;
            }
        await Store.RevokeAsync(other, CancellationToken.None);
        Assert.Equal("/c", Assert.Single((await Store.RangeAsync(new RangeQuery("/", "0"), CancellationToken.None)).Entries).Key);
        await Store.DisposeAsync();
        Store = await OpenAsync();
        Assert.False(await Store.KeepAliveAsync(lease, CancellationToken.None));
        Assert.False(await Store.KeepAliveAsync(other, CancellationToken.None));
    }

    [Fact]
    public async Task Reopened_it_holds_everything_and_watches_go_on_by_revision()
    {
        var first = await Store.CommitAsync(new Transaction([], [new Write("/a", new byte[] { 1 })]), CancellationToken.None);
        var second = await Store.CommitAsync(new Transaction([], [new Write("/a", new byte[] { 2 })]), CancellationToken.None);
        await Store.DisposeAsync();
        Store = await OpenAsync();
        var range = await Store.RangeAsync(new RangeQuery("/a", "/b"), CancellationToken.None);
        Assert.Equal(second.At, range.At);
        Assert.Equal(2, range.Entries[0].Value.Span[0]);
        var last = await Store.CommitAsync(new Transaction([], [new Write("/a", null)]), CancellationToken.None);
        await Store.DisposeAsync();
        Store = await OpenAsync();
        await foreach (var batch in Store.WatchAsync("/a", Revision.Zero, CancellationToken.None))
        {
            Assert.Equal([first.At, second.At, last.At], batch.Changes.Select(change => change.At));
            Assert.Equal([true, false, false], batch.Changes.Select(change => change.Previous is null));
            Assert.Equal([false, false, true], batch.Changes.Select(change => change.Value is null));
            break;
        }
    }
}
