namespace Eyrie.ControlPlane.Scheduler.Counting;

/// <summary>Things with selectors, found by the labels of a pod: those whose anchor it carries, and those without one.</summary>
public sealed class Anchored<T>
{
    private readonly Dictionary<(string, string), List<T>> _anchored = [];
    private readonly List<T> _free = [];

    public void Add((string, string)? anchor, T item)
    {
        if (anchor is null) { _free.Add(item); return; }
        if (!_anchored.TryGetValue(anchor.Value, out var items)) _anchored[anchor.Value] = items = [];
        items.Add(item);
    }

    public void Remove((string, string)? anchor, T item)
    {
        if (anchor is null) _free.Remove(item);
        else if (_anchored.TryGetValue(anchor.Value, out var items) && items.Remove(item) && items.Count == 0) _anchored.Remove(anchor.Value);
    }

    public void Clear()
    {
        _anchored.Clear();
        _free.Clear();
    }

    /// <summary>All that may select; the rest does not.</summary>
    public IEnumerable<T> Perhaps(Dictionary<string, string> labels)
    {
        foreach (var item in _free) yield return item;
        if (_anchored.Count == 0) yield break;
        foreach (var (key, value) in labels)
            if (_anchored.TryGetValue((key, value), out var items))
                foreach (var item in items) yield return item;
    }
}
