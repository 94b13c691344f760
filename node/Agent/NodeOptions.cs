using System.Globalization;
using Eyrie.Manifests.Permissions;

namespace Eyrie.Node;

/// <summary>The command line of eyrie-node.</summary>
public sealed record NodeOptions
{
    /// <summary>Directory of this node: images, containers, logs; the kernel's node root.</summary>
    public required string StateDirectory { get; init; }
    public required string Name { get; init; }
    /// <summary>Which part of the cluster's pod addresses is this node's: 127.C.(16+4n).0/22.</summary>
    public required int Index { get; init; }
    public required int ClusterOctet { get; init; }
    /// <summary>Base address of the control plane.</summary>
    public required Uri Server { get; init; }
    /// <summary>The cluster's authority, PEM.</summary>
    public required string AuthorityFile { get; init; }
    public required string TokenFile { get; init; }
    /// <summary>Directory of eyrie-kernel, metteagle and network.</summary>
    public required string Microkernel { get; init; }
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
    /// <summary>Thousandths of a core that pods may request.</summary>
    public long CpuMilli { get; init; }
    public long MemoryBytes { get; init; }
    /// <summary>Of the disk of <see cref="StateDirectory"/>, when that is there.</summary>
    public long DiskBytes { get; init; }
    public int MaxPods { get; init; } = 110;
    /// <summary>Registries (host and port) that are spoken to without TLS; those on 127.0.0.1 and localhost always are.</summary>
    public IReadOnlyCollection<string> InsecureRegistries { get; init; } = [];
    /// <summary>Certificates (PEM) of the authorities that vouch for a registry (host and port) besides those that the host trusts.</summary>
    public IReadOnlyDictionary<string, string> RegistryAuthorities { get; init; } = new Dictionary<string, string>();

    /// <summary>Files and directories of the host that pods may be granted: paths, with <c>:ro</c> behind those that may be read only.</summary>
    public IReadOnlyList<string> HostPaths { get; init; } = [];

    /// <summary>Bytes at which the log of a container is put aside (the kubelet's containerLogMaxSize).</summary>
    public long LogMaxBytes { get; init; } = 10 << 20;
    /// <summary>Files that one run's log may have, the current one with them (the kubelet's containerLogMaxFiles).</summary>
    public int LogMaxFiles { get; init; } = 5;

    /// <summary>Per cent of the disk from which on images that nobody wants are removed, and until which (the kubelet's imageGCHighThresholdPercent and imageGCLowThresholdPercent).</summary>
    public int ImageHighPercent { get; init; } = 85;
    public int ImageLowPercent { get; init; } = 80;

    /// <summary>Bytes of unpacked layers that are read in a second, at most, to see whether the disk has changed them; and how long there is between two such readings of all of them.</summary>
    public long ImageCheckRate { get; init; } = 16 << 20;
    public TimeSpan ImageCheckPeriod { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How long pods may take to end when the node is told to (SIGTERM): the ordinary ones until the critical ones' share is left, and then those (the kubelet's shutdownGracePeriod and shutdownGracePeriodCriticalPods). 0: they are killed at once.</summary>
    public TimeSpan ShutdownGrace { get; init; } = TimeSpan.FromSeconds(30);
    public TimeSpan ShutdownGraceCritical { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The node was told to end when no agent heard it: this one does only that, gracefully (TERM) or at once (USR1). Null: it was not.</summary>
    public EndOfAgent? Ending { get; init; }

    /// <summary>Resolver of names outside the cluster, for those who are granted them; null: the host has none, and such names are not answered.</summary>
    public System.Net.IPEndPoint? Resolver { get; init; }

    public string PodRange => string.Create(CultureInfo.InvariantCulture, $"127.{ClusterOctet}.{16 + 4 * Index}.0/22");

    /// <summary>Where the node answers its pods' questions about names: the last address of its range, which no pod is given.</summary>
    public string DnsAddress => string.Create(CultureInfo.InvariantCulture, $"127.{ClusterOctet}.{16 + 4 * Index + 3}.255");

    /// <summary>What a pod may be told about itself and this node.</summary>
    public PodFacts Facts(System.Text.Json.Nodes.JsonObject pod, string uid, PodAddress address) => new(pod, uid, address.Pod, "127.0.0.1", Name, CpuMilli, MemoryBytes, DiskWatch.ForPods(DiskBytes));

    public static NodeOptions? Parse(string[] arguments, TextWriter errors)
    {
        var known = new[] { "--state-dir", "--name", "--index", "--cluster-octet", "--server", "--ca", "--token-file", "--microkernel", "--label", "--cpu", "--memory", "--max-pods", "--insecure-registry", "--registry-authority", "--resolver", "--host-path", "--log-max-size", "--log-max-files", "--image-gc-high", "--image-gc-low", "--shutdown-grace", "--shutdown-grace-critical", "--image-check-rate", "--image-check-period", "--ending" };
        var insecure = new List<string>();
        var authorities = new Dictionary<string, string>();
        var hostPaths = new List<string>();
        var values = new Dictionary<string, string>();
        var labels = new Dictionary<string, string>();
        var problems = new List<string>();
        for (int i = 0; i < arguments.Length; i += 2)
        {
            if (!known.Contains(arguments[i])) problems.Add($"unknown option {arguments[i]}");
            else if (i + 1 == arguments.Length) problems.Add($"{arguments[i]} needs a value");
            else if (arguments[i] == "--insecure-registry") insecure.Add(arguments[i + 1]);
            else if (arguments[i] == "--registry-authority") Authority(arguments[i + 1], authorities, problems);
            else if (arguments[i] == "--host-path" && CapabilityEntry.IsPath(arguments[i + 1])) hostPaths.Add(arguments[i + 1]);
            else if (arguments[i] == "--host-path") problems.Add($"--host-path: \"{arguments[i + 1]}\" is not an absolute path, or one with :ro behind it");
            else if (arguments[i] == "--label" && arguments[i + 1].Split('=') is [var label, var value]) labels[label] = value;
            else if (arguments[i] == "--label") problems.Add($"--label: \"{arguments[i + 1]}\" is not NAME=VALUE");
            else values[arguments[i]] = arguments[i + 1];
        }
        foreach (var name in new[] { "--state-dir", "--name", "--index", "--cluster-octet", "--server", "--ca", "--token-file", "--microkernel" })
            if (!values.ContainsKey(name)) problems.Add($"{name} is required");
        int Number(string name, int absent, int low, int high)
        {
            if (!values.TryGetValue(name, out var text)) return absent;
            if (int.TryParse(text, CultureInfo.InvariantCulture, out int number) && number >= low && number <= high) return number;
            problems.Add($"{name}: \"{text}\" is not a number between {low} and {high}");
            return absent;
        }
        long Amount(string name, int scale, long absent)
        {
            if (!values.TryGetValue(name, out var text)) return absent;
            if (Quantity.TryParse(text, scale, out long amount)) return amount;
            problems.Add($"{name}: \"{text}\" is not a quantity such as 2000m or 8Gi");
            return absent;
        }
        int logFiles = Number("--log-max-files", 5, 2, 100);
        long logBytes = Amount("--log-max-size", 1, 10 << 20);
        if (logBytes < 1024) problems.Add("--log-max-size must be at least 1024");
        int high = Number("--image-gc-high", 85, 1, 100), low = Number("--image-gc-low", 80, 0, 99);
        if (low >= high) problems.Add($"--image-gc-low ({low}) must be less than --image-gc-high ({high})");
        long rate = Amount("--image-check-rate", 1, 16 << 20);
        if (rate < 1 << 16) problems.Add("--image-check-rate must be at least 64Ki");
        int period = Number("--image-check-period", 86400, 10, int.MaxValue);
        int grace = Number("--shutdown-grace", 30, 0, 3600), critical = Number("--shutdown-grace-critical", Math.Min(10, grace / 3), 0, 3600);
        if (critical > grace) problems.Add($"--shutdown-grace-critical ({critical}) is part of --shutdown-grace ({grace}) and cannot be more");
        int index = Number("--index", 0, 0, 59), octet = Number("--cluster-octet", 64, 64, 79), pods = Number("--max-pods", 110, 1, 1000);
        long cpu = Amount("--cpu", 1000, Environment.ProcessorCount * 1000L), memory = Amount("--memory", 1, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        if (!Uri.TryCreate(values.GetValueOrDefault("--server"), UriKind.Absolute, out var server)) problems.Add("--server must be a URL");
        var resolver = values.TryGetValue("--resolver", out var named) ? Dns.UpstreamResolver.Parse(named) : File.Exists("/etc/resolv.conf") ? Dns.UpstreamResolver.OfHost(File.ReadLines("/etc/resolv.conf")) : null;
        if (named is not null && resolver is null) problems.Add($"--resolver: \"{named}\" is not an IPv4 address, or ADDRESS:PORT");
        EndOfAgent? ending = values.GetValueOrDefault("--ending") switch { "TERM" => EndOfAgent.Graceful, "USR1" => EndOfAgent.AtOnce, _ => null };
        if (ending is null && values.TryGetValue("--ending", out var how)) problems.Add($"--ending: \"{how}\" is neither TERM nor USR1");
        foreach (var problem in problems) errors.WriteLine("eyrie-node: " + problem);
        return problems.Count > 0 ? null : new NodeOptions
        {
            StateDirectory = Path.GetFullPath(values["--state-dir"]), Name = values["--name"], Index = index, ClusterOctet = octet, Server = server!, AuthorityFile = values["--ca"], TokenFile = values["--token-file"],
            Microkernel = Path.GetFullPath(values["--microkernel"]), Labels = labels, CpuMilli = cpu, MemoryBytes = memory, MaxPods = pods, InsecureRegistries = insecure, RegistryAuthorities = authorities, Resolver = resolver, HostPaths = hostPaths, LogMaxBytes = logBytes, LogMaxFiles = logFiles, ImageHighPercent = high, ImageLowPercent = low,
            ImageCheckRate = rate, ImageCheckPeriod = TimeSpan.FromSeconds(period), ShutdownGrace = TimeSpan.FromSeconds(grace), ShutdownGraceCritical = TimeSpan.FromSeconds(critical), Ending = ending,
        };
    }

    /// <summary>HOST:PORT=FILE.</summary>
    private static void Authority(string given, Dictionary<string, string> authorities, List<string> problems)
    {
        if (given.Split('=', 2) is not [{ Length: > 0 } registry, { Length: > 0 } file])
        {
            problems.Add($"--registry-authority: \"{given}\" is not HOST:PORT=FILE");
            return;
        }
        try
        {
            var text = File.ReadAllText(file);
            if (RegistryConnections.Certificates(text).Count == 0) problems.Add($"--registry-authority: {file} has no certificate in PEM");
            authorities[registry] = text;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
        {
            problems.Add($"--registry-authority: {file} cannot be read: {exception.Message}");
        }
    }
}
