namespace Eyrie.Manifests.Permissions;

/// <summary>Signals that one container may send another, by the names of signal(7) without SIG, and their numbers on x86-64.</summary>
public static class SignalNames
{
    private static readonly (string Name, int Number)[] All =
    [
        ("HUP", 1), ("INT", 2), ("QUIT", 3), ("ABRT", 6), ("KILL", 9), ("USR1", 10), ("USR2", 12), ("ALRM", 14), ("TERM", 15), ("CONT", 18), ("STOP", 19), ("TSTP", 20), ("TTIN", 21), ("TTOU", 22), ("WINCH", 28),
    ];

    public static string Known => string.Join(", ", All.Select(signal => signal.Name));

    /// <summary>With or without SIG; null: none of them.</summary>
    public static int? Number(string name) => All.FirstOrDefault(signal => signal.Name == Plain(name)) is { Number: > 0 } found ? found.Number : null;

    public static string Plain(string name) => name.StartsWith("SIG", StringComparison.Ordinal) ? name[3..] : name;

    /// <summary>As an entry lists them: each once, by number, with commas between.</summary>
    public static string Listed(IEnumerable<string> names) => string.Join(',', names.Select(Plain).Distinct().OrderBy(Number));
}
