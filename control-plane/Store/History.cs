namespace Eyrie.ControlPlane.Store;

/// <summary>Revisioned keys in memory: the newest state, and every change since the last compaction. Not safe for concurrent use.</summary>
internal sealed class History
{
    private readonly Dictionary<string, StoreEntry> _entries = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _order = new(StringComparer.Ordinal);
    private readonly List<StoreChange> _changes = [];

    public Revision Current { get; private set; }

    /// <summary>Bytes of values that only past changes hold.</summary>
    public long PastBytes { get; private set; }

    /// <summary>Changes up to this revision may be gone.</summary>
    public Revision Compacted { get; private set; }

    public void Load(StoreEntry entry) => Put(entry);

    private void Put(StoreEntry entry)
    {
        if (!_entries.ContainsKey(entry.Key)) _order.Add(entry.Key);
        _entries[entry.Key] = entry;
    }

    public void LoadChange(StoreChange change)
    {
        _changes.Add(change);
        PastBytes += Past(change);
    }

    private static long Past(StoreChange change) => change.Previous?.Length ?? 0;

    /// <summary>The revision in the middle of the changes held.</summary>
    public Revision Middle => _changes.Count == 0 ? Current : _changes[_changes.Count / 2].At;

    public void Resume(Revision current, Revision compacted) => (Current, Compacted) = (current, compacted);

    public RangeResult Range(RangeQuery query)
    {
        var at = query.At == Revision.Zero ? Current : query.At;
        if (string.CompareOrdinal(query.Start, query.End) >= 0) return new RangeResult([], at, 0);
        if (at == Current)
        {
            if (query.Key is { } key) return new RangeResult(Find(key) is { } entry ? [entry] : [], at, 0);
            var keys = _order.GetViewBetween(query.Start, query.End);
            var newest = (query.Limit > 0 ? Newest(keys, query.End).Take(query.Limit) : Newest(keys, query.End)).ToList();
            bool cut = query.Limit > 0 && newest.Count == query.Limit; // only then they are counted
            return new RangeResult(newest, at, cut ? keys.Count - (keys.Contains(query.End) ? 1 : 0) - newest.Count : 0);
        }
        var all = At(query);
        var entries = (query.Limit > 0 ? all.Take(query.Limit) : all).ToList();
        return new RangeResult(entries, at, all.Count - entries.Count);
    }

    private IEnumerable<StoreEntry> Newest(SortedSet<string> keys, string end) => keys.TakeWhile(key => key != end).Select(key => _entries[key]);

    /// <summary>The range at an older revision: the newest one with the changes since undone.</summary>
    private SortedDictionary<string, StoreEntry>.ValueCollection At(RangeQuery query)
    {
        if (query.At.CompareTo(Compacted) < 0) throw new RevisionCompactedException(query.At, Compacted);
        var state = new SortedDictionary<string, StoreEntry>(Newest(_order.GetViewBetween(query.Start, query.End), query.End).ToDictionary(entry => entry.Key), StringComparer.Ordinal);
        for (int i = _changes.Count - 1; i >= 0 && _changes[i].At.CompareTo(query.At) > 0; i--)
        {
            var change = _changes[i];
            if (string.CompareOrdinal(change.Key, query.Start) < 0 || string.CompareOrdinal(change.Key, query.End) >= 0) continue;
            if (change.Previous is { } previous) state[change.Key] = new StoreEntry(change.Key, previous, change.Created, change.PreviousModified);
            else state.Remove(change.Key);
        }
        return state.Values;
    }

    /// <summary>Whether every compare holds now.</summary>
    public bool Holds(Transaction transaction) =>
        transaction.Compares.All(compare => (_entries.TryGetValue(compare.Key, out var entry) ? entry.Modified : Revision.Zero) == compare.Modified);

    public CommitResult Commit(Transaction transaction, out IReadOnlyList<StoreChange> changes)
    {
        changes = [];
        if (!Holds(transaction)) return new CommitResult(false, Current);
        var made = Changes(transaction, new Revision(Current.Value + 1), Find);
        if (made.Count == 0) return new CommitResult(true, Current);
        Follow(new WatchBatch(made, made[0].At));
        changes = made;
        return new CommitResult(true, Current);
    }

    /// <summary>Takes what another store has committed: its changes in order, or its progress.</summary>
    public void Follow(WatchBatch batch)
    {
        foreach (var change in batch.Changes)
        {
            Apply(change);
            LoadChange(change);
        }
        Current = batch.At;
    }

    private void Apply(StoreChange change)
    {
        if (change.Value is { } value) Put(new StoreEntry(change.Key, value, change.Created, change.At));
        else if (_entries.Remove(change.Key)) _order.Remove(change.Key);
    }

    public StoreEntry? Find(string key) => _entries.GetValueOrDefault(key);

    /// <summary>The changes that a transaction makes at a revision. Deleting what is not there is no change.</summary>
    public static List<StoreChange> Changes(Transaction transaction, Revision revision, Func<string, StoreEntry?> find)
    {
        var made = new List<StoreChange>();
        foreach (var write in transaction.Writes)
        {
            var old = find(write.Key);
            if (write.Value is null && old is null) continue;
            made.Add(new StoreChange(write.Key, write.Value, old?.Value, old?.Created ?? revision, revision) { PreviousModified = old?.Modified ?? Revision.Zero });
        }
        return made;
    }

    public WatchBatch ChangesAfter(string prefix, Revision after)
    {
        if (after.CompareTo(Compacted) < 0) throw new RevisionCompactedException(after, Compacted);
        int low = 0, high = _changes.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_changes[middle].At.CompareTo(after) <= 0) low = middle + 1;
            else high = middle;
        }
        var found = new List<StoreChange>();
        for (int i = low; i < _changes.Count; i++)
            if (_changes[i].Key.StartsWith(prefix, StringComparison.Ordinal)) found.Add(_changes[i]);
        return new WatchBatch(found, Current);
    }

    public void Compact(Revision before)
    {
        if (before.CompareTo(Current) > 0) before = Current;
        if (before.CompareTo(Compacted) <= 0) return;
        Compacted = before;
        int gone = _changes.FindIndex(change => change.At.CompareTo(before) > 0) is var first && first >= 0 ? first : _changes.Count;
        for (int i = 0; i < gone; i++) PastBytes -= Past(_changes[i]);
        _changes.RemoveRange(0, gone);
    }
}
