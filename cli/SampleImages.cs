using System.Diagnostics;
using System.Text.Json.Nodes;
using Eyrie.Manifests.Yaml;

namespace Eyrie.Cli;

/// <summary>
/// Images that a manifest brings along: <c>NAME.images.yaml</c> beside <c>NAME.yaml</c> says which files of which Debian packages make each image, and which of this tree, by their path from there. Those
/// that the cluster does not have are packed and imported.
/// </summary>
public static class SampleImages
{
    public static async Task EnsureAsync(Cluster cluster, string manifest, Action<string> progress)
    {
        var companion = Path.ChangeExtension(manifest, null) + ".images.yaml";
        if (!File.Exists(companion)) return;
        foreach (var document in ManifestReader.Read(await File.ReadAllTextAsync(companion), companion))
            foreach (var image in (document.Content["images"] as JsonArray ?? []).OfType<JsonObject>())
            {
                var name = image["name"]?.ToString() ?? throw new Failure($"{companion}: an image has no name");
                if (await Images.HasAsync(cluster, name)) continue;
                progress($"importing image {name}");
                foreach (var package in (image["packages"] as JsonArray ?? []).Select(node => node!.ToString())) await InstallAsync(package);
                var folder = Directory.CreateTempSubdirectory("eyrie-image-").FullName;
                try
                {
                    Fill(image, Path.GetDirectoryName(Path.GetFullPath(companion))!, folder);
                    await Images.ImportAsync(cluster, name, folder);
                }
                finally
                {
                    Directory.Delete(folder, true);
                }
            }
    }

    private static void Fill(JsonObject image, string from, string folder)
    {
        string Target(string path)
        {
            var target = Path.Combine(folder, path.TrimStart('/'));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            return target;
        }
        foreach (var (path, source) in image["files"] as JsonObject ?? []) File.Copy(Path.Combine(from, source!.ToString()), Target(path));
        foreach (var (path, target) in image["links"] as JsonObject ?? []) File.CreateSymbolicLink(Target(path), target!.ToString());
        foreach (var (path, text) in image["texts"] as JsonObject ?? []) File.WriteAllText(Target(path), text!.ToString());
        foreach (var path in (image["executables"] as JsonArray ?? []).Select(node => node!.ToString())) File.SetUnixFileMode(Target(path), (UnixFileMode)0b111_101_101);
        foreach (var path in (image["directories"] as JsonArray ?? []).Select(node => node!.ToString())) Directory.CreateDirectory(Target(path) + "/");
    }

    private static async Task InstallAsync(string package)
    {
        if (await RunAsync("dpkg", ["-s", package]) == 0) return;
        if (Environment.UserName != "root") throw new Failure($"package {package} is needed; install it with: sudo apt-get install {package}");
        if (await RunAsync("apt-get", ["install", "-y", "-qq", package]) != 0 && (await RunAsync("apt-get", ["update", "-qq"]) != 0 || await RunAsync("apt-get", ["install", "-y", "-qq", package]) != 0))
            throw new Failure($"package {package} could not be installed; try: apt-get install {package}");
    }

    private static async Task<int> RunAsync(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
