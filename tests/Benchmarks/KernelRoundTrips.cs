using System.Diagnostics;
using System.Globalization;
using Eyrie.Microkernel.Client;

namespace Eyrie.Benchmarks;

/// <summary>There and back between two tasks of the kernel and between two containers, beside a pipe, a pair of Unix sockets and a futex between two processes of the host; on one core and on two.</summary>
public sealed class KernelRoundTrips : IBenchmark
{
    private const int Times = 5000;

    public string Name => "ipc";
    public string Description => "round trips: trap, IPC call, gate call between containers, pipe, Unix sockets, futex";
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
                Add($"gate call between containers, 64 B, {where}", await GateAsync(cores, program));
                Add($"pair of Unix sockets, 64 B, {where}", await PlainAsync(cores, program, "unix"));
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

    private static async Task<Trip> GateAsync(string cores, string program)
    {
        var folder = Directory.CreateTempSubdirectory("eyrie-bench-").FullName;
        foreach (var name in new[] { "images/root/bin", "logs", "containers/a/root", "containers/a/upper", "containers/a/work", "containers/g/root", "containers/g/upper", "containers/g/work" }) Directory.CreateDirectory(Path.Combine(folder, name));
        File.Copy(program, Path.Combine(folder, "images/root/bin/roundtrip"));
        using var kernel = Start(cores, [Path.Combine(Commands.Root, "microkernel/bin/eyrie-kernel"), "--root", folder, "--socket", Path.Combine(folder, "m.sock"), "--servers", Path.Combine(Commands.Root, "microkernel/bin"), "--cgroup", $"eyrie-bench-{Environment.ProcessId}"]);
        if (await kernel.StandardOutput.ReadLineAsync() != "ready") throw new InvalidOperationException("eyrie-kernel did not start");
        await using (var service = await ContainerService.ConnectAsync(Path.Combine(folder, "m.sock"), CancellationToken.None))
        {
            foreach (var (id, place, what, entry) in new[] { ("a", 1, "answer", "gate serve bench/echo"), ("g", 2, "gate", "gate call bench/echo") })
            {
                await service.CreateAsync(new ContainerSpec
                {
                    Id = id, Layers = ["images/root"], Writable = "containers/" + id, Arguments = ["/bin/roundtrip", what, Times.ToString(CultureInfo.InvariantCulture)], Environment = ["PATH=/bin"], LogPath = $"logs/{id}.log",
                    PodAddress = $"127.79.19.{place}", PodLoopback = $"127.95.19.{place}",
                    Subject = $"bench/{id}/{id}", Capabilities = [entry, "log write", "quota memory=67108864 processes=4"],
                }, CancellationToken.None);
                await service.StartAsync(id, CancellationToken.None);
            }
            await foreach (var occurred in service.EventsAsync(CancellationToken.None))
                if (occurred is ContainerExited { ContainerId: "g" }) break;
        }
        var line = File.ReadLines(Path.Combine(folder, "logs/g.log")).Single(line => line.Contains("roundtrip: ", StringComparison.Ordinal));
        await Commands.RunAsync("kill", ["-TERM", kernel.Id.ToString(CultureInfo.InvariantCulture)]);
        await kernel.WaitForExitAsync();
        Directory.Delete(folder, recursive: true);
        return Read(line[line.IndexOf("roundtrip: ", StringComparison.Ordinal)..]) ?? throw new InvalidOperationException(line);
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
            if (Read(line) is { } trip) return trip;
        throw new InvalidOperationException("the program ended without a result");
    }

    private static Trip? Read(string line) => line.Split(' ') is ["roundtrip:", var median, var p99, var slowest]
        ? new Trip(double.Parse(median, CultureInfo.InvariantCulture), double.Parse(p99, CultureInfo.InvariantCulture), double.Parse(slowest, CultureInfo.InvariantCulture)) : null;
}
