using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Microsoft.Data.Sqlite;

namespace Eyrie.ControlPlane.Store;

/// <summary>
/// The store in one SQLite file (write-ahead log, synchronous FULL), with the newest state and the history since the last compaction also in memory:
/// reads and watches never touch the disk. Writers that come together are committed together.
/// </summary>
public sealed partial class EmbeddedStore : IStore
{
    private sealed record Pending(Transaction Transaction, TaskCompletionSource<CommitResult> Done, Revision? Compact = null, LeaseStep? Lease = null);

    private const int MaxGroup = 1024;

    /// <summary>Past values held for watchers and reads of old revisions; beyond it the older half goes, and who is behind lists anew.</summary>
    private const long MaxPastBytes = 64 << 20;

    private readonly SqliteConnection _connection;
    private readonly Statements _statements;
    private readonly Lock _lock = new();
    private readonly History _history = new();
    private readonly WatchSignals _changed = new();
    private readonly Channel<Pending> _queue = Channel.CreateUnbounded<Pending>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Thread _writer;
    private readonly TaskCompletionSource _written = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private EmbeddedStore(SqliteConnection connection, string path)
    {
        (_connection, _path, _statements) = (connection, path, new Statements(connection));
        Load();
        _leaseClock = new LeaseClock(_leases, lease => _queue.Writer.TryWrite(Step(lease, LeaseAction.End)));
        _leaseClock.Set();
        _writer = new Thread(WriteAll) { IsBackground = true, Name = "store" }; // it waits for the disk: a thread of the pool would be missing for requests
        _writer.Start();
    }

    /// <summary>Opens or makes the file.</summary>
    /// <exception cref="StoreUnavailableException">The file cannot be opened or is not a store of this version.</exception>
    public static EmbeddedStore Open(string path)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString());
        try
        {
            connection.Open();
            Execute(connection, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=5000; PRAGMA cache_size=-32768; PRAGMA wal_autocheckpoint=4000;"); // 32 MiB of pages that are written again and again, 16 MiB of log
            Execute(connection, """
                CREATE TABLE IF NOT EXISTS entries(key TEXT PRIMARY KEY, value BLOB NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL) WITHOUT ROWID;
                CREATE TABLE IF NOT EXISTS changes(revision INTEGER NOT NULL, position INTEGER NOT NULL, key TEXT NOT NULL, value BLOB, previous BLOB,
                    created INTEGER NOT NULL, previousModified INTEGER NOT NULL, PRIMARY KEY(revision, position)) WITHOUT ROWID;
                CREATE TABLE IF NOT EXISTS leases(lease INTEGER PRIMARY KEY, milliseconds INTEGER NOT NULL);
                CREATE TABLE IF NOT EXISTS bound(key TEXT PRIMARY KEY, lease INTEGER NOT NULL) WITHOUT ROWID;
                CREATE TABLE IF NOT EXISTS marks(name TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
                """);
            return new EmbeddedStore(connection, path);
        }
        catch (SqliteException exception)
        {
            connection.Dispose();
            throw new StoreUnavailableException($"{path}: {exception.Message}", exception);
        }
    }

    private static void Execute(SqliteConnection connection, string text)
    {
        using var command = connection.CreateCommand();
        command.CommandText = text;
        command.ExecuteNonQuery();
    }

    private void Load()
    {
        using var command = _connection.CreateCommand();
        command.CommandText = "SELECT key, value, created, modified FROM entries";
        using (var reader = command.ExecuteReader())
            while (reader.Read()) _history.Load(new StoreEntry(reader.GetString(0), (byte[])reader.GetValue(1), new Revision(reader.GetInt64(2)), new Revision(reader.GetInt64(3))));
        command.CommandText = "SELECT revision, key, value, previous, created, previousModified FROM changes ORDER BY revision, position";
        using (var reader = command.ExecuteReader())
            while (reader.Read())
                _history.LoadChange(new StoreChange(reader.GetString(1), Bytes(reader, 2), Bytes(reader, 3), new Revision(reader.GetInt64(4)), new Revision(reader.GetInt64(0)))
                {
                    PreviousModified = new Revision(reader.GetInt64(5)),
                });
        _history.Resume(Mark("current"), Mark("compacted"));
        LoadLeases();
    }

    private static ReadOnlyMemory<byte>? Bytes(SqliteDataReader reader, int column) => reader.IsDBNull(column) ? (ReadOnlyMemory<byte>?)null : (byte[])reader.GetValue(column);

    private Revision Mark(string name)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = "SELECT revision FROM marks WHERE name = $name";
        command.Parameters.AddWithValue("$name", name);
        return new Revision(command.ExecuteScalar() is long value ? value : 0);
    }

    public Task<RangeResult> RangeAsync(RangeQuery query, CancellationToken cancellationToken)
    {
        lock (_lock) return Task.FromResult(_history.Range(query));
    }

    public async Task<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken)
    {
        var pending = new Pending(transaction, new TaskCompletionSource<CommitResult>(TaskCreationOptions.RunContinuationsAsynchronously));
        if (!_queue.Writer.TryWrite(pending)) throw new StoreUnavailableException("the store is closed");
        return await pending.Done.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Group commit: what has queued up while the disk was busy goes into the next transaction. Memory follows the disk, never the other way.</summary>
    private void WriteAll()
    {
        var group = new List<Pending>();
        while (_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            group.Clear();
            while (group.Count < MaxGroup && _queue.Reader.TryRead(out var pending)) group.Add(pending);
            if (_history.PastBytes > MaxPastBytes) group.Add(Compaction(_history.Middle));
            try
            {
                var results = Write(group, out var changed);
                for (int i = 0; i < group.Count; i++) group[i].Done.TrySetResult(results[i]);
                if (changed.Count > 0) _changed.Raise([.. changed.Select(change => change.Key)]);
            }
            catch (SqliteException exception)
            {
                _leasesAhead = true;
                foreach (var pending in group) pending.Done.TrySetException(new StoreUnavailableException(exception.Message, exception));
            }
        }
        _written.SetResult();
    }

    /// <param name="group">What is written together.</param>
    /// <param name="changed">What that changes.</param>
    private List<CommitResult> Write(List<Pending> group, out List<StoreChange> changed)
    {
        if (_leasesAhead) LoadLeases();
        _leasesAhead = false;
        var results = new List<CommitResult>();
        changed = [];
        var written = new List<Transaction>();
        using var transaction = _connection.BeginTransaction();
        var staged = new Staging(_history);
        foreach (var pending in group)
        {
            if (pending.Compact is { } before)
            {
                Compact(transaction, before);
                results.Add(new CommitResult(true, staged.Current));
                continue;
            }
            var asked = pending.Lease is { } step ? Take(transaction, step) : pending.Transaction;
            if (asked.Writes.FirstOrDefault(write => !_leases.Has(write.Lease)) is { } refused)
            {
                pending.Done.TrySetException(new LeaseOverException(refused.Lease));
                results.Add(default);
                continue;
            }
            var result = staged.Commit(asked, out var changes);
            for (int i = 0; i < changes.Count; i++) Persist(transaction, changes[i], i);
            if (result.Committed) Bind(transaction, asked.Writes);
            changed.AddRange(changes);
            if (changes.Count > 0) written.Add(asked);
            results.Add(result);
        }
        if (written.Count > 0) SetMark(transaction, "current", staged.Current);
        transaction.Commit();
        lock (_lock)
        {
            foreach (var committed in written) _history.Commit(committed, out _);
            foreach (var pending in group)
                if (pending.Compact is { } before) _history.Compact(before);
        }
        return results;
    }

    private void Compact(SqliteTransaction transaction, Revision before)
    {
        SetMark(transaction, "compacted", before);
        using var command = _connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = "DELETE FROM changes WHERE revision <= $revision";
        command.Parameters.AddWithValue("$revision", before.Value);
        command.ExecuteNonQuery();
    }

    private void Persist(SqliteTransaction transaction, StoreChange change, int position)
    {
        if (change.Value is { } value) _statements.Put(transaction, change, value);
        else _statements.Remove(transaction, change.Key);
        _statements.Record(transaction, change, position);
    }

    private void SetMark(SqliteTransaction transaction, string name, Revision revision) => _statements.Mark(transaction, name, revision);

    public async IAsyncEnumerable<WatchBatch> WatchAsync(string prefix, Revision after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var changed = _changed.Of(prefix);
        while (true)
        {
            var next = changed.Next;
            WatchBatch batch;
            lock (_lock) batch = _history.ChangesAfter(prefix, after);
            if (batch.At.CompareTo(after) > 0) yield return batch;
            after = batch.At;
            await next.WaitAsync(cancellationToken);
        }
    }

    public async Task CompactAsync(Revision before, CancellationToken cancellationToken)
    {
        var pending = Compaction(before);
        if (!_queue.Writer.TryWrite(pending)) throw new StoreUnavailableException("the store is closed");
        await pending.Done.Task.WaitAsync(cancellationToken);
    }

    private static Pending Compaction(Revision before) => new(new Transaction([], []), new TaskCompletionSource<CommitResult>(TaskCreationOptions.RunContinuationsAsynchronously), before);

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _written.Task;
        _leaseClock.Dispose();
        _changed.Dispose();
        _statements.Dispose();
        await _connection.DisposeAsync();
    }
}
