using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;

namespace Eyrie.Programs;

/// <summary>Root folders that <c>tests/Programs/pack</c> made, kept for as long as what stands in <c>tests/Programs</c> stays the same.</summary>
public static class PackedPrograms
{
    public static IReadOnlyList<string> Names { get; } = ["busybox", "redis", "nginx", "postgres", "python", "dotnet", "dotnet-aot", "java", "go", "etcd"];

    /// <summary>The folder of a program, packed now if it is not there.</summary>
    /// <param name="root">Root of the source tree.</param>
    /// <exception cref="InvalidOperationException">It cannot be packed; the message holds what the script printed.</exception>
    public static async Task<string> FolderAsync(string root, string name)
    {
        var home = Path.Combine(Environment.GetEnvironmentVariable("XDG_CACHE_HOME") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"), "eyrie/programs", Digest(Path.Combine(root, "tests/Programs")));
        var folder = Path.Combine(home, name);
        if (Directory.Exists(folder)) return folder;
        Directory.CreateDirectory(home);
        var made = Path.Combine(home, $".{name}-{Guid.NewGuid():N}");
        var (code, output) = await RunAsync(Path.Combine(root, "tests/Programs/pack"), [name, made]);
        if (code != 0) throw new InvalidOperationException($"tests/Programs/pack {name} ended with {code}:\n{output}");
        if (!Directory.Exists(folder)) Directory.Move(made, folder);
        return folder;
    }

    /// <summary>One of the packed clients on the host, in its own root.</summary>
    /// <param name="clients">The folder that <c>pack clients</c> made.</param>
    public static Task<(int Code, string Output)> ClientAsync(string clients, IEnumerable<string> command, CancellationToken cancellation = default) =>
        RunAsync("chroot", ["--userspec=65534:65534", clients, .. command], cancellation);

    public static async Task<(int Code, string Output)> RunAsync(string program, IEnumerable<string> arguments, CancellationToken cancellation = default)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        start.Environment["PGUSER"] = "postgres";
        start.Environment["ETCDCTL_API"] = "3";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(cancellation);
        var output = await process.StandardOutput.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        return (process.ExitCode, output + await errors);
    }

    private static string Digest(string folder)
    {
        var text = new StringBuilder();
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.Contains("/bin/", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
            if (!file.EndsWith("PackedPrograms.cs", StringComparison.Ordinal)) text.Append(Path.GetRelativePath(folder, file)).Append('\n').Append(File.ReadAllText(file)).Append('\n');
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())))[..16];
    }
}
