using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Eyrie.Tests;
using Xunit;
using Xunit.Abstractions;

namespace Eyrie.EndToEnd.Tests;

/// <summary>
/// Any process of a node is killed at a random moment, over and over, while clients count their requests and a store acknowledges writes. 20 times, or 200 in the long form; EYRIE_KILLS says how often, EYRIE_SEED how
/// to do again what was done.
/// </summary>
[Takes(25)]
public sealed class KillTests(ITestOutputHelper output) : IAsyncLifetime
{
    private static readonly TimeSpan Recovery = TimeSpan.FromMinutes(7); // the longest back-off, and what it takes to start

    private static readonly string[] Controllers = ["memory", "cpu", "cpuacct", "pids"];

    private readonly HelloCluster _cluster = new();

    public Task InitializeAsync() => _cluster.InitializeAsync();
    public Task DisposeAsync() => _cluster.DisposeAsync();

    /// <summary>A write is acknowledged when it is on disk, and counted by its client when the acknowledgement is.</summary>
    private const string Workload = """
        apiVersion: v1
        kind: Service
        metadata: {name: store}
        spec: {selector: {app: store}, ports: [{port: 80, targetPort: 8080}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: store, labels: {app: store}}
        spec:
          nodeSelector: {kubernetes.io/hostname: node-0}
          terminationGracePeriodSeconds: 1
          volumes: [{name: v, emptyDir: {}}, {name: m, emptyDir: {medium: Memory}}]
          containers:
          - name: web
            image: hello:1
            command: [sh, -c, 'mkdir -p /www/cgi-bin; printf "#!/bin/sh\necho \$QUERY_STRING >>/v/written && sync /v/written && printf \"Content-Type: text/plain\\r\\n\\r\\nok\"\n" >/www/cgi-bin/add; chmod 755 /www/cgi-bin/add; exec httpd -f -p 8080 -h /www']
            ports: [{containerPort: 8080}]
            readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
            volumeMounts: [{name: v, mountPath: /v}, {name: m, mountPath: /m}]
            permissions: {files: [{path: /www, access: write}], processes: {max: 64}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: writer-0}
        spec: {nodeSelector: {kubernetes.io/hostname: node-0}, terminationGracePeriodSeconds: 0, volumes: [{name: v, emptyDir: {}}], containers: [CLIENT]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: writer-1}
        spec: {nodeSelector: {kubernetes.io/hostname: node-1}, terminationGracePeriodSeconds: 0, volumes: [{name: v, emptyDir: {}}], containers: [CLIENT]}
        """;

    private const string Client = """{name: a, image: hello:1, volumeMounts: [{name: v, mountPath: /v}], command: [sh, -c, 'run=$(cat /v/run 2>/dev/null || echo 0); run=$((run+1)); echo $run >/v/run; n=0; while true; do n=$((n+1)); if [ "$(wget -q -O- "http://store/cgi-bin/add?$HOSTNAME-$run-$n" 2>/dev/null)" = ok ]; then echo $HOSTNAME-$run-$n >>/v/acknowledged; else echo failed >>/v/failed; sleep 0.1; fi; done'], permissions: {connect: [{service: store, port: 80}], processes: {max: 64}}}""";

    private string Node(int node) => Path.Combine(_cluster.State, "nodes", $"node-{node}");

    private async Task<string> VolumeAsync(string pod) => Path.Combine(_cluster.State, "nodes", (await _cluster.KubectlAsync("get", "pod", pod, "-o", "jsonpath={.spec.nodeName}/pods/{.metadata.uid}/volumes/v")).Output);

    private static string[] Lines(string file) => File.Exists(file) ? [.. File.ReadAllText(file).Split('\n')[..^1]] : []; // what has no newline was not acknowledged

    [Fact]
    public async Task Whatever_process_of_a_node_is_killed_and_whenever_every_pod_comes_back_and_no_acknowledged_write_is_lost()
    {
        int kills = int.Parse(Environment.GetEnvironmentVariable("EYRIE_KILLS") ?? (Environment.GetEnvironmentVariable("EYRIE_LONG") == "1" ? "200" : "20"), CultureInfo.InvariantCulture);
        int seed = int.Parse(Environment.GetEnvironmentVariable("EYRIE_SEED") ?? $"{Environment.TickCount & 0xFFFF}", CultureInfo.InvariantCulture);
        output.WriteLine($"EYRIE_SEED={seed} EYRIE_KILLS={kills}");
        Console.WriteLine($"kill test: EYRIE_SEED={seed} EYRIE_KILLS={kills}");
        var manifest = Path.Combine(_cluster.State, "store.yaml");
        await File.WriteAllTextAsync(manifest, Workload.Replace("CLIENT", Client, StringComparison.Ordinal));
        var (code, applied) = await _cluster.KubectlAsync("apply", "-f", manifest);
        Assert.True(code == 0, applied);
        await SettledAsync();
        var volumes = new[] { await VolumeAsync("writer-0"), await VolumeAsync("writer-1") };
        var written = Path.Combine(await VolumeAsync("store"), "written");
        string[] Acknowledged() => [.. volumes.SelectMany(volume => Lines(Path.Combine(volume, "acknowledged")))];
        await Shell.UntilAsync(() => Task.FromResult((0, $"{Acknowledged().Length}")), count => int.Parse(count, CultureInfo.InvariantCulture) > 20, "the first acknowledged writes");
        var random = new Random(seed);
        var killed = new Dictionary<string, int>();
        using var over = new CancellationTokenSource();
        var keeping = KeepSupervisedAsync(over.Token);
        for (int kill = 0; kill < kills; kill++)
        {
            Dictionary<string, List<int>> kinds;
            do // at some moments nothing of either node lives: then the next that begins is waited for, and lives for a random while
            {
                await Shell.UntilAsync(() => Task.FromResult((0, $"{Victims().Count}")), count => count != "0", "a process of a node to begin");
                await Task.Delay(random.Next(1200));
                kinds = Victims();
            }
            while (kinds.Count == 0);
            var kind = kinds.Keys.Order(StringComparer.Ordinal).ElementAt(random.Next(kinds.Count));
            var victims = kinds[kind];
            await Shell.RunAsync("kill", ["-9", victims[random.Next(victims.Count)].ToString(CultureInfo.InvariantCulture)]);
            killed[kind] = killed.GetValueOrDefault(kind) + 1;
        }
        await over.CancelAsync();
        await keeping;
        await SettledAsync();
        int before = Acknowledged().Length;
        await Shell.UntilAsync(() => Task.FromResult((0, $"{Acknowledged().Length}")), count => int.Parse(count, CultureInfo.InvariantCulture) > before + 20, "writes to be acknowledged after the last kill");
        var acknowledged = Acknowledged();
        var lost = acknowledged.Except(Lines(written)).ToList();
        output.WriteLine($"killed: {string.Join(", ", killed.Select(pair => $"{pair.Key} {pair.Value}"))}; {acknowledged.Length} writes acknowledged, {volumes.Sum(volume => Lines(Path.Combine(volume, "failed")).Length)} failed, {lost.Count} lost");
        Console.WriteLine($"kill test: {string.Join(", ", killed.Select(pair => $"{pair.Key} {pair.Value}"))}; {acknowledged.Length} writes acknowledged, {volumes.Sum(volume => Lines(Path.Combine(volume, "failed")).Length)} failed, {lost.Count} lost");
        Assert.Empty(lost);
        // A node whose agent was killed last may still count as ready and not be connected yet.
        await Shell.UntilAsync(async () => (0, await _cluster.EyrieAsync("caps", "verify") is var (code, said) && code == 0 ? "equal" : said), sets => sets == "equal", "every set to be the compiled one");
        await NothingLeftAsync();
        var groups = new[] { 0, 1 }.Select(Group).ToList();
        (code, applied) = await _cluster.EyrieAsync("down");
        Assert.True(code == 0, applied);
        foreach (var group in groups)
        {
            Assert.All(Controllers, controller => Assert.False(Directory.Exists($"/sys/fs/cgroup/{controller}/{group}"), $"{controller}/{group} is left"));
            Assert.False(File.Exists($"/run/{group}.sock"), $"/run/{group}.sock is left");
        }
        Assert.DoesNotContain(Processes(), process => Text($"/proc/{process}/cmdline") is var line && groups.Append(_cluster.State).Any(name => line.Contains(name, StringComparison.Ordinal)) && Text($"/proc/{process}/stat") is { Length: > 0 } stat && !stat.Contains(") Z", StringComparison.Ordinal));
        Assert.DoesNotContain(_cluster.State, Text("/proc/self/mountinfo"), StringComparison.Ordinal);
    }

    /// <summary>Starts a node's supervisor anew when it has ended, as whoever runs `eyrie up` from time to time does (README); once more after the last kill. It may be disturbed by a kill, and is then run again.</summary>
    private async Task KeepSupervisedAsync(CancellationToken cancellationToken)
    {
        for (bool last = false; ;)
        {
            var said = "";
            while (Supervisors().Count < 2)
            {
                (var code, said) = await _cluster.EyrieAsync("up");
                if (code != 0 && last) throw new InvalidOperationException($"eyrie up ended with {code} when nothing was killed any more:\n{said}");
            }
            if (last) return;
            last = cancellationToken.IsCancellationRequested;
            if (!last) await Task.Delay(200, CancellationToken.None);
        }
    }

    /// <summary>The supervisors that live, of those that `eyrie up` has written down.</summary>
    private List<int> Supervisors()
    {
        var text = Text(Path.Combine(_cluster.State, "processes.json"));
        if (text.Length == 0) return [];
        return [.. JsonNode.Parse(text)!.AsArray().Where(member => member!["name"]!.ToString() != "control-plane").Select(member => member!["pid"]!.GetValue<int>()).Where(process => Text($"/proc/{process}/cmdline").Contains("supervise\0", StringComparison.Ordinal))];
    }

    /// <summary>Every process of both nodes, by what it is.</summary>
    private Dictionary<string, List<int>> Victims()
    {
        var found = new Dictionary<string, List<int>>();
        void Add(string kind, int process)
        {
            if (!found.TryGetValue(kind, out var list)) found[kind] = list = [];
            list.Add(process);
        }
        foreach (var supervisor in Supervisors()) Add("supervisor", supervisor);
        for (int node = 0; node < 2; node++)
        {
            if (Text(Path.Combine(Node(node), "agent.pid")).Split(' ')[0] is { Length: > 0 } agent && Directory.Exists("/proc/" + agent)) Add("agent", int.Parse(agent, CultureInfo.InvariantCulture));
            foreach (var kernel in Kernels(node))
            {
                Add("keeper", kernel);
                foreach (var child in Children(kernel))
                {
                    var name = Path.GetFileName(new FileInfo($"/proc/{child}/exe").LinkTarget ?? "");
                    if (name is "network" or "metteagle") Add(name, child);
                    else if (name == "eyrie-kernel") Add("kernel", child);
                    else foreach (var process in Children(child).Prepend(child)) Add("container", process);
                }
            }
        }
        return found;
    }

    private bool IsKernel(string process, int node) => Text($"/proc/{process}/cmdline").Contains($"eyrie-kernel\0--root\0{Node(node)}\0", StringComparison.Ordinal);

    /// <summary>The kernels' keepers.</summary>
    private IEnumerable<int> Kernels(int node) => Processes().Where(process => IsKernel($"{process}", node) && !IsKernel(Regex.Match(Text($"/proc/{process}/stat"), @"\) . (\d+)").Groups[1].Value, node));

    private static IEnumerable<int> Processes() => Directory.EnumerateDirectories("/proc").Where(directory => char.IsAsciiDigit(directory[6])).Select(directory => int.Parse(directory[6..], CultureInfo.InvariantCulture));

    private static IEnumerable<int> Children(int process) => Text($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(child => int.Parse(child, CultureInfo.InvariantCulture));

    private static string Text(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return ""; // it has ended, or was not written yet
        }
    }

    private static string GroupOf(string line) => Regex.Match(line, "eyrie-[0-9a-f]{12}").Value;

    private string Group(int node) => GroupOf(Text($"/proc/{Kernels(node).Single()}/cmdline"));

    /// <summary>Whether a container, by the id that is told of it, has processes.</summary>
    private static bool Runs(string told) => Directory.EnumerateDirectories("/sys/fs/cgroup/pids", "eyrie-*").Any(group => Text(Path.Combine(group, told["metteagle://".Length..], "cgroup.procs")).Length > 0);

    /// <summary>What the cluster tells may be older than the last kill, so each container is looked for as well.</summary>
    private async Task SettledAsync()
    {
        const string State = "jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].containerID} {.status.phase} {.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}{end}";
        var end = DateTimeOffset.UtcNow + Recovery;
        for (string nodes = "", pods = ""; ; await Task.Delay(100))
        {
            nodes = (await _cluster.KubectlAsync("get", "nodes", "--no-headers")).Output;
            pods = (await _cluster.KubectlAsync("get", "pods", "-o", State)).Output;
            var lines = pods.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            // Three of hello, visitor, uninvited, store and its two writers.
            if (nodes.Split('\n', StringSplitOptions.RemoveEmptyEntries).Count(line => line.Contains(" Ready ", StringComparison.Ordinal)) == 2 && lines.Length == 8 && lines.All(line => line.EndsWith(" Running True", StringComparison.Ordinal) && Runs(line.Split(' ')[1]))) return;
            if (DateTimeOffset.UtcNow > end) throw new TimeoutException($"after {Recovery} not every pod is as desired:\n{nodes}\n{pods}\n{(await _cluster.KubectlAsync("get", "pods")).Output}");
        }
    }

    /// <summary>What is there belongs to a container that runs: processes, control groups, writable layers, mounts, sockets that listen.</summary>
    private async Task NothingLeftAsync()
    {
        var ids = (await _cluster.KubectlAsync("get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[*].containerID}")).Output.Split(' ').Select(id => id["metteagle://".Length..]).ToHashSet();
        var addresses = (await _cluster.KubectlAsync("get", "pods", "-o", "jsonpath={.items[*].status.podIP}")).Output.Split(' ');
        Assert.Equal(addresses.Length, addresses.Distinct().Count());
        var groups = new List<string>();
        for (int node = 0; node < 2; node++)
        {
            var group = Group(node); // and so one kernel alone
            Assert.Equal(["metteagle", "network"], Processes().Select(process => Text($"/proc/{process}/cmdline").Split('\0')).Where(words => words.Length > 1 && words[0] is "metteagle" or "network" && words[1] == group).Select(words => words[0]).Order(StringComparer.Ordinal)); // none of a kernel that ended
            foreach (var controller in Controllers) groups.AddRange(Directory.EnumerateDirectories($"/sys/fs/cgroup/{controller}/{group}").Select(directory => Path.GetFileName(directory)).Where(name => !name.StartsWith(".spare-", StringComparison.Ordinal))); // those are kept for the next containers
            Assert.All(Directory.EnumerateDirectories(Path.Combine(Node(node), "containers")), directory => Assert.Contains(Path.GetFileName(directory), ids));
            foreach (var process in Processes().Where(process => Text($"/proc/{process}/cgroup").Contains(group + "/", StringComparison.Ordinal)))
                Assert.Contains(ids, id => Text($"/proc/{process}/cgroup") is var text && (text.Length == 0 || text.Contains($"{group}/{id}\n", StringComparison.Ordinal)));
        }
        Assert.Equal(ids.Order(StringComparer.Ordinal), groups.Distinct().Order(StringComparer.Ordinal));
        // The one volume in memory is there once, after however many agents.
        var memory = Path.Combine(_cluster.State, "nodes", (await _cluster.KubectlAsync("get", "pod", "store", "-o", "jsonpath={.spec.nodeName}/pods/{.metadata.uid}/")).Output);
        Assert.StartsWith(memory, Assert.Single(Text("/proc/self/mountinfo").Split('\n'), line => line.Contains(_cluster.State, StringComparison.Ordinal)).Split(' ')[4], StringComparison.Ordinal);
        var octet = Text(Path.Combine(_cluster.State, "cluster-octet")).Trim();
        var listening = (await Shell.RunAsync("ss", ["-Htln"])).Output.Split('\n').Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(fields => fields.Length > 3).Select(fields => fields[3].Split(':')[0]);
        // A pod's own localhost is told by its address with C+16 in place of C.
        var (cluster, localhost) = ($"127.{octet}.", string.Create(CultureInfo.InvariantCulture, $"127.{int.Parse(octet, CultureInfo.InvariantCulture) + 16}."));
        listening = listening.Select(address => address.StartsWith(localhost, StringComparison.Ordinal) ? cluster + address[localhost.Length..] : address);
        // Services are below 127.C.16; the last address of a node's range is the node's own, where it answers for names.
        var own = new[] { 0, 1 }.Select(node => $"127.{octet}.{19 + 4 * node}.255").ToHashSet();
        Assert.All(listening.Where(address => address.StartsWith(cluster, StringComparison.Ordinal) && int.Parse(address.Split('.')[2], CultureInfo.InvariantCulture) >= 16 && !own.Contains(address)), address => Assert.Contains(address, addresses));
    }
}
