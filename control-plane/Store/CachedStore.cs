using System.Runtime.CompilerServices;

namespace Eyrie.ControlPlane.Store;

/// <summary>
/// In front of a store that is far away: one watch of it keeps all keys and recent history in memory, and reads and watches are served from there. A read waits until the
/// memory has seen every write that this process was told is committed, so a process reads its own writes; writes of other processes are seen as the watch
/// brings them, and compare-and-swap goes to the store itself. While the store is away, reads go on with what was last known.
/// </summary>
public sealed class CachedStore : IStore
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10), Retry = TimeSpan.FromSeconds(1);

    private readonly IStore _inner;
    private readonly Lock _lock = new();
    private readonly ChangeSignal _seen = new();
    private readonly WatchSignals _changed = new();
    private readonly CancellationTokenSource _closed = new();
    private readonly Task _following;
    private History _history;
    private long _committed;

    private CachedStore(IStore inner, History history)
    {
        (_inner, _history) = (inner, history);
        _following = Task.Run(FollowAsync);
    }

    /// <summary>Reads everything once. The inner store belongs to this one from now on.</summary>
    /// <exception cref="StoreUnavailableException">The store does not answer.</exception>
    public static async Task<CachedStore> OpenAsync(IStore inner, CancellationToken cancellationToken) => new(inner, await LoadAsync(inner, cancellationToken));

    private static async Task<History> LoadAsync(IStore inner, CancellationToken cancellationToken)
    {
        var all = await inner.RangeAsync(new RangeQuery("/", "0"), cancellationToken);
        var history = new History();
        foreach (var entry in all.Entries) history.Load(entry);
        history.Resume(all.At, all.At);
        return history;
    }

    private async Task FollowAsync()
    {
        while (!_closed.IsCancellationRequested)
        {
            try
            {
                await foreach (var batch in _inner.WatchAsync("/", _history.Current, _closed.Token))
                {
                    lock (_lock) _history.Follow(batch);
                    _seen.Raise();
                    _changed.Raise([.. batch.Changes.Select(change => change.Key)]);
                }
            }
            catch (RevisionCompactedException)
            {
                await ReloadAsync();
            }
            catch (OperationCanceledException) when (_closed.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>The store has forgotten what came after the newest revision known here: everything is read anew, and watchers of before are told.</summary>
    private async Task ReloadAsync()
    {
        try
        {
            var history = await LoadAsync(_inner, _closed.Token);
            lock (_lock) _history = history;
            _seen.Raise();
            _changed.RaiseAll();
        }
        catch (StoreUnavailableException)
        {
            await Task.Delay(Retry, _closed.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // the watch fails the same way again, and this is tried again
        }
        catch (OperationCanceledException) when (_closed.IsCancellationRequested)
        {
            // The store is closed.
        }
    }

    public async Task<RangeResult> RangeAsync(RangeQuery query, CancellationToken cancellationToken)
    {
        await CaughtUpAsync(cancellationToken);
        lock (_lock)
            if (query.At == Revision.Zero || query.At.CompareTo(_history.Compacted) >= 0) return _history.Range(query);
        return await _inner.RangeAsync(query, cancellationToken);
    }

    private async Task CaughtUpAsync(CancellationToken cancellationToken)
    {
        var until = new Revision(Interlocked.Read(ref _committed));
        if (!await SeenAsync(() => _history.Current.CompareTo(until) >= 0, Deadline, cancellationToken))
            throw new StoreUnavailableException($"revision {until} was committed but the store's watch has not brought it for {Deadline.TotalSeconds} s");
    }

    /// <summary>Waits until the memory shows something; false: it did not in time.</summary>
    private async Task<bool> SeenAsync(Func<bool> shown, TimeSpan longest, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(longest);
        while (true)
        {
            var next = _seen.Next;
            lock (_lock)
                if (shown()) return true;
            try
            {
                await next.WaitAsync(deadline.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                return false;
            }
        }
    }

    public async Task<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        var result = await _inner.CommitAsync(transaction, cancellationToken);
        if (result.Committed) Told(result.At.Value);
        else await SeenAsync(() => !_history.Holds(transaction), Retry, cancellationToken); // whoever decides anew sees what was in the way
        return result;
    }

    private void Told(long revision)
    {
        long known;
        while ((known = Interlocked.Read(ref _committed)) < revision) Interlocked.CompareExchange(ref _committed, revision, known);
    }

    public async IAsyncEnumerable<WatchBatch> WatchAsync(string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var changed = _changed.Of(prefix);
        while (true)
        {
            var next = changed.Next;
            WatchBatch batch;
            lock (_lock) batch = _history.ChangesAfter(prefix, after);
            if (batch.At.CompareTo(after) > 0)
            {
                yield return batch;
                after = batch.At;
            }
            await next.WaitAsync(cancellationToken);
        }
    }

    public async Task CompactAsync(Revision before, CancellationToken cancellationToken)
    {
        await CaughtUpAsync(cancellationToken);
        await _inner.CompactAsync(before, cancellationToken);
        lock (_lock) _history.Compact(before);
    }

    public Task<LeaseId> GrantAsync(TimeSpan lasts, CancellationToken cancellationToken) => _inner.GrantAsync(lasts, cancellationToken);

    public Task<bool> KeepAliveAsync(LeaseId lease, CancellationToken cancellationToken) => _inner.KeepAliveAsync(lease, cancellationToken);

    public async Task RevokeAsync(LeaseId lease, CancellationToken cancellationToken)
    {
        await _inner.RevokeAsync(lease, cancellationToken);
        Told((await _inner.RangeAsync(new RangeQuery("/", "/\0"), cancellationToken)).At.Value); // whoever revoked it no longer sees what was under it
    }

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync();
        await _following;
        _changed.Dispose();
        _closed.Dispose();
        await _inner.DisposeAsync();
    }
}
