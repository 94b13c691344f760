using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Eyrie.Cli;

/// <summary>Backup of a running cluster's objects; restore, and the move to etcd, of one that is down.</summary>
public static class Backups
{
    public static async Task BackupAsync(Cluster cluster, string file)
    {
        if (File.Exists(file)) throw new Failure($"{file} exists already; name a new file");
        using var response = await cluster.Http.GetAsync("/eyrie/backup", HttpCompletionOption.ResponseHeadersRead);
        if (!response.IsSuccessStatusCode) throw new Failure(JsonNode.Parse(await response.Content.ReadAsStringAsync())?["message"]?.ToString() ?? $"the server answered {(int)response.StatusCode}");
        var part = file + ".part";
        try
        {
            await using (var output = new FileStream(part, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
                await response.Content.CopyToAsync(output);
            File.Move(part, file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or HttpRequestException)
        {
            File.Delete(part);
            throw new Failure($"{file}: {exception.Message}");
        }
    }

    public static async Task RestoreAsync(LocalCluster cluster, string stateDirectory, string file)
    {
        using var stopped = cluster.Stopped();
        Directory.CreateDirectory(stateDirectory);
        await RunAsync("restore", "--state-dir", stateDirectory, "--from", Path.GetFullPath(file));
    }

    /// <summary>Copies every object to an etcd and starts with that one from now on; the file stays where it is.</summary>
    public static async Task<string> MoveAsync(LocalCluster cluster, string stateDirectory, string address)
    {
        using var stopped = cluster.Stopped();
        if (cluster.Store is { } store && store != "embedded") throw new Failure($"this cluster's objects are in {store} already");
        var count = await RunAsync("move", "--state-dir", stateDirectory, "--to", address);
        cluster.Store = address;
        return count.Trim();
    }

    private static async Task<string> RunAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(LocalCluster.DotNet, [LocalCluster.ControlPlane, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new Failure((await errors).Trim());
    }
}
