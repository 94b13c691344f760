using System.Diagnostics;

namespace Eyrie.EndToEnd.Tests;

/// <summary>Real programs with a deadline.</summary>
public static class Shell
{
    public static string Root => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../.."));

    public static async Task<(int Code, string Output)> RunAsync(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Root };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(3));
        var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
        var errors = process.StandardError.ReadToEndAsync(deadline.Token);
        await process.WaitForExitAsync(deadline.Token);
        return (process.ExitCode, await output + await errors);
    }

    /// <summary>So long that only what does not come at all is given up.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Runs until the output satisfies; after the deadline says what it saw last. Pauses as long as a look took, so that looking leaves the processors to what is waited for.</summary>
    public static async Task<string> UntilAsync(Func<Task<(int Code, string Output)>> run, Func<string, bool> wanted, string waitingFor)
    {
        long started = Stopwatch.GetTimestamp();
        while (true)
        {
            long begun = Stopwatch.GetTimestamp();
            var (_, output) = await run();
            if (wanted(output)) return output;
            if (Stopwatch.GetElapsedTime(started) > Patience) throw new TimeoutException($"waited {Patience.TotalSeconds} s for {waitingFor}; saw last:\n{output}");
            await Task.Delay(TimeSpan.FromMilliseconds(Math.Clamp(Stopwatch.GetElapsedTime(begun).TotalMilliseconds, 20, 200)));
        }
    }
}
