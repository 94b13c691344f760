using System.Diagnostics;
using System.Globalization;

namespace Eyrie.Benchmarks;

/// <summary>Durations of one thing done many times.</summary>
public sealed class Samples(string name)
{
    private readonly List<TimeSpan> _taken = [];

    private List<TimeSpan> Sorted()
    {
        _taken.Sort();
        return _taken;
    }

    public string Name { get; } = name;

    public async Task TakeAsync(Func<Task> work)
    {
        long start = Stopwatch.GetTimestamp();
        await work();
        _taken.Add(Stopwatch.GetElapsedTime(start));
    }

    public int Count => _taken.Count;

    public void Add(TimeSpan taken) => _taken.Add(taken);

    public void Add(Samples others) => _taken.AddRange(others._taken);

    /// <summary>Nearest rank: the smallest sample that so much of all samples do not exceed.</summary>
    public TimeSpan Percentile(double share) => Sorted()[Math.Clamp((int)Math.Ceiling(share * _taken.Count) - 1, 0, _taken.Count - 1)];

    /// <summary>A row of a Markdown table: what, median, p99, slowest, how many.</summary>
    public string Row() => string.Create(CultureInfo.InvariantCulture, $"| {Name} | {Words(Percentile(0.5))} | {Words(Percentile(0.99))} | {Words(Percentile(1))} | {_taken.Count} |");

    public static string Header => "| | median | p99 | slowest | runs |\n|---|---|---|---|---|";

    private static string Words(TimeSpan time) => time.TotalSeconds >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.00} s")
        : time.TotalMilliseconds >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.0} ms") : string.Create(CultureInfo.InvariantCulture, $"{time.TotalMicroseconds:0} µs");
}
