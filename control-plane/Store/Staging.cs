namespace Eyrie.ControlPlane.Store;

/// <summary>
/// What a group of transactions would do to a history, without doing it: the disk is written from here, and only then the history follows. Read without
/// a lock, which is safe because the one writer is also the only one who changes the history.
/// </summary>
internal sealed class Staging(History history)
{
    private readonly Dictionary<string, StoreEntry?> _entries = new(StringComparer.Ordinal);

    public Revision Current { get; private set; } = history.Current;

    private StoreEntry? Find(string key) => _entries.TryGetValue(key, out var entry) ? entry : history.Find(key);

    public CommitResult Commit(Transaction transaction, out IReadOnlyList<StoreChange> changes)
    {
        changes = [];
        if (!transaction.Compares.All(compare => (Find(compare.Key)?.Modified ?? Revision.Zero) == compare.Modified)) return new CommitResult(false, Current);
        var made = History.Changes(transaction, new Revision(Current.Value + 1), Find);
        if (made.Count == 0) return new CommitResult(true, Current);
        Current = made[0].At;
        foreach (var change in made)
            _entries[change.Key] = change.Value is { } value ? new StoreEntry(change.Key, value, change.Created, change.At) : null;
        changes = made;
        return new CommitResult(true, Current);
    }
}
