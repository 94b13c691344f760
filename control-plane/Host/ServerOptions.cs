using System.Globalization;
using System.Net;
using Eyrie.ControlPlane.Scheduler;
using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Host;

/// <summary>The command line of eyrie-control-plane.</summary>
public sealed record ServerOptions
{
    /// <summary>Directory of the store, keys and images.</summary>
    public required string StateDirectory { get; init; }
    /// <summary>Address and port to serve on; port 0: the one of the last start, or a free one.</summary>
    public IPEndPoint Listen { get; init; } = new(IPAddress.Loopback, 0);
    /// <summary>The etcd that holds the objects; null: the embedded store.</summary>
    public EtcdAddress? Etcd { get; init; }
    /// <summary>Second octet of the cluster's addresses, 64 to 79.</summary>
    public int ClusterOctet { get; init; } = 64;

    /// <summary>Base address of the Prometheus that autoscalers and rollout guards ask; null: none.</summary>
    public Uri? Prometheus { get; init; }

    /// <summary>Whether the scheduler spreads pods over nodes or packs them onto few.</summary>
    public ScoringStrategy Scoring { get; init; } = ScoringStrategy.LeastAllocated;

    /// <summary>Reads the arguments; every problem at once.</summary>
    public static ServerOptions? Parse(string[] arguments, TextWriter errors)
    {
        var values = new Dictionary<string, string>();
        var problems = new List<string>();
        for (int i = 0; i < arguments.Length; i += 2)
        {
            if (arguments[i] is not ("--state-dir" or "--listen" or "--store" or "--cluster-octet" or "--prometheus" or "--scoring-strategy")) problems.Add($"unknown option {arguments[i]}");
            else if (i + 1 == arguments.Length) problems.Add($"{arguments[i]} needs a value");
            else values[arguments[i]] = arguments[i + 1];
        }
        if (!values.TryGetValue("--state-dir", out var state)) problems.Add("--state-dir DIR is required");
        var listen = new IPEndPoint(IPAddress.Loopback, 0);
        if (values.TryGetValue("--listen", out var address) && !IPEndPoint.TryParse(address, out listen!)) problems.Add($"--listen: \"{address}\" is not ADDRESS:PORT");
        int octet = 64;
        if (values.TryGetValue("--cluster-octet", out var text) && (!int.TryParse(text, CultureInfo.InvariantCulture, out octet) || octet is < 64 or > 79)) problems.Add("--cluster-octet must be 64 to 79");
        var store = values.GetValueOrDefault("--store", "embedded");
        var (etcd, wrong) = store == "embedded" ? (null, "") : EtcdAddress.Read(store);
        if (wrong.Length > 0) problems.Add($"--store is embedded or an etcd: {wrong}");
        Uri? prometheus = null;
        if (values.TryGetValue("--prometheus", out var server) && (!Uri.TryCreate(server.TrimEnd('/') + "/", UriKind.Absolute, out prometheus) || prometheus.Scheme is not ("http" or "https"))) problems.Add($"--prometheus: \"{server}\" is not an http or https address");
        var strategy = ScoringStrategy.LeastAllocated;
        if (values.TryGetValue("--scoring-strategy", out var word) && !(Enum.GetNames<ScoringStrategy>().Contains(word) && Enum.TryParse(word, out strategy))) problems.Add($"--scoring-strategy: \"{word}\" is not {string.Join(" or ", Enum.GetNames<ScoringStrategy>())}");
        foreach (var problem in problems) errors.WriteLine("eyrie-control-plane: " + problem);
        return problems.Count > 0 ? null : new ServerOptions { StateDirectory = Path.GetFullPath(state!), Listen = listen, Etcd = etcd, ClusterOctet = octet, Prometheus = prometheus, Scoring = strategy };
    }
}
