using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Node.Contract.V1;
using Eyrie.Node.Logs;
using Eyrie.Node.Tokens;
using Eyrie.Node.Volumes;

namespace Eyrie.Node;

/// <summary>What stands on the node's disk for one pod: its hosts file, volumes, logs and termination messages; and its end.</summary>
public sealed class PodFiles(NodeOptions options, string uid, PodAddress address, HeldTokens tokens)
{
    private const int LongestMessage = 4096, LongestFromLog = 2048, MostLinesFromLog = 80;

    private string Home => Path.Combine(options.StateDirectory, "pods", uid);
    private string Logs => Path.Combine(options.StateDirectory, "logs", uid);

    /// <summary>Unique on the node and at most 63 characters: of a long name its beginning and its digest.</summary>
    public static string ContainerId(string uid, string container, int run)
    {
        const int Longest = 36;
        var name = container.Length <= Longest ? container : container[..(Longest - 9)] + "-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(container)))[..8];
        return string.Create(CultureInfo.InvariantCulture, $"{Prefix(uid)}-{name}-{run}");
    }

    /// <summary>What the names of everything begin with that belongs to a pod.</summary>
    public static string Prefix(string uid) => uid[..13];

    public void Create(DesiredPod desired, JsonObject pod)
    {
        Directory.CreateDirectory(Logs);
        Directory.CreateDirectory(Home);
        Write(desired, pod);
    }

    /// <summary>What may change while the pod runs.</summary>
    public void Write(DesiredPod desired, JsonObject pod)
    {
        var hostname = Hostname(pod);
        var domain = pod["spec"]?["subdomain"]?.ToString() is { Length: > 0 } sub ? $"{hostname}.{sub}.{pod["metadata"]!["namespace"]}.svc.cluster.local\t" : "";
        var hosts = new StringBuilder("127.0.0.1\tlocalhost\n").Append(CultureInfo.InvariantCulture, $"{address.Pod}\t{domain}{hostname}\n");
        foreach (var alias in desired.HostAliases) hosts.Append(CultureInfo.InvariantCulture, $"{alias.Address}\t{string.Join(' ', alias.Names)}\n");
        foreach (var alias in (pod["spec"]?["hostAliases"] as JsonArray ?? []).OfType<JsonObject>())
            hosts.Append(CultureInfo.InvariantCulture, $"{alias["ip"]}\t{string.Join('\t', (alias["hostnames"] as JsonArray ?? []).Select(name => name!.ToString()))}\n");
        new PodVolumes(options, uid, tokens).Write(options.Facts(pod, uid, address), new PodObjects(desired.Objects));
        InPlace(Path.Combine(Home, "hosts"), hosts.ToString());
        InPlace(Path.Combine(Home, "hostname"), hostname + "\n");
        InPlace(Path.Combine(Home, "resolv.conf"), Resolver(pod));
    }

    /// <summary>The file is mounted into the containers: a new one under its name would not be seen, and at no moment may a program find it empty.</summary>
    private static void InPlace(string path, string text)
    {
        if (File.Exists(path) && File.ReadAllText(path) == text) return;
        using var file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite, 0);
        file.Write(Encoding.UTF8.GetBytes(text));
        file.SetLength(file.Position);
    }

    /// <summary>resolv.conf(5), with what the pod's dnsConfig adds.</summary>
    private string Resolver(JsonObject pod)
    {
        var home = pod["metadata"]!["namespace"]!.ToString();
        var config = pod["spec"]?["dnsConfig"];
        var searches = new[] { $"{home}.svc.cluster.local", "svc.cluster.local", "cluster.local" }.Concat((config?["searches"] as JsonArray ?? []).Select(item => item!.ToString())).Distinct();
        var given = (config?["options"] as JsonArray ?? []).OfType<JsonObject>().Select(option => option["value"]?.ToString() is { Length: > 0 } value ? $"{option["name"]}:{value}" : $"{option["name"]}").ToList();
        if (!given.Exists(option => option.StartsWith("ndots:", StringComparison.Ordinal))) given.Insert(0, "ndots:5");
        return $"nameserver {options.DnsAddress}\nsearch {string.Join(' ', searches)}\noptions {string.Join(' ', given)}\n";
    }

    public static string Hostname(JsonObject pod)
    {
        var name = pod["spec"]?["hostname"]?.ToString() is { Length: > 0 } given ? given : pod["metadata"]!["name"]!.ToString();
        return name.Length <= 63 ? name : name[..63].TrimEnd('-', '.'); // the longest that Linux takes
    }

    /// <summary>Where a run's termination message is written, relative to the node root.</summary>
    public static string MessageFile(string uid, string containerId) => $"pods/{uid}/messages/{containerId}";

    public static void MakeMessageFile(NodeOptions options, string uid, string containerId)
    {
        var file = Path.Combine(options.StateDirectory, MessageFile(uid, containerId));
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, "");
        File.SetUnixFileMode(file, (UnixFileMode)0b110_110_110); // whoever the program runs as
    }

    /// <summary>What the run left in its termination message file or, where its policy says so and it failed, the end of its log.</summary>
    public string TerminationMessage(string containerId, JsonObject container, string? log, int exitCode)
    {
        var file = new FileInfo(Path.Combine(options.StateDirectory, MessageFile(uid, containerId)));
        if (file.Exists && file.Length > 0)
        {
            using var reader = file.OpenRead();
            var bytes = new byte[LongestMessage];
            return Encoding.UTF8.GetString(bytes, 0, reader.ReadAtLeast(bytes, bytes.Length, false));
        }
        if (exitCode == 0 || container["terminationMessagePolicy"]?.ToString() != "FallbackToLogsOnError" || log is null || LogFiles.Of(log) is not [.., var last]) return "";
        var lines = File.ReadLines(last).TakeLast(MostLinesFromLog).Select(line => line.Split(' ', 4) is [_, _, _, var text] ? text : "");
        var message = string.Join('\n', lines) + "\n";
        return message.Length <= LongestFromLog ? message : message[^LongestFromLog..];
    }

    public void Remove()
    {
        foreach (var directory in Directory.EnumerateDirectories(Path.Combine(options.StateDirectory, "containers"), Prefix(uid) + "-*")) Directory.Delete(directory, true);
        MemoryVolumes.Remove(Home);
        if (Directory.Exists(Home)) Directory.Delete(Home, true);
        if (Directory.Exists(Logs)) Directory.Delete(Logs, true);
    }
}
