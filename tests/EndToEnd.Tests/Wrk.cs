using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>What a wrk counted.</summary>
/// <param name="Unsent">Connects and writes that failed, and requests without an answer in time.</param>
/// <param name="Broken">Requests that were sent and whose connection ended before the answer.</param>
/// <param name="Answered">Answers other than 2xx and 3xx.</param>
public sealed record WrkReport(string Text, int Requests, int Unsent, int Broken, int Answered)
{
    public void Fine()
    {
        Assert.True(Requests > 100, Text);
        Assert.True(Answered == 0, Text);
        Assert.True(Unsent == 0, Text);
        Assert.True(Broken == 0, Text);
    }
}

/// <summary>Two of them: one keeps its connections, one makes a new one for every request.</summary>
public sealed partial class Wrk : IAsyncDisposable
{
    private const int Connections = 4;
    private readonly List<(Process Process, Task<string> Output)> _running = [];

    public Wrk(string address)
    {
        foreach (var headers in new[] { "Connection: keep-alive", "Connection: close" })
        {
            var start = new ProcessStartInfo("wrk", ["-t1", $"-c{Connections}", "-d300s", "--timeout", "5s", "-H", headers, address]) { RedirectStandardOutput = true };
            var process = Process.Start(start)!;
            _running.Add((process, process.StandardOutput.ReadToEndAsync()));
        }
    }

    /// <summary>Interrupts them, which makes them report.</summary>
    public async Task<IReadOnlyList<WrkReport>> EndAsync()
    {
        var reports = new List<WrkReport>();
        foreach (var (process, output) in _running)
        {
            await Shell.RunAsync("kill", ["-INT", process.Id.ToString(CultureInfo.InvariantCulture)]);
            var text = await output;
            int Count(Regex pattern) => pattern.Match(text) is { Success: true } match ? match.Groups.Cast<Group>().Skip(1).Sum(group => int.Parse(group.Value, CultureInfo.InvariantCulture)) : 0;
            reports.Add(new WrkReport(text, Count(Requests()), Count(Unsent()), Count(Broken()), Count(Answers())));
        }
        return reports;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var (process, _) in _running)
        {
            if (!process.HasExited) process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
        }
    }

    [GeneratedRegex("([0-9]+) requests in")]
    private static partial Regex Requests();

    [GeneratedRegex("connect ([0-9]+), read [0-9]+, write ([0-9]+), timeout ([0-9]+)")]
    private static partial Regex Unsent();

    [GeneratedRegex("connect [0-9]+, read ([0-9]+)")]
    private static partial Regex Broken();

    [GeneratedRegex("Non-2xx or 3xx responses: ([0-9]+)")]
    private static partial Regex Answers();
}
