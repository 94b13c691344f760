namespace Eyrie.ControlPlane.Store;

/// <summary>A point in the history of a store. Every committed transaction has the next one; 0 is before the first.</summary>
public readonly record struct Revision(long Value) : IComparable<Revision>
{
    public static readonly Revision Zero = new(0);
    public int CompareTo(Revision other) => Value.CompareTo(other.Value);
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>One key as it stood at a revision.</summary>
public sealed record StoreEntry(string Key, ReadOnlyMemory<byte> Value, Revision Created, Revision Modified)
{
    /// <summary>What a reader made of the value and wants to find again, as long as the store holds this very entry. No part of what is stored.</summary>
    public object? Kept
    {
        get => Volatile.Read(ref _kept.Value);
        set => Volatile.Write(ref _kept.Value, value);
    }

    private readonly Slot _kept = new();

    /// <summary>Says nothing about whether two entries are equal.</summary>
    private sealed record Slot
    {
        public object? Value;
        public bool Equals(Slot? other) => other is not null;
        public override int GetHashCode() => 0;
    }
}

/// <summary>Keys in ordinal order from <paramref name="Start"/> (inclusive) to <paramref name="End"/> (exclusive).</summary>
/// <param name="Start">First key.</param>
/// <param name="End">Key after the last.</param>
/// <param name="Limit">Most entries to return; 0 is no limit.</param>
/// <param name="At">Revision to read at; zero is the newest.</param>
public sealed record RangeQuery(string Start, string End, int Limit = 0, Revision At = default)
{
    /// <summary>The one key that can be in the range; null: there may be more.</summary>
    internal string? Key => End.Length == Start.Length + 1 && End[^1] == '\0' && End.StartsWith(Start, StringComparison.Ordinal) ? Start : null;
}

/// <summary>What a range held. <paramref name="At"/> is the revision it was read at; <paramref name="Remaining"/> is how many entries the limit cut off.</summary>
public sealed record RangeResult(IReadOnlyList<StoreEntry> Entries, Revision At, long Remaining)
{
    public bool More => Remaining > 0;
}

/// <summary>The key must stand at this revision; zero: it must not exist.</summary>
public sealed record Compare(string Key, Revision Modified);

/// <summary>A write: a value, or null to delete. Under a lease the key goes when the lease does; without, a lease that it was under no longer concerns it.</summary>
public sealed record Write(string Key, ReadOnlyMemory<byte>? Value, LeaseId Lease = default);

/// <summary>All compares hold and all writes happen at one revision, or nothing happens.</summary>
public sealed record Transaction(IReadOnlyList<Compare> Compares, IReadOnlyList<Write> Writes);

/// <summary>Whether it was committed, and at which revision; when not, the newest revision seen.</summary>
public readonly record struct CommitResult(bool Committed, Revision At);

/// <summary>A change of one key. <paramref name="Value"/> is null for a deletion; <paramref name="Previous"/> is the value before, or null.</summary>
public sealed record StoreChange(string Key, ReadOnlyMemory<byte>? Value, ReadOnlyMemory<byte>? Previous, Revision Created, Revision At)
{
    /// <summary>Revision of the value before; zero when there was none, or where the store does not tell.</summary>
    internal Revision PreviousModified { get; init; }
}

/// <summary>All changes up to <paramref name="At"/>, in order. An empty batch is progress: nothing under the prefix changed until then.</summary>
public sealed record WatchBatch(IReadOnlyList<StoreChange> Changes, Revision At);

/// <summary>
/// Revisioned keys with compare-and-swap, watch from a revision, and compaction. Keys are ASCII paths such as
/// <c>/pods/default/web-1</c>. Durable when <see cref="CommitAsync"/> returns. Failures of the environment are
/// <see cref="StoreUnavailableException"/>, to be retried by the caller.
/// </summary>
public interface IStore : IAsyncDisposable
{
    /// <exception cref="RevisionCompactedException">The revision asked for is no longer held.</exception>
    Task<RangeResult> RangeAsync(RangeQuery query, CancellationToken cancellationToken);

    /// <exception cref="LeaseOverException">A write names a lease that there is not.</exception>
    Task<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken);

    /// <summary>
    /// Every change under the prefix after the revision, each once and in order, without end until cancelled. An outage of
    /// the store is waited out and resumed by revision.
    /// </summary>
    /// <exception cref="RevisionCompactedException">Changes after <paramref name="after"/> were compacted away.</exception>
    IAsyncEnumerable<WatchBatch> WatchAsync(string prefix, Revision after, CancellationToken cancellationToken);

    /// <summary>Forgets history before the revision. Entries that still exist stay.</summary>
    Task CompactAsync(Revision before, CancellationToken cancellationToken);

    /// <summary>A new lease, which is over when it has not been kept alive for so long. It and what is under it outlive a restart.</summary>
    /// <param name="lasts">At least two seconds; a store may round it up to whole seconds.</param>
    Task<LeaseId> GrantAsync(TimeSpan lasts, CancellationToken cancellationToken);

    /// <summary>The lease's time begins anew. False: it is over.</summary>
    Task<bool> KeepAliveAsync(LeaseId lease, CancellationToken cancellationToken);

    /// <summary>Ends the lease now, and with it every key under it. One that is over already stays so.</summary>
    Task RevokeAsync(LeaseId lease, CancellationToken cancellationToken);
}

/// <summary>The revision is older than the oldest one held; which that is, where the store tells.</summary>
public sealed class RevisionCompactedException(Revision asked, Revision? oldest)
    : Exception($"revision {asked} is too old: " + (oldest is { } held ? $"the oldest one held is {held}" : "it has been compacted"))
{
    public Revision Asked { get; } = asked;
    public Revision? Oldest { get; } = oldest;
}

/// <summary>The store cannot be reached or cannot write; nothing is known of the outcome.</summary>
public class StoreUnavailableException(string message, Exception? inner = null) : Exception(message, inner);
