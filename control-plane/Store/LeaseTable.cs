namespace Eyrie.ControlPlane.Store;

/// <summary>The leases of a store in this process, and the keys under each. Time is an argument: milliseconds of a clock that only goes forward. Safe for concurrent use.</summary>
internal sealed class LeaseTable
{
    private sealed class Held(TimeSpan lasts)
    {
        public TimeSpan Lasts => lasts;
        public HashSet<string> Keys { get; } = new(StringComparer.Ordinal);
        public long Until { get; set; }
    }

    private readonly Lock _lock = new();
    private readonly Dictionary<LeaseId, Held> _leases = [];
    private readonly Dictionary<string, LeaseId> _bound = new(StringComparer.Ordinal);

    public void Grant(LeaseId lease, TimeSpan lasts, long now)
    {
        lock (_lock) _leases[lease] = new Held(lasts) { Until = now + (long)lasts.TotalMilliseconds };
    }

    /// <summary>Its time begins anew. False: there is no such lease any more.</summary>
    public bool KeepAlive(LeaseId lease, long now)
    {
        lock (_lock)
        {
            if (!_leases.TryGetValue(lease, out var held)) return false;
            held.Until = now + (long)held.Lasts.TotalMilliseconds;
            return true;
        }
    }

    public bool Has(LeaseId lease)
    {
        lock (_lock) return lease == LeaseId.None || _leases.ContainsKey(lease);
    }

    /// <summary>The lease that a key is under.</summary>
    public LeaseId Of(string key)
    {
        lock (_lock) return _bound.GetValueOrDefault(key);
    }

    /// <summary>A key that was written is under the lease of that write, and under no other.</summary>
    public void Bind(string key, LeaseId lease)
    {
        lock (_lock)
        {
            if (_bound.Remove(key, out var before) && _leases.TryGetValue(before, out var left)) left.Keys.Remove(key);
            if (lease == LeaseId.None || !_leases.TryGetValue(lease, out var held)) return;
            held.Keys.Add(key);
            _bound[key] = lease;
        }
    }

    /// <summary>Keys that go with the lease.</summary>
    public IReadOnlyList<string> Keys(LeaseId lease)
    {
        lock (_lock) return _leases.TryGetValue(lease, out var held) ? [.. held.Keys] : [];
    }

    public void Remove(LeaseId lease)
    {
        lock (_lock)
        {
            if (!_leases.Remove(lease, out var held)) return;
            foreach (var key in held.Keys) _bound.Remove(key);
        }
    }

    public IReadOnlyList<LeaseId> Over(long now)
    {
        lock (_lock) return [.. _leases.Where(pair => pair.Value.Until <= now).Select(pair => pair.Key)];
    }

    public bool IsOver(LeaseId lease, long now)
    {
        lock (_lock) return _leases.TryGetValue(lease, out var held) && held.Until <= now;
    }

    /// <summary>When the next one ends; null: there is none.</summary>
    public long? Next()
    {
        lock (_lock) return _leases.Count == 0 ? null : _leases.Values.Min(held => held.Until);
    }

    public void Clear()
    {
        lock (_lock)
        {
            _leases.Clear();
            _bound.Clear();
        }
    }
}

/// <summary>Tells of leases of a table that are over, when they are. While there is none it sleeps.</summary>
internal sealed class LeaseClock : IDisposable
{
    private readonly LeaseTable _table;
    private readonly Timer _timer;

    /// <param name="table">Whose leases.</param>
    /// <param name="over">Told of each that is over, again and again until it is removed.</param>
    public LeaseClock(LeaseTable table, Action<LeaseId> over)
    {
        _table = table;
        _timer = new Timer(_ =>
        {
            foreach (var lease in table.Over(Now)) over(lease);
            Set();
        });
    }

    public static long Now => Environment.TickCount64;

    /// <summary>There may be another one that is next.</summary>
    public void Set()
    {
        if (_table.Next() is { } next) _timer.Once(TimeSpan.FromMilliseconds(Math.Clamp(next - Now, 100, int.MaxValue)));
    }

    public void Dispose() => _timer.Dispose();
}
