using System.Runtime.CompilerServices;

namespace Eyrie.ControlPlane.Store;

/// <summary>The seam's meaning in memory: what the other implementations are held to, and a store for tests. Keeps nothing.</summary>
public sealed class ModelStore : IStore
{
    private readonly Lock _lock = new();
    private readonly History _history = new();
    private readonly WatchSignals _changed = new();
    private readonly LeaseTable _leases = new();
    private readonly LeaseClock _clock;
    private long _lastLease;

    public ModelStore() => _clock = new LeaseClock(_leases, lease => End(lease, true));

    public Task<RangeResult> RangeAsync(RangeQuery query, CancellationToken cancellationToken)
    {
        lock (_lock) return Task.FromResult(_history.Range(query));
    }

    public Task<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        CommitResult result;
        IReadOnlyList<StoreChange> changes;
        lock (_lock)
        {
            if (transaction.Writes.FirstOrDefault(write => !_leases.Has(write.Lease)) is { } write) throw new LeaseOverException(write.Lease);
            result = _history.Commit(transaction, out changes);
            if (result.Committed)
                foreach (var written in transaction.Writes) _leases.Bind(written.Key, written.Value is null ? LeaseId.None : written.Lease);
        }
        if (changes.Count > 0) _changed.Raise([.. changes.Select(change => change.Key)]);
        return Task.FromResult(result);
    }

    public async IAsyncEnumerable<WatchBatch> WatchAsync(string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var changed = _changed.Of(prefix);
        while (true)
        {
            var next = changed.Next;
            WatchBatch batch;
            lock (_lock) batch = _history.ChangesAfter(prefix, after);
            if (batch.At.CompareTo(after) > 0) yield return batch;
            after = batch.At;
            await next.WaitAsync(cancellationToken);
        }
    }

    public Task CompactAsync(Revision before, CancellationToken cancellationToken)
    {
        lock (_lock) _history.Compact(before);
        return Task.CompletedTask;
    }

    public Task<LeaseId> GrantAsync(TimeSpan lasts, CancellationToken cancellationToken)
    {
        var lease = new LeaseId(Interlocked.Increment(ref _lastLease));
        _leases.Grant(lease, lasts, LeaseClock.Now);
        _clock.Set();
        return Task.FromResult(lease);
    }

    public Task<bool> KeepAliveAsync(LeaseId lease, CancellationToken cancellationToken) => Task.FromResult(_leases.KeepAlive(lease, LeaseClock.Now));

    public Task RevokeAsync(LeaseId lease, CancellationToken cancellationToken)
    {
        End(lease, false);
        return Task.CompletedTask;
    }

    /// <param name="lease">The lease.</param>
    /// <param name="whenOver">Unless somebody has kept it alive.</param>
    private void End(LeaseId lease, bool whenOver)
    {
        IReadOnlyList<StoreChange> changes;
        lock (_lock)
        {
            if (whenOver && !_leases.IsOver(lease, LeaseClock.Now)) return;
            _history.Commit(new Transaction([], [.. _leases.Keys(lease).Select(key => new Write(key, null))]), out changes);
            _leases.Remove(lease);
        }
        if (changes.Count > 0) _changed.Raise([.. changes.Select(change => change.Key)]);
    }

    public ValueTask DisposeAsync()
    {
        _clock.Dispose();
        _changed.Dispose();
        return ValueTask.CompletedTask;
    }
}
