using System.Globalization;
using System.Text.RegularExpressions;
using Eyrie.Programs;
using Eyrie.Tests;
using Xunit;

namespace Eyrie.EndToEnd.Tests;

/// <summary>A cluster for the real programs, and their clients.</summary>
public sealed class ProgramsCluster : IAsyncLifetime
{
    private string _clients = "";

    public string State { get; } = Directory.CreateTempSubdirectory("eyrie-programs-").FullName;

    public Task<(int Code, string Output)> EyrieAsync(params string[] arguments) => Shell.RunAsync(Path.Combine(Shell.Root, "eyrie"), arguments.Concat(["--state-dir", State]));

    public Task<(int Code, string Output)> KubectlAsync(params string[] arguments) =>
        Shell.RunAsync("kubectl", arguments, new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(State, "kubeconfig") });

    public async Task InitializeAsync()
    {
        _clients = await PackedPrograms.FolderAsync(Shell.Root, "clients");
        var (code, output) = await EyrieAsync("up");
        Assert.True(code == 0, output);
    }

    public async Task DisposeAsync()
    {
        var (code, output) = await EyrieAsync("down", "--purge");
        Assert.True(code == 0, output);
    }

    /// <summary>Runs the sample of a program and gives the address of its pod.</summary>
    public async Task<string> RunAsync(string program)
    {
        var (code, output) = await EyrieAsync("image", "import", $"{program}:1", await PackedPrograms.FolderAsync(Shell.Root, program));
        Assert.True(code == 0, output);
        (code, output) = await KubectlAsync("apply", "-f", Sample(program));
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => KubectlAsync("get", "pod", "-l", "app=" + program, "-o", "jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status}"), ready => ready == "True", $"{program} to be ready");
        return (await KubectlAsync("get", "pod", "-l", "app=" + program, "-o", "jsonpath={.items[0].status.podIP}")).Output;
    }

    /// <summary>Nothing was refused to the program, and it did not start twice.</summary>
    public async Task StopAsync(string program)
    {
        Assert.Equal("0", (await KubectlAsync("get", "pod", "-l", "app=" + program, "-o", "jsonpath={.items[*].status.containerStatuses[0].restartCount}")).Output);
        var denied = (await KubectlAsync("get", "events", "-o", "jsonpath={range .items[?(@.reason==\"PermissionDenied\")]}{.involvedObject.name}: {.message}{\"\\n\"}{end}")).Output;
        Assert.DoesNotContain(program, denied, StringComparison.Ordinal);
        var (code, output) = await KubectlAsync("delete", "-f", Sample(program));
        Assert.True(code == 0, output);
    }

    public async Task<string> ClientAsync(params string[] command)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var (code, output) = await PackedPrograms.ClientAsync(_clients, command, deadline.Token);
        Assert.True(code == 0, $"{string.Join(' ', command)} ended with {code}:\n{output}");
        return output;
    }

    public static string Sample(string program) => Path.Combine(Shell.Root, $"manifests/samples/programs/{program}.yaml");
}

/// <summary>Programs as Debian ships them, in a real cluster with the least permissions that their samples declare, each driven by its real client.</summary>
[Takes(95)]
public sealed partial class ProgramsTests(ProgramsCluster cluster) : IClassFixture<ProgramsCluster>
{
    [Theory]
    [InlineData("busybox", "hello from busybox")]
    [InlineData("nginx", "hello from nginx")]
    [InlineData("python", "hello from python")]
    [InlineData("dotnet", "hello from .NET")]
    [InlineData("dotnet-aot", "hello from .NET")]
    [InlineData("java", "hello from Java")]
    [InlineData("go", "hello from Go")]
    public async Task A_web_server_answers_its_load(string program, string page)
    {
        var address = await cluster.RunAsync(program);
        var (code, answer) = await Shell.RunAsync("curl", ["-sSf", $"http://{address}:8080/"]);
        Assert.True(code == 0, answer);
        Assert.Equal(page, answer.Trim());
        var load = await cluster.ClientAsync("/usr/bin/wrk", "-t1", "-c8", "-d3s", "--timeout", "10s", $"http://{address}:8080/");
        Assert.False(load.Contains("Non-2xx", StringComparison.Ordinal) || load.Contains("Socket errors", StringComparison.Ordinal), load);
        Assert.True(Number(Requests(), load) > 100, load);
        await cluster.StopAsync(program);
    }

    [Fact]
    public async Task Redis_keeps_what_its_benchmark_writes()
    {
        var address = await cluster.RunAsync("redis");
        await cluster.ClientAsync("/usr/bin/redis-cli", "-h", address, "set", "greeting", "hello");
        var load = await cluster.ClientAsync("/usr/bin/redis-benchmark", "-h", address, "-t", "set,get,lpush", "-n", "20000", "-c", "16", "-q");
        Assert.Equal(3, RequestsPerSecond().Count(load));
        Assert.Contains("OK", await cluster.ClientAsync("/usr/bin/redis-cli", "-h", address, "save"), StringComparison.Ordinal);
        Assert.Equal("hello", (await cluster.ClientAsync("/usr/bin/redis-cli", "-h", address, "get", "greeting")).Trim());
        Assert.Equal("20000", (await cluster.ClientAsync("/usr/bin/redis-cli", "-h", address, "llen", "mylist")).Trim());
        await cluster.StopAsync("redis");
    }

    [Fact]
    public async Task Postgres_commits_what_pgbench_asks()
    {
        var address = await cluster.RunAsync("postgres");
        await cluster.ClientAsync("/usr/bin/pgbench", "-h", address, "-i", "-q", "-s", "1", "postgres");
        var load = await cluster.ClientAsync("/usr/bin/pgbench", "-h", address, "-c", "4", "-T", "3", "postgres");
        int done = (int)Number(Transactions(), load);
        Assert.True(done > 10, load);
        Assert.Contains("number of failed transactions: 0", load, StringComparison.Ordinal);
        await cluster.ClientAsync("/usr/bin/psql", "-h", address, "-c", "checkpoint", "postgres"); // what it has written goes to disk while it runs
        Assert.Equal(done.ToString(CultureInfo.InvariantCulture), (await cluster.ClientAsync("/usr/bin/psql", "-h", address, "-Atc", "select count(*) from pgbench_history", "postgres")).Trim());
        await cluster.StopAsync("postgres");
    }

    [Fact]
    public async Task Postgres_does_not_start_without_the_grant_of_shared_memory()
    {
        var (code, output) = await cluster.EyrieAsync("image", "import", "postgres:1", await PackedPrograms.FolderAsync(Shell.Root, "postgres"));
        Assert.True(code == 0, output);
        var file = Path.Combine(cluster.State, "without.yaml");
        var sample = await File.ReadAllTextAsync(ProgramsCluster.Sample("postgres"));
        await File.WriteAllTextAsync(file, sample.Replace(", sharedMemory: true", "", StringComparison.Ordinal).Replace("name: postgres\n", "name: without\n", StringComparison.Ordinal).Replace("app: postgres", "app: without", StringComparison.Ordinal));
        (code, output) = await cluster.KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
        await Shell.UntilAsync(() => cluster.KubectlAsync("logs", "deploy/without", "--previous"), log => log.Contains("could not create shared memory segment: Operation not permitted", StringComparison.Ordinal), "the refusal");
        await cluster.KubectlAsync("delete", "-f", file);
    }

    private const string ByPath = """
        apiVersion: v1
        kind: Pod
        metadata: {name: by-path}
        spec:
          terminationGracePeriodSeconds: 1
          securityContext: {runAsUser: 70, runAsGroup: 70, fsGroup: 70}
          volumes: [{name: data, emptyDir: {}}]
          containers:
          - name: redis
            image: redis:1
            command: [/usr/bin/redis-server, --dir, /data, --port, "0", --unixsocket, /data/redis.sock, --unixsocketperm, "700"]
            volumeMounts: [{name: data, mountPath: /data}]
            permissions: {listen: [{port: 6379}], processes: {max: 16}}
          - name: postgres
            image: postgres:1
            command: [/bin/postgres-start, -c, listen_addresses=]
            env: [{name: PGDATA, value: /data/main}]
            ports: [{containerPort: 5432}]
            volumeMounts: [{name: data, mountPath: /data}]
            permissions: {processes: {max: 128, sharedMemory: true}}
          - name: client
            image: clients:1
            command: [/bin/sleep, "1000"]
            env: [{name: PGUSER, value: postgres}]
            volumeMounts: [{name: data, mountPath: /data}]
            permissions: {connect: [{cidr: 127.0.0.1/32, port: 6379}]}
          - name: reader
            image: clients:1
            command: [/bin/sleep, "1000"]
            env: [{name: PGUSER, value: postgres}]
            volumeMounts: [{name: data, mountPath: /data, readOnly: true}]
            permissions: {connect: [{cidr: 127.0.0.1/32, port: 6379}]}
        """;

    [Fact]
    public async Task Redis_and_Postgres_serve_who_may_write_their_volume_by_the_path_of_a_Unix_socket()
    {
        foreach (var program in new[] { "redis", "postgres", "clients" })
        {
            var (imported, said) = await cluster.EyrieAsync("image", "import", $"{program}:1", await PackedPrograms.FolderAsync(Shell.Root, program));
            Assert.True(imported == 0, said);
        }
        var file = Path.Combine(cluster.State, "by-path.yaml");
        await File.WriteAllTextAsync(file, ByPath);
        var (code, output) = await cluster.KubectlAsync("apply", "-f", file);
        Assert.True(code == 0, output);
        Task<(int Code, string Output)> In(string container, params string[] command) => cluster.KubectlAsync(["exec", "by-path", "-c", container, "--", .. command]);
        await Shell.UntilAsync(() => In("client", "/usr/bin/redis-cli", "-s", "/data/redis.sock", "set", "greeting", "hello"), said => said.Trim() == "OK", "redis");
        await Shell.UntilAsync(() => In("client", "/usr/bin/psql", "-h", "/data", "-Atc", "select 6 * 7", "postgres"), said => said.Trim() == "42", "PostgreSQL");
        Assert.Equal("hello", (await In("client", "/usr/bin/redis-cli", "-s", "/data/redis.sock", "get", "greeting")).Output.Trim());
        Assert.Equal(2, RequestsPerSecond().Count((await In("client", "/usr/bin/redis-benchmark", "-s", "/data/redis.sock", "-t", "set,get", "-n", "5000", "-c", "16", "-q")).Output));
        await In("client", "/usr/bin/pgbench", "-h", "/data", "-i", "-q", "-s", "1", "postgres");
        output = (await In("client", "/usr/bin/pgbench", "-h", "/data", "-c", "4", "-C", "-T", "2", "postgres")).Output; // a new connection each time
        Assert.True(Number(Transactions(), output) > 10, output);
        Assert.Contains("number of failed transactions: 0", output, StringComparison.Ordinal);
        Assert.Contains("Permission denied", (await In("reader", "/usr/bin/redis-cli", "-s", "/data/redis.sock", "get", "greeting")).Output, StringComparison.Ordinal);
        Assert.Contains("Permission denied", (await In("reader", "/usr/bin/psql", "-h", "/data", "-Atc", "select 6 * 7", "postgres")).Output, StringComparison.Ordinal);
        Assert.Equal("0 0 0 0", (await cluster.KubectlAsync("get", "pod", "by-path", "-o", "jsonpath={.status.containerStatuses[*].restartCount}")).Output);
        await cluster.KubectlAsync("delete", "-f", file);
    }

    [Fact]
    public async Task Etcd_keeps_what_its_client_puts()
    {
        var address = await cluster.RunAsync("etcd");
        Task<string> AskAsync(params string[] command) => cluster.ClientAsync(["/usr/bin/etcdctl", "--endpoints", address + ":2379", "--dial-timeout", "60s", "--command-timeout", "60s", .. command]); // by itself it gives up after 2 s and 5 s
        for (int i = 0; i < 20; i++) await AskAsync("put", $"/key/{i}", $"value {i}");
        var found = await AskAsync("get", "--prefix", "/key/", "--print-value-only");
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"value {i}").Order(StringComparer.Ordinal), found.Trim().Split('\n').Order(StringComparer.Ordinal));
        await cluster.StopAsync("etcd");
    }

    private static double Number(Regex pattern, string text) => pattern.Match(text) is { Success: true } match ? double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) : 0;

    [GeneratedRegex(@"Requests/sec:\s+([\d.]+)")]
    private static partial Regex Requests();

    [GeneratedRegex(@"[\d.]+ requests per second")]
    private static partial Regex RequestsPerSecond();

    [GeneratedRegex(@"number of transactions actually processed: (\d+)")]
    private static partial Regex Transactions();
}
