using System.Globalization;

namespace Eyrie.Node.Logs;

/// <summary>The files of one run's log: the one that is written now, and beside it those before, numbered upwards as they were put aside.</summary>
public static class LogFiles
{
    /// <summary>Oldest first, the current one last; a number is greater than any that was put aside before it.</summary>
    /// <param name="current">Path of the file that is written now.</param>
    public static IReadOnlyList<string> Of(string current) => [.. Aside(current).Order().Select(number => Aside(current, number)), .. File.Exists(current) ? [current] : Array.Empty<string>()];

    /// <summary>The numbers of the files that were put aside.</summary>
    public static IReadOnlyList<int> Aside(string current)
    {
        var directory = Path.GetDirectoryName(current)!;
        if (!Directory.Exists(directory)) return [];
        var name = Path.GetFileName(current) + ".";
        // The pattern "x.*" also means "x".
        return [.. Directory.EnumerateFiles(directory, name + "*").Where(file => Path.GetFileName(file).StartsWith(name, StringComparison.Ordinal)).Select(file => int.TryParse(Path.GetFileName(file)[name.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0).Where(number => number > 0)];
    }

    public static string Aside(string current, int number) => string.Create(CultureInfo.InvariantCulture, $"{current}.{number}");

    public static void Delete(string current)
    {
        foreach (var file in Of(current)) File.Delete(file);
    }
}
