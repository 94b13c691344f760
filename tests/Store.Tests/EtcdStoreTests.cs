using System.Globalization;
using System.Text;
using Eyrie.ControlPlane.Store;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.Store.Tests;

public sealed class EtcdFixture : IAsyncLifetime
{
    public EtcdServer Server { get; } = new();
    public Task InitializeAsync() => Task.CompletedTask;
    public async Task DisposeAsync() => await Server.DisposeAsync();
}

/// <summary>The seam's meaning, by a real etcd; each test under a prefix of its own.</summary>
public sealed class EtcdStoreTests(EtcdFixture etcd) : StoreConformance, IClassFixture<EtcdFixture>
{
    protected override async Task<IStore> OpenAsync() => await EtcdServerStores.OpenAsync(etcd.Server.Address());
}

/// <summary>The same behind the cache that the control plane puts in front of etcd.</summary>
[Takes(30)]
public sealed class CachedEtcdStoreTests(EtcdFixture etcd) : StoreConformance, IClassFixture<EtcdFixture>
{
    protected override async Task<IStore> OpenAsync() => await CachedStore.OpenAsync(await EtcdServerStores.OpenAsync(etcd.Server.Address()), CancellationToken.None);

    [Fact]
    public async Task Reads_and_watches_go_on_while_etcd_is_away_and_nothing_is_lost_when_it_is_back()
    {
        await using var server = new EtcdServer();
        await using var store = await CachedStore.OpenAsync(await EtcdServerStores.OpenAsync(server.Address()), CancellationToken.None);
        static Transaction Put(string value) => new([], [new Write("/a", new ReadOnlyMemory<byte>(Encoding.UTF8.GetBytes(value)))]);
        var first = await store.CommitAsync(Put("1"), CancellationToken.None);
        await store.RangeAsync(new RangeQuery("/", "0"), CancellationToken.None); // what etcd has not told of its own writes yet it cannot tell when it is away
        await server.KillAsync();
        Assert.Equal("1", Encoding.UTF8.GetString(Assert.Single((await store.RangeAsync(new RangeQuery("/", "0"), CancellationToken.None)).Entries).Value.Span));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => store.CommitAsync(Put("lost"), CancellationToken.None));
        server.Restart();
        _ = Task.Run(async () =>
        {
            while (true)
            {
                try
                {
                    await store.CommitAsync(Put("2"), CancellationToken.None);
                    return;
                }
                catch (StoreUnavailableException)
                {
                    await Task.Delay(50); // it is still starting
                }
            }
        });
        await foreach (var batch in store.WatchAsync("/", first.At, CancellationToken.None))
        {
            if (batch.Changes.Count == 0) continue;
            Assert.Equal("2", Encoding.UTF8.GetString(Assert.Single(batch.Changes).Value!.Value.Span));
            break;
        }
    }

    [Fact]
    public async Task A_lease_outlives_a_restart_of_etcd_and_then_ends()
    {
        await using var server = new EtcdServer();
        await using var store = await CachedStore.OpenAsync(await EtcdServerStores.OpenAsync(server.Address()), CancellationToken.None);
        var lease = await store.GrantAsync(TimeSpan.FromSeconds(10), CancellationToken.None); // from the start of etcd on, which a client that finds it away may look for only every 2 s
        var start = await store.CommitAsync(new Transaction([], [new Write("/a", new byte[] { 1 }, lease)]), CancellationToken.None);
        await server.KillAsync();
        server.Restart();
        bool alive = false;
        while (!alive)
        {
            try
            {
                Assert.True(alive = await store.KeepAliveAsync(lease, CancellationToken.None));
            }
            catch (StoreUnavailableException)
            {
                await Task.Delay(50); // it is still starting
            }
        }
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await foreach (var batch in store.WatchAsync("/", start.At, deadline.Token))
            if (batch.Changes.Count > 0)
            {
                Assert.Equal(("/a", true), (batch.Changes[0].Key, batch.Changes[0].Value is null));
                break;
            }
    }

    [Fact]
    public async Task A_writer_that_was_refused_sees_at_once_what_was_in_the_way()
    {
        var address = etcd.Server.Address();
        await using var one = await CachedStore.OpenAsync(await EtcdServerStores.OpenAsync(address), CancellationToken.None);
        await using var other = await CachedStore.OpenAsync(await EtcdServerStores.OpenAsync(address), CancellationToken.None);
        for (int i = 0; i < 50; i++)
        {
            var key = $"/taken/{i}";
            await other.CommitAsync(new Transaction([], [new Write(key, new byte[] { 1 })]), CancellationToken.None);
            if (!(await one.CommitAsync(new Transaction([new Compare(key, Revision.Zero)], [new Write(key, new byte[] { 2 })]), CancellationToken.None)).Committed)
                Assert.Single((await one.RangeAsync(new RangeQuery(key, key + "\0"), CancellationToken.None)).Entries);
        }
    }
}

/// <summary>What may happen to an etcd and its connections while somebody watches: no change is lost, none comes twice.</summary>
[Takes(40)]
public sealed class EtcdOutageTests : IAsyncLifetime
{
    private readonly EtcdServer _server = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _server.DisposeAsync();

    [Fact]
    public async Task A_watch_outlives_an_etcd_that_is_killed_and_started_again()
    {
        await using var store = await EtcdServerStores.OpenAsync(_server.Address());
        await WatchedAsync(store, store, async () =>
        {
            await _server.KillAsync();
            await Assert.ThrowsAsync<StoreUnavailableException>(() => store.CommitAsync(Number(-1), CancellationToken.None));
            _server.Restart();
        });
    }

    [Fact]
    public async Task A_watch_goes_on_after_its_connection_was_cut_for_a_while()
    {
        await using var relay = new Relay(_server.Port);
        var address = _server.Address();
        await using var direct = await EtcdServerStores.OpenAsync(address);
        await using var watched = await EtcdServerStores.OpenAsync(address with { Members = [("127.0.0.1", relay.Port)] });
        await WatchedAsync(direct, watched, async () =>
        {
            relay.Cut();
            await direct.CommitAsync(Number(1000), CancellationToken.None);
            await Task.Delay(TimeSpan.FromSeconds(10)); // the outage itself, not a wait for something
            relay.Mend();
        }, during: 1000);
    }

    [Fact]
    public async Task A_stream_that_stays_open_and_silent_is_left()
    {
        await using var relay = new Relay(_server.Port);
        var address = _server.Address();
        await using var direct = await EtcdServerStores.OpenAsync(address);
        await using var watched = await EtcdServerStores.OpenAsync(address with { Members = [("127.0.0.1", relay.Port)] });
        await WatchedAsync(direct, watched, () =>
        {
            relay.Silence();
            return Task.CompletedTask;
        });
    }

    [Fact]
    public async Task A_watcher_behind_a_compaction_is_told_so()
    {
        await using var relay = new Relay(_server.Port);
        var address = _server.Address();
        await using var direct = await EtcdServerStores.OpenAsync(address);
        await using var watched = await EtcdServerStores.OpenAsync(address with { Members = [("127.0.0.1", relay.Port)] });
        var first = await direct.CommitAsync(Number(0), CancellationToken.None);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        await Assert.ThrowsAsync<RevisionCompactedException>(async () =>
        {
            await foreach (var batch in watched.WatchAsync("/", new Revision(first.At.Value - 1), deadline.Token))
            {
                relay.Cut();
                await direct.CommitAsync(Number(1), CancellationToken.None);
                await direct.CommitAsync(Number(2), CancellationToken.None);
                var last = await direct.CommitAsync(Number(3), CancellationToken.None);
                await direct.CompactAsync(last.At, CancellationToken.None);
                relay.Mend();
            }
        });
    }

    private static Transaction Number(int number) => new([], [new Write("/number", Encoding.UTF8.GetBytes(number.ToString(CultureInfo.InvariantCulture)))]);

    /// <summary>Writes 0 to 9 before the fault and 10 to 19 after it, and expects the watch to bring each once, in order, with what the fault wrote between.</summary>
    internal static async Task WatchedAsync(IStore writer, IStore watched, Func<Task> fault, int? during = null)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        var start = (await watched.RangeAsync(new RangeQuery("/", "/0"), deadline.Token)).At;
        for (int number = 0; number < 10; number++) await writer.CommitAsync(Number(number), deadline.Token);
        var seen = new List<int>();
        Task? writing = null;
        var expected = Enumerable.Range(0, 10).Concat(during is { } between ? [between] : Array.Empty<int>()).Concat(Enumerable.Range(10, 10)).ToList();
        await foreach (var batch in watched.WatchAsync("/", start, deadline.Token))
        {
            seen.AddRange(batch.Changes.Select(change => int.Parse(Encoding.UTF8.GetString(change.Value!.Value.Span), CultureInfo.InvariantCulture)));
            if (seen.Count >= 10) writing ??= Task.Run(async () =>
            {
                await fault();
                for (int number = 10; number < 20; number++) await InsistAsync(writer, number, deadline.Token);
            });
            if (seen.Count >= expected.Count) break;
        }
        await writing!;
        Assert.Equal(expected, seen);
    }

    private static async Task InsistAsync(IStore store, int number, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await store.CommitAsync(Number(number), cancellationToken);
                return;
            }
            catch (StoreUnavailableException)
            {
                cancellationToken.ThrowIfCancellationRequested(); // refused before it was sent: the server is starting
            }
        }
    }
}

public sealed class EtcdAddressTests
{
    [Theory]
    [InlineData("etcd://127.0.0.1:2379", "etcd://127.0.0.1:2379/eyrie")]
    [InlineData("etcd://a:1,b.c:2/x", "etcd://a:1,b.c:2/x")]
    public void An_address_has_members_and_a_prefix(string text, string expected) => Assert.Equal(expected, EtcdAddress.Parse(text)!.ToString());

    [Fact]
    public void Files_and_a_user_come_with_it()
    {
        var address = EtcdAddress.Parse("etcds://ann@a:1,b:2/x?ca=/c.pem&cert=/d.pem&key=/e%20f.key&password-file=/p")!;
        Assert.Equal(("etcds://ann@a:1,b:2/x", new EtcdTls("/c.pem", "/d.pem", "/e f.key"), new EtcdUser("ann", "/p")), (address.ToString(), address.Tls, address.User));
    }

    [Theory]
    [InlineData("etcd://ann:secret@a:1?password-file=/p", "a password does not belong into the address")]
    [InlineData("etcd://ann@a:1", "user ann needs a password: ?password-file=FILE")]
    [InlineData("etcd://a:1?password-file=/p", "password-file needs a user")]
    [InlineData("etcd://a:1?ca=/c", "ca, cert and key are of TLS: write etcds://")]
    [InlineData("etcds://a:1?cert=/c", "cert and key go together")]
    [InlineData("etcds://a:1?ca=c.pem", "ca=\"c.pem\" is not the absolute path of a file")]
    [InlineData("etcds://a:1?cacert=/c", "\"cacert\" is none of ca, cert, key and password-file")]
    [InlineData("etcds://a:1?ca=/c&ca=/d", "ca is there twice")]
    [InlineData("etcd://ann:secret@a", "\"...@a\" is not etcd[s]://")]
    public void What_is_wrong_with_an_address_is_said(string text, string why) => Assert.StartsWith(why, EtcdAddress.Read(text).Problem, StringComparison.Ordinal);

    [Theory]
    [InlineData("etcd://")]
    [InlineData("etcd://host")]
    [InlineData("etcd://host:99999")]
    [InlineData("http://host:1")]
    [InlineData("etcd://host:1/a/b")]
    public void What_is_no_address_is_refused(string text) => Assert.Null(EtcdAddress.Parse(text));
}
