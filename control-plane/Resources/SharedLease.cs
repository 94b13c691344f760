using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Resources;

/// <summary>The lease of what is to be kept for a while after it was last written, as kube-apiserver has it for Events: what is written within a sixtieth of that time shares one, so that there are few of them however much is written.</summary>
/// <param name="store">Where the leases are.</param>
/// <param name="kept">How long at least.</param>
internal sealed class SharedLease(IStore store, TimeSpan kept)
{
    private readonly TimeSpan _shared = kept / 60;

    private sealed record Granted(LeaseId Lease, long Until);

    private readonly SemaphoreSlim _turn = new(1);
    private volatile Granted? _last;

    public async ValueTask<LeaseId> CurrentAsync(CancellationToken cancellationToken)
    {
        if (_last is { } known && Environment.TickCount64 < known.Until) return known.Lease;
        await _turn.WaitAsync(cancellationToken);
        try
        {
            if (_last is { } made && Environment.TickCount64 < made.Until) return made.Lease;
            var lease = await store.GrantAsync(kept + _shared, cancellationToken);
            _last = new Granted(lease, Environment.TickCount64 + (long)_shared.TotalMilliseconds);
            return lease;
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>It is over before its time: the store is another, or somebody revoked it.</summary>
    public void Forget() => _last = null;
}
