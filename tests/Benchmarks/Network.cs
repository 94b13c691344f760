using System.Globalization;

namespace Eyrie.Benchmarks;

/// <summary>TCP from a container to a Service, beside plain loopback, a bridge, and a bridge with address translation, in turns.</summary>
public sealed class Network : IBenchmark
{
    private const int Port = 7100, Megabytes = 256, Connections = 1000, RedisPort = 7200;
    private static string[] Redis(int port) => ["/bin/redis-server", "--port", $"{port}", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--appendonly", "no", "--dir", "/tmp"];

    public string Name => "network";
    public string Description => "bulk, new connections and redis from a container, beside loopback, bridge and bridge with DNAT";
    public int DefaultRounds => 5;

    public async Task RunAsync(int rounds)
    {
        foreach (var (package, program) in new[] { ("redis-server", "redis-server"), ("redis-tools", "redis-benchmark"), ("nftables", "nft"), ("iproute2", "ip") })
            if (!new[] { "/usr/bin/", "/usr/sbin/", "/sbin/", "/bin/" }.Any(folder => File.Exists(folder + program))) await Commands.RunAsync("apt-get", ["install", "-y", "-qq", package]);
        foreach (var project in new[] { "microkernel/Ports/Linux/eyrie-kernel", "microkernel/Servers/MettEagle/metteagle", "microkernel/Servers/Network/network", "tests/FirstInstruction/firstinstruction", "tests/NetworkLoad/networkload" })
            await Commands.RunAsync("dotnet", ["build", $"{project}.csproj", "-c", "Release", "-v", "q", "--nologo"]);
        var folder = Directory.CreateTempSubdirectory("eyrie-bench-").FullName;
        try
        {
            var root = SharedRoot.Make(folder);
            File.Copy(Path.Combine(Commands.Root, "tests/NetworkLoad/bin/networkload"), Path.Combine(root, "bin/networkload"));
            foreach (var program in new[] { "redis-server", "redis-benchmark" }) await CopyAsync("/usr/bin/" + program, root);
            await using var runtime = await EyrieRuntime.StartAsync(folder, 3);
            await using var namespaces = new BridgedNamespaces();
            await namespaces.MakeAsync();
            await using var eyrie = new EyriePath(runtime, folder);
            await using var loopback = new HostPath("loopback", "127.0.0.1", null, null, root);
            await using var bridge = new HostPath("bridge", "10.77.1.3", namespaces.Server, namespaces.Client, root);
            await using var translated = new HostPath("bridge with DNAT", "10.78.0.1", namespaces.Behind, namespaces.Client, root);
            await MeasureAsync([eyrie, loopback, bridge, translated], rounds);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A program with the libraries that it is linked with, each where it stands on the host.</summary>
    private static async Task CopyAsync(string program, string root)
    {
        File.Copy(Path.GetFullPath(new FileInfo(program).ResolveLinkTarget(true)?.FullName ?? program), Path.Combine(root, "bin", Path.GetFileName(program)), true);
        foreach (var word in (await Commands.RunAsync("ldd", [program])).Split((char[])[' ', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries).Where(word => word.StartsWith('/')))
        {
            Directory.CreateDirectory(root + Path.GetDirectoryName(word));
            File.Copy(word, root + word, true);
        }
    }

    private static async Task MeasureAsync(IReadOnlyList<INetworkPath> paths, int rounds)
    {
        foreach (var path in paths)
        {
            await path.ServeAsync([Port + path.Shift, Port + 1 + path.Shift], "/bin/networkload", "serve", $"{Port + path.Shift}");
            await path.ServeAsync([RedisPort + path.Shift], Redis(RedisPort + path.Shift));
            await ReadyAsync(path);
        }
        var bulk = paths.ToDictionary(path => path, _ => new List<double>());
        var redis = paths.ToDictionary(path => path, _ => new List<double>());
        var connections = paths.ToDictionary(path => path, _ => new List<double>());
        var fresh = paths.ToDictionary(path => path, path => new Samples("new connection, " + path.Name));
        var transfers = paths.ToDictionary(path => path, path => new Samples($"bulk of {Megabytes} MiB, {path.Name}"));
        var slow = paths.ToDictionary(path => path, _ => new List<double>());
        for (int round = 0; round < rounds; round++)
            foreach (var path in paths.Skip(round % paths.Count).Concat(paths.Take(round % paths.Count)))
            {
                var nanoseconds = double.Parse((await path.AskAsync("/bin/networkload", "bulk", path.Address, $"{Port + path.Shift}", $"{Megabytes}")).Trim(), CultureInfo.InvariantCulture);
                transfers[path].Add(TimeSpan.FromTicks((long)nanoseconds / TimeSpan.NanosecondsPerTick));
                bulk[path].Add(Megabytes / 1024.0 / (nanoseconds / 1e9));
                var taken = (await path.AskAsync("/bin/networkload", "connections", path.Address, $"{Port + 1 + path.Shift}", $"{Connections}")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => double.Parse(line, CultureInfo.InvariantCulture)).ToList();
                foreach (var one in taken) fresh[path].Add(TimeSpan.FromTicks((long)one / 100));
                connections[path].Add(1e9 / Median(taken));
                var said = await path.AskAsync("/bin/redis-benchmark", "-h", path.Address, "-p", $"{RedisPort + path.Shift}", "-t", "get", "-n", "30000", "-c", "20", "--csv");
                redis[path].AddRange(Column(said, Rate));
                slow[path].AddRange(Column(said, Slow));
            }
        var own = paths[0];
        Console.WriteLine(Samples.Header);
        foreach (var path in paths) Console.WriteLine(fresh[path].Row());
        foreach (var path in paths) Console.WriteLine(transfers[path].Row());
        Console.WriteLine("\n| median of all rounds | eyrie | loopback | bridge | bridge with DNAT |\n|---|---|---|---|---|");
        Row("bulk, GiB a second", bulk, "0.00");
        Row("redis GET, requests a second", redis);
        Row("redis GET, p99 in ms", slow, "0.000");
        Console.WriteLine("\n| eyrie against, median of each round's ratio | loopback | bridge | bridge with DNAT |\n|---|---|---|---|");
        Ratios("bulk", bulk);
        Ratios("redis GET", redis);
        Ratios("new connections a second", connections);

        void Row(string what, Dictionary<INetworkPath, List<double>> values, string format = "0") => Console.WriteLine($"| {what} | {string.Join(" | ", paths.Select(path => Median(values[path]).ToString(format, CultureInfo.InvariantCulture)))} |");
        void Ratios(string what, Dictionary<INetworkPath, List<double>> values) => Console.WriteLine($"| {what} | {string.Join(" | ", paths.Skip(1).Select(path => Median([.. values[own].Zip(values[path], (mine, other) => mine / other)]).ToString("0.00", CultureInfo.InvariantCulture)))} |");
    }

    private const int Rate = 1, Slow = 6; // requests a second; 99th percentile of the latency in milliseconds

    /// <summary>A number of each line of redis-benchmark: "GET","29940.12",...</summary>
    private static IEnumerable<double> Column(string csv, int column) => csv.Split('\n').Where(line => line.StartsWith("\"GET\"", StringComparison.Ordinal)).Select(line => double.Parse(line.Split(',')[column].Trim('"'), CultureInfo.InvariantCulture));

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    /// <summary>Both servers answer.</summary>
    private static async Task ReadyAsync(INetworkPath path)
    {
        for (int tries = 100; ; tries--)
        {
            try
            {
                await path.AskAsync("/bin/networkload", "connections", path.Address, $"{Port + 1 + path.Shift}", "1");
                var said = await path.AskAsync("/bin/busybox", "sh", "-c", $"printf 'PING\\r\\nQUIT\\r\\n' | /bin/busybox nc {path.Address} {RedisPort + path.Shift}"); // redis-benchmark never ends when nobody listens
                if (!said.Contains("PONG", StringComparison.Ordinal)) throw new InvalidOperationException($"redis of {path.Name} says: {said}");
                return;
            }
            catch (InvalidOperationException) when (tries > 0)
            {
                await Task.Delay(100); // it does not listen yet
            }
        }
    }
}
