namespace Eyrie.ControlPlane.Store;

/// <summary>Revisioned keys in memory: the newest state, and every change since the last compaction. Not safe for concurrent use.</summary>
internal sealed class History
{
    private readonly SortedDictionary<string, StoreEntry> _entries = new(StringComparer.Ordinal);
    private readonly List<StoreChange> _changes = [];

    public Revision Current { get; private set; }

    /// <summary>Changes up to this revision may be gone.</summary>
    public Revision Compacted { get; private set; }

    public void Load(StoreEntry entry) => _entries[entry.Key] = entry;

    public void LoadChange(StoreChange change) => _changes.Add(change);

    public void Resume(Revision current, Revision compacted) => (Current, Compacted) = (current, compacted);

    public RangeResult Range(RangeQuery query)
    {
        IEnumerable<StoreEntry> found = query.At == Revision.Zero || query.At == Current ? _entries.Values : At(query.At);
        var entries = new List<StoreEntry>();
        foreach (var entry in found)
        {
            if (string.CompareOrdinal(entry.Key, query.Start) < 0) continue;
            if (string.CompareOrdinal(entry.Key, query.End) >= 0) break;
            if (query.Limit > 0 && entries.Count == query.Limit) return new RangeResult(entries, query.At == Revision.Zero ? Current : query.At, true);
            entries.Add(entry);
        }
        return new RangeResult(entries, query.At == Revision.Zero ? Current : query.At, false);
    }

    /// <summary>The state at an older revision: the newest one with the changes since undone.</summary>
    private IEnumerable<StoreEntry> At(Revision revision)
    {
        if (revision.CompareTo(Compacted) < 0) throw new RevisionCompactedException(revision, Compacted);
        var state = new SortedDictionary<string, StoreEntry>(_entries, StringComparer.Ordinal);
        for (int i = _changes.Count - 1; i >= 0 && _changes[i].At.CompareTo(revision) > 0; i--)
        {
            var change = _changes[i];
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
        foreach (var change in made)
        {
            if (change.Value is { } value) _entries[change.Key] = new StoreEntry(change.Key, value, change.Created, change.At);
            else _entries.Remove(change.Key);
        }
        Current = made[0].At;
        _changes.AddRange(made);
        changes = made;
        return new CommitResult(true, Current);
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
        _changes.RemoveAll(change => change.At.CompareTo(before) <= 0);
    }
}
