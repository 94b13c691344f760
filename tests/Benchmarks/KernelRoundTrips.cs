using System.Diagnostics;
using System.Globalization;

namespace Eyrie.Benchmarks;

/// <summary>There and back between two tasks of the kernel, beside a pipe and a futex between two processes of the host; on one core and on two.</summary>
public sealed class KernelRoundTrips : IBenchmark
{
    private const int Times = 5000;

    public string Name => "ipc";
    public string Description => "round trips: trap, IPC call, pipe, futex";
    public int DefaultRounds => 5;

    private sealed record Trip(double Median, double P99, double Slowest);

    public async Task RunAsync(int rounds)
    {
        foreach (var project in new[] { "microkernel/Ports/Linux/eyrie-kernel", "microkernel/Servers/MettEagle/metteagle", "microkernel/Servers/Network/network", "tests/RoundTrip/roundtrip" })
            await Commands.RunAsync("dotnet", ["build", $"{project}.csproj", "-c", "Release", "-v", "q", "--nologo"]);
        var program = Path.Combine(Commands.Root, "tests/RoundTrip/bin/roundtrip");
        var trips = new Dictionary<string, List<Trip>>();
        void Add(string what, Trip trip) => (trips.TryGetValue(what, out var list) ? list : trips[what] = []).Add(trip);
        for (int round = 0; round < rounds; round++)
            foreach (var (cores, where) in new[] { ("0", "one core"), ("0,1", "two cores") })
            {
                Add($"trap, {where}", await KernelAsync(cores, program, $"roundtrip:trap-{Times}"));
                Add($"IPC call and reply, {where}", await KernelAsync(cores, program, $"roundtrip:call-{Times}", $"roundtrip:serve-{Times}"));
                Add($"pipe, {where}", await PlainAsync(cores, program, "pipe"));
                Add($"futex, {where}", await PlainAsync(cores, program, "futex"));
            }
        Console.WriteLine($"| µs, median of {rounds} turns of {Times} | median | p99 | slowest |\n|---|---|---|---|");
        foreach (var (what, list) in trips.OrderBy(pair => pair.Key.EndsWith("two cores", StringComparison.Ordinal)))
        {
            string Middle(Func<Trip, double> part) => (list.Select(part).Order().ElementAt(list.Count / 2) / 1000).ToString("0.0", CultureInfo.InvariantCulture);
            Console.WriteLine($"| {what} | {Middle(trip => trip.Median)} | {Middle(trip => trip.P99)} | {Middle(trip => trip.Slowest)} |");
        }
    }

    private static async Task<Trip> PlainAsync(string cores, string program, string way)
    {
        using var process = Start(cores, [program, way, Times.ToString(CultureInfo.InvariantCulture)]);
        var trip = await ReadAsync(process);
        await process.WaitForExitAsync();
        return trip;
    }

    private static async Task<Trip> KernelAsync(string cores, string program, params string[] tasks)
    {
        var folder = Directory.CreateTempSubdirectory("eyrie-bench-").FullName;
        var servers = Directory.CreateDirectory(Path.Combine(folder, "servers")).FullName;
        foreach (var server in new[] { "metteagle", "network" }) File.Copy(Path.Combine(Commands.Root, "microkernel/bin", server), Path.Combine(servers, server));
        File.Copy(program, Path.Combine(servers, "roundtrip"));
        using var kernel = Start(cores, [Path.Combine(Commands.Root, "microkernel/bin/eyrie-kernel"), "--root", folder, "--socket", Path.Combine(folder, "m.sock"), "--servers", servers, "--cgroup", $"eyrie-bench-{Environment.ProcessId}", .. tasks.SelectMany(task => new[] { "--task", task })]);
        var trip = await ReadAsync(kernel);
        await Commands.RunAsync("kill", ["-TERM", kernel.Id.ToString(CultureInfo.InvariantCulture)]);
        await kernel.WaitForExitAsync();
        Directory.Delete(folder, recursive: true);
        return trip;
    }

    private static Process Start(string cores, IReadOnlyList<string> command)
    {
        var start = new ProcessStartInfo("taskset") { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in command.Prepend(cores).Prepend("-c")) start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    private static async Task<Trip> ReadAsync(Process process)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (await process.StandardError.ReadLineAsync(deadline.Token) is { } line)
            if (line.Split(' ') is ["roundtrip:", var median, var p99, var slowest])
                return new Trip(double.Parse(median, CultureInfo.InvariantCulture), double.Parse(p99, CultureInfo.InvariantCulture), double.Parse(slowest, CultureInfo.InvariantCulture));
        throw new InvalidOperationException("the program ended without a result");
    }
}
