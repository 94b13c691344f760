using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Benchmarks;

/// <summary>A cluster of its own for one benchmark, with the image <c>hello:1</c>, and a client of its API that is the administrator.</summary>
public sealed class RealCluster : IAsyncDisposable
{
    private readonly int _nodes;

    private RealCluster(string state, int nodes)
    {
        (State, _nodes) = (state, nodes);
        var authority = X509Certificate2.CreateFromPem(File.ReadAllText(Path.Combine(state, "pki/ca.crt")));
        var handler = new SocketsHttpHandler { MaxConnectionsPerServer = 256, SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, CustomTrustStore = { authority } } } };
        Client = new HttpClient(handler) { BaseAddress = new Uri(JsonNode.Parse(File.ReadAllText(Path.Combine(state, "control-plane.json")))!["url"]!.ToString()), Timeout = Timeout.InfiniteTimeSpan };
        Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", File.ReadAllText(Path.Combine(state, "pki/admin.token")).Trim());
    }

    public string State { get; }
    public HttpClient Client { get; }

    public static async Task<RealCluster> StartAsync(int nodes)
    {
        await Commands.RunAsync("./eyrie", ["--help"]); // builds
        var state = Path.Combine(Path.GetTempPath(), $"eyrie-bench-{Environment.ProcessId}");
        try
        {
            await Commands.RunAsync("./eyrie", ["up", "manifests/samples/hello.yaml", "--nodes", nodes.ToString(CultureInfo.InvariantCulture), "--state-dir", state]);
            await Commands.RunAsync("kubectl", ["delete", "--wait", "--grace-period=0", "--force", "-f", "manifests/samples/hello.yaml"], new Dictionary<string, string> { ["KUBECONFIG"] = Path.Combine(state, "kubeconfig") });
            return new RealCluster(state, nodes);
        }
        catch
        {
            await EndAsync(state);
            throw;
        }
    }

    /// <summary>Processes of the cluster by what they are: control plane, agents, kernels, and the kernels' servers.</summary>
    public IEnumerable<(string What, int Process)> Processes()
    {
        yield return ("control plane", JsonNode.Parse(File.ReadAllText(Path.Combine(State, "processes.json")))!.AsArray().First(member => member!["name"]!.ToString() == "control-plane")!["pid"]!.GetValue<int>());
        for (int node = 0; node < _nodes; node++)
        {
            yield return ("agents", Agent(node));
            int kernel = Kernel(node);
            yield return ("kernels", kernel);
            foreach (var server in ProcessUse.Children(kernel)) yield return ("servers", server);
        }
    }

    public int Agent(int node) => int.Parse(File.ReadAllText(Path.Combine(State, $"nodes/node-{node}/agent.pid")).Split(' ')[0], CultureInfo.InvariantCulture);

    public int Kernel(int node) => JsonNode.Parse(File.ReadAllText(Path.Combine(State, $"nodes/node-{node}/node.json")))!["kernelPid"]!.GetValue<int>();

    /// <exception cref="InvalidOperationException">It was refused; the message is the answer.</exception>
    public async Task PostAsync(string path, JsonObject document)
    {
        using var response = await Client.PostAsync(path, new StringContent(document.ToJsonString(), Encoding.UTF8, "application/json"));
        if (!response.IsSuccessStatusCode) throw new InvalidOperationException($"POST {path}: {await response.Content.ReadAsStringAsync()}");
    }

    /// <summary>Tells every change of the pods of the default namespace, until cancelled.</summary>
    public async Task WatchPodsAsync(Action<string, JsonNode> changed, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await Client.GetAsync("/api/v1/namespaces/default/pods?watch=1", HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
            while (await reader.ReadLineAsync(cancellationToken) is { } line)
            {
                var change = JsonNode.Parse(line)!;
                changed(change["type"]!.ToString(), change["object"]!);
            }
        }
        catch (OperationCanceledException)
        {
            // Everything is measured.
        }
    }

    public static bool IsReady(JsonNode pod) => (pod["status"]?["conditions"] as JsonArray ?? []).Any(condition => condition!["type"]!.ToString() == "Ready" && condition["status"]!.ToString() == "True");

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await EndAsync(State);
    }

    private static Task EndAsync(string state) => Commands.RunAsync("./eyrie", ["down", "--purge", "--state-dir", state]);
}

/// <summary>What a process has used and holds (proc(5)).</summary>
public static class ProcessUse
{
    /// <summary>CPU time, to 10 ms.</summary>
    public static TimeSpan Cpu(int process)
    {
        var text = File.ReadAllText($"/proc/{process}/stat");
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return TimeSpan.FromMilliseconds(10 * (double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture)));
    }

    /// <summary>A field of <c>/proc/PID/status</c>, KiB.</summary>
    public static long Kibibytes(int process, string field) => long.Parse(File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith(field, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    /// <summary>Children of a process of one thread that run a program of the same folder, as a kernel's servers do.</summary>
    public static IEnumerable<int> Children(int process)
    {
        var folder = Path.GetDirectoryName(new FileInfo($"/proc/{process}/exe").LinkTarget);
        foreach (var child in File.ReadAllText($"/proc/{process}/task/{process}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
            if (Path.GetDirectoryName(new FileInfo($"/proc/{child}/exe").LinkTarget) == folder) yield return int.Parse(child, CultureInfo.InvariantCulture);
    }
}
