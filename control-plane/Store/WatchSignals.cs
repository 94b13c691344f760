using System.Collections.Concurrent;

namespace Eyrie.ControlPlane.Store;

/// <summary>
/// Wakes who watches a prefix when something under it has changed. Everybody else learns of the progress a little later and together: a write that woke the watchers of every kind would cost
/// the more the more kinds and clients there are.
/// </summary>
internal sealed class WatchSignals : IDisposable
{
    /// <summary>How long progress alone may be kept back.</summary>
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(100);

    private readonly ConcurrentDictionary<string, ChangeSignal> _signals = new(StringComparer.Ordinal);
    private readonly Timer _progress;
    private int _waiting;

    public WatchSignals() => _progress = new Timer(_ =>
    {
        Volatile.Write(ref _waiting, 0); // first: what comes from now on has a turn of its own
        RaiseAll();
    });

    /// <summary>What a watcher of a prefix waits for.</summary>
    public ChangeSignal Of(string prefix) => _signals.GetOrAdd(prefix, _ => new ChangeSignal());

    /// <summary>These keys have changed, and the store has a newer revision.</summary>
    public void Raise(IReadOnlyCollection<string> keys)
    {
        foreach (var (prefix, signal) in _signals)
            if (keys.Any(key => key.StartsWith(prefix, StringComparison.Ordinal))) signal.Raise();
        if (Interlocked.Exchange(ref _waiting, 1) == 0) _progress.Once(Pace);
    }

    /// <summary>Everything may be another.</summary>
    public void RaiseAll()
    {
        foreach (var signal in _signals.Values) signal.Raise();
    }

    public void Dispose() => _progress.Dispose();
}
