using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;

namespace Eyrie.ControlPlane.Store;

/// <summary>The embedded store's writes, prepared once. For its one writer.</summary>
internal sealed class Statements : IDisposable
{
    private readonly SqliteCommand _put, _remove, _record, _mark, _grant, _end, _bind, _unbind;

    public Statements(SqliteConnection connection)
    {
        _put = Prepare(connection, "INSERT INTO entries VALUES($key, $value, $created, $revision) ON CONFLICT(key) DO UPDATE SET value = $value, modified = $revision", "$key", "$value", "$created", "$revision");
        _remove = Prepare(connection, "DELETE FROM entries WHERE key = $key", "$key");
        _record = Prepare(connection, "INSERT INTO changes VALUES($revision, $position, $key, $value, $previous, $created, $previousModified)", "$revision", "$position", "$key", "$value", "$previous", "$created", "$previousModified");
        _mark = Prepare(connection, "INSERT INTO marks VALUES($name, $revision) ON CONFLICT(name) DO UPDATE SET revision = $revision", "$name", "$revision");
        _grant = Prepare(connection, "INSERT INTO leases VALUES($lease, $milliseconds)", "$lease", "$milliseconds");
        _end = Prepare(connection, "DELETE FROM leases WHERE lease = $lease", "$lease");
        _bind = Prepare(connection, "INSERT INTO bound VALUES($key, $lease) ON CONFLICT(key) DO UPDATE SET lease = $lease", "$key", "$lease");
        _unbind = Prepare(connection, "DELETE FROM bound WHERE key = $key", "$key");
    }

    private static SqliteCommand Prepare(SqliteConnection connection, string text, params string[] parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = text;
        foreach (var name in parameters) command.Parameters.Add(new SqliteParameter { ParameterName = name });
        return command;
    }

    public void Put(SqliteTransaction transaction, StoreChange change, ReadOnlyMemory<byte> value) => Run(_put, transaction, change.Key, Bytes(value), change.Created.Value, change.At.Value);

    public void Remove(SqliteTransaction transaction, string key) => Run(_remove, transaction, key);

    public void Record(SqliteTransaction transaction, StoreChange change, int position) =>
        Run(_record, transaction, change.At.Value, position, change.Key, Bytes(change.Value), Bytes(change.Previous), change.Created.Value, change.PreviousModified.Value);

    public void Mark(SqliteTransaction transaction, string name, Revision revision) => Run(_mark, transaction, name, revision.Value);

    public void Grant(SqliteTransaction transaction, LeaseId lease, TimeSpan lasts) => Run(_grant, transaction, lease.Value, (long)lasts.TotalMilliseconds);

    public void End(SqliteTransaction transaction, LeaseId lease) => Run(_end, transaction, lease.Value);

    public void Bind(SqliteTransaction transaction, string key, LeaseId lease) => Run(_bind, transaction, key, lease.Value);

    public void Unbind(SqliteTransaction transaction, string key) => Run(_unbind, transaction, key);

    private static void Run(SqliteCommand command, SqliteTransaction transaction, params ReadOnlySpan<object> values)
    {
        command.Transaction = transaction;
        for (int i = 0; i < values.Length; i++) command.Parameters[i].Value = values[i];
        command.ExecuteNonQuery();
    }

    /// <summary>The array itself when the memory is a whole one: values are written as they were handed in.</summary>
    private static object Bytes(ReadOnlyMemory<byte>? value) => value is not { } bytes ? DBNull.Value
        : MemoryMarshal.TryGetArray(bytes, out var segment) && segment.Array is { } array && segment.Offset == 0 && segment.Count == array.Length ? array : bytes.ToArray();

    public void Dispose()
    {
        foreach (var command in new[] { _put, _remove, _record, _mark, _grant, _end, _bind, _unbind }) command.Dispose();
    }
}
