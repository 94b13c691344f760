namespace Eyrie.EndToEnd.Tests;

/// <summary>The kubectl of this machine, and other versions that stand beside it (<c>kubectl.1.27</c> and the like).</summary>
public static class KubectlPrograms
{
    public static IReadOnlyList<string> All { get; } = Find();

    /// <summary>The oldest and the newest of them.</summary>
    public static IReadOnlyList<string> Ends => [.. new[] { All[Math.Min(1, All.Count - 1)], All[^1] }.Distinct()];

    private static List<string> Find()
    {
        var found = Environment.GetEnvironmentVariable("PATH")!.Split(':').Select(folder => Path.Combine(folder, "kubectl")).First(File.Exists);
        var real = File.ResolveLinkTarget(found, true)?.FullName ?? found;
        return ["kubectl", .. Directory.EnumerateFiles(Path.GetDirectoryName(real)!, "kubectl.1.*").Order(StringComparer.Ordinal)];
    }
}
