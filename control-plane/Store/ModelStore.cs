using System.Runtime.CompilerServices;

namespace Eyrie.ControlPlane.Store;

/// <summary>The seam's meaning in memory: what the other implementations are held to, and a store for tests. Keeps nothing.</summary>
public sealed class ModelStore : IStore
{
    private readonly Lock _lock = new();
    private readonly History _history = new();
    private readonly WatchSignals _changed = new();

    public Task<RangeResult> RangeAsync(RangeQuery query, CancellationToken cancellationToken)
    {
        lock (_lock) return Task.FromResult(_history.Range(query));
    }

    public Task<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        CommitResult result;
        IReadOnlyList<StoreChange> changes;
        lock (_lock) result = _history.Commit(transaction, out changes);
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

    public ValueTask DisposeAsync()
    {
        _changed.Dispose();
        return ValueTask.CompletedTask;
    }
}
