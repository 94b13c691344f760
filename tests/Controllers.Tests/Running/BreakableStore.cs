using System.Runtime.CompilerServices;
using Eyrie.ControlPlane.Store;

namespace Eyrie.Controllers.Tests.Running;

/// <summary>The store in memory, whose watches a test can cut.</summary>
public sealed class BreakableStore : IStore
{
    private readonly ModelStore _inner = new();
    private CancellationTokenSource _cut = new();

    /// <summary>Every watch ends with a failure now; new ones work.</summary>
    public void CutWatches() => Interlocked.Exchange(ref _cut, new CancellationTokenSource()).Cancel();

    public Task<RangeResult> RangeAsync(RangeQuery query, CancellationToken cancellationToken) => _inner.RangeAsync(query, cancellationToken);

    public Task<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken) => _inner.CommitAsync(transaction, cancellationToken);

    public Task CompactAsync(Revision before, CancellationToken cancellationToken) => _inner.CompactAsync(before, cancellationToken);

    public Task<LeaseId> GrantAsync(TimeSpan lasts, CancellationToken cancellationToken) => _inner.GrantAsync(lasts, cancellationToken);

    public Task<bool> KeepAliveAsync(LeaseId lease, CancellationToken cancellationToken) => _inner.KeepAliveAsync(lease, cancellationToken);

    public Task RevokeAsync(LeaseId lease, CancellationToken cancellationToken) => _inner.RevokeAsync(lease, cancellationToken);

    public async IAsyncEnumerable<WatchBatch> WatchAsync(string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var cut = _cut.Token;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cut, cancellationToken);
        await using var batches = _inner.WatchAsync(prefix, after, either.Token).GetAsyncEnumerator(either.Token);
        while (true)
        {
            try
            {
                if (!await batches.MoveNextAsync()) yield break;
            }
            catch (OperationCanceledException) when (cut.IsCancellationRequested)
            {
                throw new StoreUnavailableException("the watch was cut", new IOException("cut"));
            }
            yield return batches.Current;
        }
    }

    public ValueTask DisposeAsync() => _inner.DisposeAsync();
}
