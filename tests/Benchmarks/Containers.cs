using System.Diagnostics;
using System.Globalization;
using Eyrie.Microkernel.Abi;

namespace Eyrie.Benchmarks;

/// <summary>Containers with limits on the same root file system, in turns: MettEagle, crun, runc (Debian's).</summary>
public sealed class Containers : IBenchmark
{
    private const int AtOnce = 64, Workers = 2, InARow = 5, Pooled = 4;
    private const string Inside = "EYRIE_BENCH_MOUNTS";
    private static readonly TimeSpan Span = TimeSpan.FromSeconds(3);

    public string Name => "containers";
    public string Description => "start and whole life of containers, beside crun and runc";
    public int DefaultRounds => 50;

    public async Task RunAsync(int rounds)
    {
        if (Environment.GetEnvironmentVariable(Inside) is null) { await InsideAsync(rounds); return; }
        var folder = Directory.CreateTempSubdirectory("eyrie-bench-").FullName;
        try
        {
            var root = SharedRoot.Make(folder);
            await using var eyrie = await EyrieRuntime.StartAsync(folder, AtOnce);
            await using var plain = new PlainProcess(root);
            await MeasureAsync([eyrie, new OciRuntime("crun", root, folder), new OciRuntime("runc", root, folder)], rounds);
            await WarmAsync(eyrie, plain, rounds);
            await MemoryAsync(eyrie);
            await FiltersAsync(rounds);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Debian's crun refuses a hybrid tree of control groups, so all run where the empty second version is not mounted.</summary>
    private static async Task InsideAsync(int rounds)
    {
        foreach (var runtime in new[] { "crun", "runc" })
            if (!File.Exists($"/usr/bin/{runtime}") && !File.Exists($"/usr/sbin/{runtime}")) await Commands.RunAsync("apt-get", ["install", "-y", "-qq", runtime]);
        foreach (var project in new[] { "microkernel/Ports/Linux/eyrie-kernel", "microkernel/Servers/MettEagle/metteagle", "microkernel/Servers/Network/network", "tests/FirstInstruction/firstinstruction", "tests/FilterInstall/filterinstall" })
            await Commands.RunAsync("dotnet", ["build", $"{project}.csproj", "-c", "Release", "-v", "q", "--nologo"]);
        var start = new ProcessStartInfo("unshare") { Environment = { [Inside] = "1" } };
        foreach (var argument in new[] { "--mount", "sh", "-c", "umount /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\"", "sh", "dotnet", typeof(Containers).Assembly.Location, "containers", rounds.ToString(CultureInfo.InvariantCulture) }) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"the benchmark ended with {process.ExitCode}");
    }

    private static async Task MeasureAsync(IReadOnlyList<IContainerRuntime> runtimes, int rounds)
    {
        var tables = new Dictionary<string, List<Samples>>();
        Samples Of(string table, IContainerRuntime runtime)
        {
            if (!tables.TryGetValue(table, out var rows)) tables[table] = rows = [];
            var name = $"{table}, {runtime.Name}";
            if (rows.Find(row => row.Name == name) is not { } found) rows.Add(found = new Samples(name));
            return found;
        }
        async Task OnceAsync(IContainerRuntime runtime, string how)
        {
            long begin = Stopwatch.GetTimestamp();
            var said = await runtime.RunAsync(0, "/bin/firstinstruction");
            Of($"whole life of a static program, {how}", runtime).Add(Stopwatch.GetElapsedTime(begin));
            Of($"first instruction, {how}", runtime).Add(Stopwatch.GetElapsedTime(begin, long.Parse(said, CultureInfo.InvariantCulture))); // both read the monotonic clock in nanoseconds
        }
        foreach (var runtime in runtimes) await runtime.RunAsync(0, "/bin/firstinstruction");
        for (int round = 0; round < rounds; round++)
        {
            foreach (var runtime in runtimes)
            {
                await OnceAsync(runtime, "cold");
                for (int i = 0; i < InARow; i++) await OnceAsync(runtime, "back to back");
            }
            foreach (var runtime in runtimes)
                foreach (var how in new[] { "cold", "back to back" })
                    await Of($"whole life of busybox true, {how}", runtime).TakeAsync(() => runtime.RunAsync(0, "/bin/busybox", "true"));
        }
        for (int round = 0; round < Math.Max(3, rounds / 10); round++)
            foreach (var runtime in runtimes)
                await Of($"{AtOnce} at once, until the last has ended", runtime).TakeAsync(() => Task.WhenAll(Enumerable.Range(0, AtOnce).Select(place => Task.Run(() => runtime.RunAsync(place, "/bin/busybox", "true")))));
        Console.WriteLine(Samples.Header);
        foreach (var row in tables.Values.SelectMany(rows => rows)) Console.WriteLine(row.Row());
        await ThroughputAsync(runtimes);
    }

    /// <summary>From a pool of finished sandboxes, beside a plain process of the same client.</summary>
    private static async Task WarmAsync(EyrieRuntime eyrie, PlainProcess plain, int rounds)
    {
        var rows = new[] { "first instruction, warm pool, eyrie", "first instruction, plain process without sandbox", "whole life of a static program, warm pool, eyrie", "whole life of a static program, plain process without sandbox", "whole life of busybox true, warm pool, eyrie", "whole life of busybox true, plain process without sandbox" }.Select(name => new Samples(name)).ToList();
        await eyrie.FillPoolAsync(Pooled);
        for (int round = 0; round < rounds * InARow; round++)
        {
            await TakeAsync(rows[0], rows[2], eyrie.RunPooledAsync);
            await TakeAsync(rows[1], rows[3], arguments => plain.RunAsync(0, arguments));
            await rows[4].TakeAsync(() => eyrie.RunPooledAsync("/bin/busybox", "true"));
            await rows[5].TakeAsync(() => plain.RunAsync(0, "/bin/busybox", "true"));
        }
        await eyrie.EmptyPoolAsync();
        Console.WriteLine("\n" + Samples.Header);
        foreach (var row in rows) Console.WriteLine(row.Row());
    }

    private static async Task TakeAsync(Samples first, Samples whole, Func<string[], Task<string>> runAsync)
    {
        long begin = Stopwatch.GetTimestamp();
        var said = await runAsync(["/bin/firstinstruction"]);
        whole.Add(Stopwatch.GetElapsedTime(begin));
        first.Add(Stopwatch.GetElapsedTime(begin, long.Parse(said, CultureInfo.InvariantCulture)));
    }

    private static async Task ThroughputAsync(IReadOnlyList<IContainerRuntime> runtimes)
    {
        const int Turns = 3;
        var rates = runtimes.ToDictionary(runtime => runtime.Name, _ => new List<double>());
        for (int turn = 0; turn < Turns; turn++)
            foreach (var runtime in runtimes)
            {
                long begin = Stopwatch.GetTimestamp();
                var done = await Task.WhenAll(Enumerable.Range(0, Workers).Select(worker => Task.Run(async () =>
                {
                    int count = 0;
                    for (; Stopwatch.GetElapsedTime(begin) < Span; count++) await runtime.RunAsync(worker, "/bin/firstinstruction");
                    return count;
                })));
                rates[runtime.Name].Add(done.Sum() / Stopwatch.GetElapsedTime(begin).TotalSeconds);
            }
        Console.WriteLine($"\n| | containers a second, {Workers} clients, median of {Turns} turns |\n|---|---|");
        foreach (var (name, values) in rates) Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {values.Order().ElementAt(Turns / 2):0} |"));
    }

    /// <summary>What installing a container's filter takes of its start, for the set that brings least and the one that brings most.</summary>
    private static async Task FiltersAsync(int rounds)
    {
        Console.WriteLine("\n" + Samples.Header);
        foreach (var (set, classes) in new[] { ("no class", CallClass.None), ("the network, files and processes", CallClass.Network | CallClass.Files | CallClass.Processes | CallClass.Threads), ("every class", CallClass.All) })
        {
            var said = (await Commands.RunAsync(Path.Combine(Commands.Root, "tests/FilterInstall/bin/filterinstall"), [((int)classes).ToString(CultureInfo.InvariantCulture), (rounds * InARow).ToString(CultureInfo.InvariantCulture)])).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            var row = new Samples($"filter of {set}, {said[0]} instructions (aim 120 µs)");
            foreach (var nanoseconds in said.Skip(1)) row.Add(TimeSpan.FromTicks(long.Parse(nanoseconds, CultureInfo.InvariantCulture) / TimeSpan.NanosecondsPerTick));
            Console.WriteLine(row.Row());
        }
    }

    /// <summary>What kernel and servers need more for each container that runs.</summary>
    private static async Task MemoryAsync(EyrieRuntime eyrie)
    {
        var servers = File.ReadAllText($"/proc/{eyrie.ProcessId}/task/{eyrie.ProcessId}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Append($"{eyrie.ProcessId}").ToArray();
        long Proportional() => servers.Sum(process => File.ReadLines($"/proc/{process}/smaps_rollup").Where(line => line.StartsWith("Pss:", StringComparison.Ordinal)).Sum(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)));
        long before = Proportional();
        for (int place = 0; place < AtOnce; place++)
        {
            await eyrie.Service.CreateAsync(eyrie.Spec(place, "/bin/busybox", "sleep", "1000"), CancellationToken.None);
            await eyrie.Service.StartAsync($"c{place}", CancellationToken.None);
        }
        long after = Proportional();
        long used = 0;
        for (int place = 0; place < AtOnce; place++) used += (await eyrie.Service.StatisticsAsync($"c{place}", CancellationToken.None)).MemoryBytes / 1024;
        for (int place = 0; place < AtOnce; place++) await eyrie.Service.DeleteAsync($"c{place}", CancellationToken.None);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\n| memory of eyrie | KiB |\n|---|---|\n| kernel and servers, no container | {before} |\n| kernel and servers, more for each container | {(after - before) / (double)AtOnce:0.0} |\n| control group of a container that sleeps | {used / AtOnce} |"));
    }
}
