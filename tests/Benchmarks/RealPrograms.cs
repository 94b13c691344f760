using System.Globalization;
using Eyrie.Programs;
using Eyrie.Tests;

namespace Eyrie.Benchmarks;

/// <summary>The packed programs in a cluster with the permissions of their samples, and the same root folders by chroot on the host, under the same clients in turns.</summary>
public sealed class RealPrograms : IBenchmark
{
    public string Name => "programs";
    public string Description => "Redis, nginx, PostgreSQL and others in a container, beside the same program on the host";
    public int DefaultRounds => 5;

    private readonly string _state = Path.Combine(Path.GetTempPath(), $"eyrie-bench-{Environment.ProcessId}");

    public async Task RunAsync(int rounds)
    {
        if (!File.Exists("/usr/bin/gcc")) await Commands.RunAsync("apt-get", ["install", "-y", "-qq", "gcc"]); // links the program that is compiled ahead of time
        var programs = ProgramLoad.All.Select(load => load.Program).Distinct().ToList();
        var clients = await PackedPrograms.FolderAsync(Commands.Root, "clients");
        Dictionary<ProgramLoad, List<(Measured Container, Measured Host)>> taken = ProgramLoad.All.ToDictionary(load => load, _ => new List<(Measured, Measured)>());
        try
        {
            await Commands.RunAsync("./eyrie", ["up", "--state-dir", _state]);
            // A program at a time, so that no other has anything to do meanwhile.
            foreach (var program in programs)
            {
                var folder = await PackedPrograms.FolderAsync(Commands.Root, program);
                var (address, port) = await ContainerAsync(program, folder);
                await using var host = await OnHostAsync(program, folder);
                foreach (var (at, door) in new[] { (address, port), ("127.0.0.1", host.Port) }) await PrepareAsync(program, clients, at, door);
                for (int round = 0; round < rounds; round++)
                    foreach (var load in ProgramLoad.All.Where(load => load.Program == program))
                    {
                        Measured first = round % 2 == 0 ? await MeasureAsync(clients, load, address, port) : await MeasureAsync(clients, load, "127.0.0.1", host.Port);
                        Measured second = round % 2 == 0 ? await MeasureAsync(clients, load, "127.0.0.1", host.Port) : await MeasureAsync(clients, load, address, port);
                        taken[load].Add(round % 2 == 0 ? (first, second) : (second, first));
                    }
                await KubectlAsync("delete", "--wait=false", "-f", Sample(program));
            }
        }
        finally
        {
            await Commands.RunAsync("./eyrie", ["down", "--purge", "--state-dir", _state]);
        }
        Console.WriteLine("| a second, median | container | host | ratio, median | p99 container | p99 host | runs |\n|---|---|---|---|---|---|---|");
        foreach (var (load, results) in taken)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {load.Program}: {load.What} | {Median(results.Select(pair => pair.Container.PerSecond)):0} | {Median(results.Select(pair => pair.Host.PerSecond)):0} | {Median(results.Select(pair => pair.Container.PerSecond / pair.Host.PerSecond)):0.00} | {Slow(results.Select(pair => pair.Container.Slow))} | {Slow(results.Select(pair => pair.Host.Slow))} | {results.Count} |"));
    }

    private static async Task<Measured> MeasureAsync(string clients, ProgramLoad load, string address, int port) => load.Read(await ClientAsync(clients, load.Command(address, port)));

    private static async Task<string> ClientAsync(string clients, string[] command)
    {
        var (code, output) = await PackedPrograms.ClientAsync(clients, command);
        return code == 0 ? output : throw new InvalidOperationException($"{string.Join(' ', command)} ended with {code}:\n{output}");
    }

    private async Task<(string Address, int Port)> ContainerAsync(string program, string folder)
    {
        await Commands.RunAsync("./eyrie", ["image", "import", $"{program}:1", folder, "--state-dir", _state]);
        await KubectlAsync("apply", "-f", Sample(program));
        await KubectlAsync("rollout", "status", $"deployment/{program}", "--timeout=60s");
        return (await KubectlAsync("get", "pod", "-l", $"app={program}", "-o", "jsonpath={.items[0].status.podIP}"),
            int.Parse(await KubectlAsync("get", "service", program, "-o", "jsonpath={.spec.ports[0].port}"), CultureInfo.InvariantCulture));
    }

    private Task<string> KubectlAsync(params string[] arguments) => Commands.RunAsync("kubectl", arguments, new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(_state, "kubeconfig") });

    private static string Sample(string program) => $"manifests/samples/programs/{program}.yaml";

    /// <summary>What the loads of a program ask for.</summary>
    private static async Task PrepareAsync(string program, string clients, string address, int port)
    {
        var door = port.ToString(CultureInfo.InvariantCulture);
        if (program == "postgres") await ClientAsync(clients, ["/usr/bin/pgbench", "-h", address, "-p", door, "-i", "-q", "-s", "10", "postgres"]);
        if (program == "etcd") await ClientAsync(clients, ["/usr/bin/etcdctl", "--endpoints", $"{address}:{door}", "put", "/key", new string('v', 100)]);
    }

    /// <summary>The command of the sample, on a free port of the host's.</summary>
    private async Task<HostProgram> OnHostAsync(string program, string folder)
    {
        int port = FreePorts.Next();
        var door = port.ToString(CultureInfo.InvariantCulture);
        var none = new Dictionary<string, string>();
        var own = Path.Combine(_state, "host", program);
        return program switch
        {
            "redis" => await HostProgram.StartAsync(folder, own, 1000, port, none, ["/usr/bin/redis-server", "--dir", "/data", "--protected-mode", "no", "--port", door], none),
            "nginx" => await HostProgram.StartAsync(folder, own, 33, port, none, ["/usr/sbin/nginx", "-e", "stderr", "-c", "/tmp/nginx.conf"],
                new Dictionary<string, string> { ["nginx.conf"] = (await File.ReadAllTextAsync(Path.Combine(folder, "etc/nginx/nginx.conf"))).Replace("listen 8080", $"listen {door}", StringComparison.Ordinal).Replace("include mime.types", "include /etc/nginx/mime.types", StringComparison.Ordinal) }),
            "postgres" => await HostProgram.StartAsync(folder, own, 70, port, new Dictionary<string, string> { ["PGDATA"] = "/data/main" }, ["/bin/postgres-start", "-p", door], none),
            "busybox" => await HostProgram.StartAsync(folder, own, 1000, port, none, ["/bin/httpd", "-f", "-p", door, "-h", "/www"], none),
            "python" => await HostProgram.StartAsync(folder, own, 1000, port, none, ["/usr/bin/python3", "-u", "-m", "http.server", "--bind", "0.0.0.0", "--directory", "/www", door], none),
            "dotnet" => await HostProgram.StartAsync(folder, own, 1000, port, new Dictionary<string, string> { ["ASPNETCORE_URLS"] = $"http://0.0.0.0:{door}" }, ["/usr/share/dotnet/dotnet", "/app/web.dll"], none),
            "dotnet-aot" => await HostProgram.StartAsync(folder, own, 1000, port, new Dictionary<string, string> { ["ASPNETCORE_URLS"] = $"http://0.0.0.0:{door}" }, ["/app/web"], none),
            "java" => await HostProgram.StartAsync(folder, own, 1000, port, none, ["/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "-XX:-UsePerfData", "-Dsun.net.httpserver.nodelay=true", "-cp", "/app", "Web", door], none),
            "go" => await HostProgram.StartAsync(folder, own, 1000, port, new Dictionary<string, string> { ["PORT"] = door }, ["/bin/web"], none),
            "etcd" => await HostProgram.StartAsync(folder, own, 1000, port, none, ["/usr/bin/etcd", "--data-dir", "/data/etcd", "--listen-client-urls", $"http://0.0.0.0:{door}", "--advertise-client-urls", $"http://127.0.0.1:{door}", "--listen-peer-urls", "http://127.0.0.1:0"], none),
            _ => throw new ArgumentOutOfRangeException(nameof(program), program, "no such program"),
        };
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted[sorted.Count / 2];
    }

    private static string Slow(IEnumerable<double?> values) => values.OfType<double>().ToList() is { Count: > 0 } said ? string.Create(CultureInfo.InvariantCulture, $"{Median(said):0.00} ms") : "";
}
