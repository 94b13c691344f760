using System.Diagnostics.CodeAnalysis;

namespace Eyrie.ControlPlane.Resources;

/// <summary>
/// What was made of the latest keys, by reference. It holds no more than it was made for, so that what everybody has read is garbage again soon: what lives until the store's
/// history is compacted was about half of what a busy control plane held.
/// </summary>
/// <param name="capacity">Most values; the oldest goes first.</param>
internal sealed class Recent<TKey, TValue>(int capacity) where TKey : class
{
    private readonly Lock _lock = new();
    private readonly Dictionary<TKey, TValue> _values = new(capacity, ReferenceEqualityComparer.Instance);
    private readonly TKey?[] _order = new TKey?[capacity];
    private int _next;

    /// <summary>The value of a key, made when it is not held. Making it must be cheap: others wait.</summary>
    public TValue GetOrAdd(TKey key, Func<TKey, TValue> make)
    {
        lock (_lock)
        {
            if (_values.TryGetValue(key, out var held)) return held;
            var made = make(key);
            Add(key, made);
            return made;
        }
    }

    public void Set(TKey key, TValue value)
    {
        lock (_lock) Add(key, value);
    }

    /// <summary>Takes a value out.</summary>
    public bool Take(TKey key, [MaybeNullWhen(false)] out TValue value)
    {
        lock (_lock) return _values.Remove(key, out value);
    }

    private void Add(TKey key, TValue value)
    {
        if (_order[_next] is { } oldest) _values.Remove(oldest);
        (_order[_next], _next) = (key, (_next + 1) % _order.Length);
        _values[key] = value;
    }
}
