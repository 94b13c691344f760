using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Host;

/// <summary>Backup over HTTP while the control plane runs; restore and move, which want it stopped, as commands of its own.</summary>
public static class Backup
{
    public const string Usage = "eyrie-control-plane restore --state-dir DIR --from FILE\neyrie-control-plane move --state-dir DIR --to " + EtcdAddress.Form;

    public static void MapEyrieBackup(this IEndpointRouteBuilder routes, string stateDirectory) => routes.MapGet("/eyrie/backup", async (IStore store, HttpContext context) =>
    {
        if (store is not EmbeddedStore embedded)
        {
            var refusal = new StatusException(409, "Conflict", "this cluster's objects are in etcd: back it up with etcdctl snapshot save");
            return Results.Text(refusal.ToStatus().ToJsonString(), "application/json", statusCode: 409);
        }
        var file = Path.Combine(stateDirectory, $"backup-{Guid.NewGuid():N}.db");
        await embedded.BackupAsync(file, context.RequestAborted);
        // Removed when the answer has been sent, or when the client has gone.
        return Results.Stream(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.None, 1 << 16, FileOptions.DeleteOnClose), "application/vnd.sqlite3");
    });

    /// <summary>Exit code; null when the arguments are none of these commands.</summary>
    public static async Task<int?> RunAsync(string[] arguments)
    {
        try
        {
            switch (arguments)
            {
                case ["restore", "--state-dir", var directory, "--from", var file]:
                    EmbeddedStore.Restore(file, StoreFile(directory));
                    return 0;
                case ["move", "--state-dir", var directory, "--to", var address]:
                    var (found, wrong) = EtcdAddress.Read(address);
                    if (found is not { } etcd) throw new StoreUnavailableException(wrong);
                    if (!File.Exists(StoreFile(directory))) throw new StoreUnavailableException($"{StoreFile(directory)}: there is no embedded store");
                    await using (var source = EmbeddedStore.Open(StoreFile(directory)))
                    await using (var target = await EtcdStore.OpenAsync(etcd, CancellationToken.None))
                        Console.WriteLine(await StoreCopy.RunAsync(source, target, CancellationToken.None));
                    return 0;
                case ["restore" or "move", ..]:
                    await Console.Error.WriteLineAsync(Usage);
                    return 2;
                default: return null;
            }
        }
        catch (StoreUnavailableException exception)
        {
            await Console.Error.WriteLineAsync(exception.Message);
            return 1;
        }
    }

    public static string StoreFile(string stateDirectory) => Path.Combine(stateDirectory, "store.db");
}
