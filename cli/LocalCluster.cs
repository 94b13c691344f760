using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Cli;

/// <summary>The processes of a cluster on this machine: started detached, remembered by process id and start time, ended by exactly those.</summary>
public sealed class LocalCluster(string stateDirectory)
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    /// <summary>EAGAIN: what .NET gives for a file that another process has opened for itself alone (flock(2)).</summary>
    private const int HeldByAnother = 11;

    private sealed record Member(string Name, int ProcessId, long StartTime);

    private string ProcessFile => Path.Combine(stateDirectory, "processes.json");

    /// <summary>Directory that holds every part, found from this program's own place.</summary>
    private static string Root => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));

    /// <summary>The program that runs .NET programs.</summary>
    public static string DotNet => Environment.ProcessPath is { } host && Path.GetFileName(host) == "dotnet" ? host : "dotnet";

    public static string ControlPlane => Path.Combine(Root, "control-plane/Host/bin/Release/net10.0/eyrie-control-plane.dll");

    public static string Agent => Path.Combine(Root, "node/Agent/bin/Release/net10.0/eyrie-node.dll");

    private string StoreFile => Path.Combine(stateDirectory, "store");

    /// <summary>Where the cluster's objects are: embedded or etcd://...; null before its first start.</summary>
    public string? Store
    {
        get => File.Exists(StoreFile) ? File.ReadAllText(StoreFile) : null;
        set => File.WriteAllText(StoreFile, value);
    }

    /// <summary>Holds a cluster that is down where it is, until disposed.</summary>
    public IDisposable Stopped()
    {
        Directory.CreateDirectory(stateDirectory);
        var held = Lock();
        if (!Members().Any(Alive)) return held;
        held.Dispose();
        throw new Failure("the cluster runs; end it first with: eyrie down");
    }

    public async Task StartAsync(int nodes, string? store, int? port, IReadOnlyList<string> serverOptions, IReadOnlyList<string> nodeOptions, Action<string> progress)
    {
        if (Environment.UserName != "root") throw new Failure("a node's microkernel needs root on this host: run it as root, or with sudo");
        Directory.CreateDirectory(Path.Combine(stateDirectory, "logs"));
        using var one = Lock();
        store = RememberedStore(store);
        var members = Members().Where(Alive).ToList();
        if (members.All(member => member.Name != "control-plane"))
        {
            progress("starting the control plane");
            var arguments = new List<string> { "--state-dir", stateDirectory, "--cluster-octet", Octet().ToString(CultureInfo.InvariantCulture) };
            arguments.AddRange(["--store", store]);
            if (port is not null) arguments.AddRange(["--listen", $"127.0.0.1:{port}"]);
            arguments.AddRange(serverOptions);
            members.RemoveAll(member => member.Name == "control-plane");
            members.Add(await LaunchAsync("control-plane", ControlPlane, arguments));
            Store = store; // it opened
            Save(members);
        }
        var url = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(stateDirectory, "control-plane.json")))!["url"]!.ToString();
        var missing = Enumerable.Range(0, nodes).Where(index => members.All(member => member.Name != $"node-{index}")).ToList();
        if (missing.Count > 0) progress($"starting {missing.Count} node{(missing.Count == 1 ? "" : "s")}");
        var started = await Task.WhenAll(missing.Select(index => LaunchAsync($"node-{index}", Agent,
        [
            "--state-dir", Path.Combine(stateDirectory, "nodes", $"node-{index}"), "--name", $"node-{index}", "--index", index.ToString(CultureInfo.InvariantCulture), "--cluster-octet", Octet().ToString(CultureInfo.InvariantCulture),
            "--server", url, "--ca", Path.Combine(stateDirectory, "pki/ca.crt"), "--token-file", Path.Combine(stateDirectory, "pki/node.token"), "--microkernel", Path.Combine(Root, "microkernel/bin"), .. nodeOptions,
        ], Path.Combine(Root, "node/supervise"))));
        Save([.. members, .. started]);
    }

    public async Task StopAsync(bool purge)
    {
        if (!Directory.Exists(stateDirectory)) return;
        var members = Members();
        var supervised = members.Where(Alive).Select(member => member.Name).ToHashSet();
        var nodes = Path.Combine(stateDirectory, "nodes");
        // Nobody is there to end what these run.
        var orphaned = Directory.Exists(nodes) ? Directory.EnumerateDirectories(nodes).Where(node => !supervised.Contains(Path.GetFileName(node))).ToList() : [];
        foreach (var member in members.Where(member => member.Name != "control-plane").Append(members.FirstOrDefault(member => member.Name == "control-plane")!).Where(member => member is not null && Alive(member)))
        {
            if (member.Name == "control-plane") await WaitAsync(members.Where(other => other.Name != "control-plane"));
            // A node that is shut down (SIGTERM) gives its pods their grace; this is the end of all of them.
            using var kill = Process.Start("kill", [member.Name == "control-plane" ? "-TERM" : "-USR1", member.ProcessId.ToString(CultureInfo.InvariantCulture)])!;
            await kill.WaitForExitAsync();
        }
        await WaitAsync(members);
        foreach (var node in orphaned.Union(NodesWithKernel(nodes))) await EndNodeAsync(node);
        File.Delete(ProcessFile);
        if (!purge) return;
        var octet = Path.Combine(stateDirectory, "cluster-octet");
        if (File.Exists(octet)) File.Delete($"/run/eyrie/octet-{File.ReadAllText(octet)}");
        Directory.Delete(stateDirectory, true);
    }

    /// <summary>Nodes whose microkernel still runs: their agent ended in another way than it was told to.</summary>
    private static IEnumerable<string> NodesWithKernel(string nodes)
    {
        string Line(string process)
        {
            try
            {
                return File.ReadAllText(process + "/cmdline");
            }
            catch (IOException)
            {
                return ""; // ended meanwhile
            }
        }
        if (!Directory.Exists(nodes)) return [];
        var lines = Directory.EnumerateDirectories("/proc").Where(process => char.IsAsciiDigit(process[6])).Select(Line).Where(line => line.Contains("eyrie-kernel\0", StringComparison.Ordinal)).ToList();
        return Directory.EnumerateDirectories(nodes).Where(node => lines.Any(line => line.Contains($"\0--root\0{node}\0", StringComparison.Ordinal)));
    }

    /// <summary>The agent of a node, if one runs, and the microkernel, which outlives its agent.</summary>
    private static async Task EndNodeAsync(string node)
    {
        using var end = Process.Start(DotNet, [Agent, "end", "--state-dir", node]);
        await end.WaitForExitAsync();
        if (end.ExitCode != 0) throw new Failure($"what {node} runs could not be ended; its message is above");
    }

    public IReadOnlyList<(string Name, int ProcessId, bool Alive)> Status() => [.. Members().Select(member => (member.Name, member.ProcessId, Alive(member)))];

    private static async Task WaitAsync(IEnumerable<Member> members)
    {
        var end = DateTimeOffset.UtcNow + Deadline;
        foreach (var member in members)
            while (Alive(member))
            {
                if (DateTimeOffset.UtcNow > end) throw new Failure($"{member.Name} (process {member.ProcessId}) did not end within {Deadline.TotalSeconds} s");
                await Task.Delay(TimeSpan.FromMilliseconds(20));
            }
    }

    /// <summary>Starts a process in a session of its own with its output in a file, and waits for its word <c>ready</c>.</summary>
    private async Task<Member> LaunchAsync(string name, string assembly, IReadOnlyList<string> arguments, string? supervisor = null)
    {
        if (!File.Exists(assembly)) throw new Failure($"{assembly} is not built; run ./eyrie from the repository, which builds it");
        var output = Path.Combine(stateDirectory, "logs", name + ".out");
        var errors = Path.Combine(stateDirectory, "logs", name + ".log");
        await File.WriteAllTextAsync(output, "");
        // The shell becomes the program (exec), so the process id is the program's own. Signals that whoever called ignored (as nohup does) are not: members are told by them.
        var start = new ProcessStartInfo("setsid") { WorkingDirectory = "/" };
        foreach (var argument in new[] { "env", "--default-signal", "sh", "-c", "out=$1; err=$2; shift 2; exec \"$@\" >\"$out\" 2>>\"$err\" </dev/null", "sh", output, errors }.Concat(supervisor is null ? [] : [supervisor]).Concat([DotNet, assembly]).Concat(arguments)) start.ArgumentList.Add(argument);
        start.Environment["DOTNET_TieredPGO"] = "0";
        if (supervisor is not null) start.Environment["DOTNET_GCgen0size"] = "400000"; // hexadecimal, 4 MiB: an agent that has little to do stays small
        var process = Process.Start(start)!;
        var end = DateTimeOffset.UtcNow + Deadline;
        while (!(await File.ReadAllLinesAsync(output)).Contains("ready"))
        {
            if (process.HasExited) throw new Failure($"{name} ended at once; its log {errors} says:\n" + string.Join('\n', File.ReadLines(errors).TakeLast(5)));
            if (DateTimeOffset.UtcNow > end) throw new Failure($"{name} was not ready within {Deadline.TotalSeconds} s; see {errors}");
            await Task.Delay(TimeSpan.FromMilliseconds(10));
        }
        return new Member(name, process.Id, StartTime(process.Id) ?? 0);
    }

    /// <summary>A second octet that no other cluster on this machine uses: its mark in /run/eyrie names no other state directory that still exists. Kept for good.</summary>
    private int Octet()
    {
        var file = Path.Combine(stateDirectory, "cluster-octet");
        if (File.Exists(file)) return int.Parse(File.ReadAllText(file), CultureInfo.InvariantCulture);
        Directory.CreateDirectory("/run/eyrie");
        for (int octet = 64; octet < 80; octet++)
        {
            if (!Claim($"/run/eyrie/octet-{octet}")) continue;
            File.WriteAllText(file, octet.ToString(CultureInfo.InvariantCulture));
            return octet;
        }
        throw new Failure("all 16 address ranges of this machine are in use; end a cluster with: eyrie down --purge");
    }

    /// <summary>Puts this cluster's name on a mark that no other cluster holds; whoever else looks at it at this moment finds it taken.</summary>
    private bool Claim(string mark)
    {
        try
        {
            using var held = new FileStream(mark, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            var owner = new StreamReader(held).ReadToEnd();
            if (owner.Length > 0 && owner != stateDirectory && Directory.Exists(owner)) return false;
            held.SetLength(0);
            held.Write(Encoding.UTF8.GetBytes(stateDirectory));
            return true;
        }
        catch (IOException exception) when (exception.HResult == HeldByAnother)
        {
            return false; // another cluster is at it
        }
        catch (IOException exception)
        {
            throw new Failure($"{mark} cannot be written, by which clusters of this machine keep apart: {exception.Message}");
        }
    }

    /// <summary>A cluster keeps the store it was first started with: another one would not hold its objects.</summary>
    private string RememberedStore(string? wanted)
    {
        if (Store is { } first) return wanted is null ? first : Place(wanted) == Place(first) ? wanted
            : throw new Failure($"this cluster's objects are in the store {first}; it cannot be started with --store {wanted}. Move them with: eyrie move-store {wanted}, or start a new cluster with --state-dir DIR");
        return wanted ?? "embedded";
    }

    /// <summary>Which store an address means, whoever speaks to it and how: an etcd may get TLS, users and other certificates.</summary>
    private static string Place(string store) => store.Split('?')[0].Replace("etcds://", "etcd://", StringComparison.Ordinal) is var place && place.IndexOf('@', StringComparison.Ordinal) is > 0 and var at ? "etcd://" + place[(at + 1)..] : place;

    private FileStream Lock()
    {
        try
        {
            return new FileStream(Path.Combine(stateDirectory, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException exception) when (exception.HResult == HeldByAnother)
        {
            throw new Failure($"another eyrie up or down is at work in {stateDirectory}");
        }
    }

    private List<Member> Members() => !File.Exists(ProcessFile) ? [] : [.. JsonNode.Parse(File.ReadAllText(ProcessFile))!.AsArray()
        .Select(node => new Member(node!["name"]!.ToString(), node["pid"]!.GetValue<int>(), node["start"]!.GetValue<long>()))];

    /// <summary>Whole or not at all: whoever looks meanwhile, or comes after a power cut, finds who is there.</summary>
    private void Save(IEnumerable<Member> members)
    {
        File.WriteAllText(ProcessFile + ".new", new JsonArray([.. members.Select(member => new JsonObject { ["name"] = member.Name, ["pid"] = member.ProcessId, ["start"] = member.StartTime })]).ToJsonString());
        File.Move(ProcessFile + ".new", ProcessFile, true);
    }

    private static bool Alive(Member member) => StartTime(member.ProcessId) == member.StartTime;

    /// <summary>Start time of a process (field 22 of /proc/PID/stat): with the id it names a process for good. null: there is none, or it has ended.</summary>
    private static long? StartTime(int process)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{process}/stat");
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] == "Z" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException or IOException)
        {
            return null;
        }
    }
}
