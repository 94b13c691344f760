using Microsoft.Data.Sqlite;

namespace Eyrie.ControlPlane.Store;

/// <summary>Backup while it runs, and restore while it does not.</summary>
public sealed partial class EmbeddedStore
{
    /// <summary>Added to the revision of a restored store: revisions that clients saw after the backup was made are not given out a second time for something else.</summary>
    private const long RestoreGap = 1L << 32;

    private readonly string _path;

    /// <summary>Writes the state as of one revision to a new file, while reads and writes go on.</summary>
    /// <param name="file">Must not exist.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="StoreUnavailableException">The file cannot be written.</exception>
    public Task BackupAsync(string file, CancellationToken cancellationToken) => Task.Run(() =>
    {
        try
        {
            using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = _path, Pooling = false, Mode = SqliteOpenMode.ReadOnly }.ToString());
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "VACUUM INTO $file";
            command.Parameters.AddWithValue("$file", file);
            command.ExecuteNonQuery();
        }
        catch (SqliteException exception)
        {
            throw new StoreUnavailableException($"{file}: {exception.Message}", exception);
        }
    }, cancellationToken);

    /// <summary>
    /// Puts a backup in the place of a store that is not open. The backup is checked first; the old file is kept beside it as <c>PATH.before-restore</c>. Watches of before are told
    /// that their revision is too old.
    /// </summary>
    /// <exception cref="StoreUnavailableException">The backup is damaged or none of ours; nothing has changed.</exception>
    public static void Restore(string backup, string path)
    {
        if (!File.Exists(backup)) throw new StoreUnavailableException($"{backup}: there is no such file");
        var made = path + ".restoring";
        File.Delete(made);
        try
        {
            File.Copy(backup, made);
            using (var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = made, Pooling = false }.ToString()))
            {
                connection.Open();
                Check(connection);
                Execute(connection, $"""
                    BEGIN;
                    DELETE FROM changes;
                    UPDATE marks SET revision = revision + {RestoreGap} WHERE name = 'current';
                    INSERT INTO marks SELECT 'compacted', revision FROM marks WHERE name = 'current' ON CONFLICT(name) DO UPDATE SET revision = excluded.revision;
                    COMMIT;
                    PRAGMA wal_checkpoint(TRUNCATE);
                    """);
            }
        }
        catch (Exception exception) when (exception is SqliteException or IOException or UnauthorizedAccessException)
        {
            File.Delete(made);
            throw new StoreUnavailableException($"{backup}: {exception.Message}", exception);
        }
        foreach (var suffix in new[] { "", "-wal", "-shm" })
        {
            var kept = path + ".before-restore" + suffix;
            File.Delete(kept);
            if (File.Exists(path + suffix)) File.Move(path + suffix, kept);
        }
        File.Move(made, path);
    }

    private static void Check(SqliteConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA integrity_check";
        if (command.ExecuteScalar() as string is not "ok" and var problem) throw new IOException($"the file is damaged: {problem}");
        command.CommandText = "SELECT count(*) FROM marks WHERE name = 'current'";
        if (command.ExecuteScalar() is not 1L) throw new IOException("this is no backup of a store, or an empty one");
    }
}
