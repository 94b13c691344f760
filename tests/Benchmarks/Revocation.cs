using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Benchmarks;

/// <summary>
/// From the request that takes a grant away to the end of what lived by it, as the other side of a connection sees it: a connection of a running container, and a process that has a file open in a directory that it may no longer
/// write. Through API server, compiler, node and kernel, in a cluster of its own.
/// </summary>
public sealed class Revocation : IBenchmark
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    public string Name => "revoke";
    public string Description => "from taking a grant away to the end of the connection, or of the process with the open file";
    public int DefaultRounds => 30;

    public async Task RunAsync(int rounds)
    {
        await Commands.RunAsync("./eyrie", ["--help"]); // builds
        var state = Path.Combine(Path.GetTempPath(), $"eyrie-bench-{Environment.ProcessId}");
        var address = NetworkInterface.GetAllNetworkInterfaces().SelectMany(network => network.GetIPProperties().UnicastAddresses).Select(item => item.Address).FirstOrDefault(item => item.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(item))
            ?? throw new InvalidOperationException("this machine has no address but its loopback");
        using var listener = new TcpListener(address, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        try
        {
            await Commands.RunAsync("./eyrie", ["up", "manifests/samples/hello.yaml", "--state-dir", state]);
            var manifest = Path.Combine(state, "bench.yaml");
            await File.WriteAllTextAsync(manifest, Pod("connection", address, port, $"while true; do wget -q -O- http://{address}:{port}/; sleep 0.1; done"));
            await Commands.RunAsync("./eyrie", ["apply", "-f", manifest, "--state-dir", state]);
            using var http = Client(state);
            (await http.GetAsync("/api/v1/namespaces/default/pods/connection")).Dispose(); // its own first connection is the benchmark's, not the revocation's
            Samples connection = new("grant of a connection, until the connection ends"), file = new("grant of a directory, until the process with the file open ends");
            for (int round = 0; round < rounds; round++)
            {
                using var socket = await listener.AcceptSocketAsync().WaitAsync(Deadline);
                connection.Add(await MeasureAsync(socket, () => PatchAsync(http, "connection", "connect", new JsonArray())));
                await PatchAsync(http, "connection", "connect", Connect(address, port));
            }
            await Commands.RunAsync("./eyrie", ["delete", "pods", "connection", "--state-dir", state]);
            while (listener.Pending()) (await listener.AcceptSocketAsync()).Dispose();
            await File.WriteAllTextAsync(manifest, Pod("file", address, port, $"( : > /data/open ) || sleep 1000; exec 3>/data/open; wget -q -O- http://{address}:{port}/; sleep 1000"));
            await Commands.RunAsync("./eyrie", ["apply", "-f", manifest, "--state-dir", state]);
            for (int round = 0; round < rounds; round++)
            {
                using var socket = await listener.AcceptSocketAsync().WaitAsync(Deadline);
                file.Add(await MeasureAsync(socket, () => PatchAsync(http, "file", "files", new JsonArray())));
                await PatchAsync(http, "file", "files", Files());
            }
            Console.WriteLine(Samples.Header);
            foreach (var samples in new[] { connection, file }) Console.WriteLine(samples.Row());
        }
        finally
        {
            await Commands.RunAsync("./eyrie", ["down", "--purge", "--state-dir", state]);
        }
    }

    private static async Task<TimeSpan> MeasureAsync(Socket socket, Func<Task> revoke)
    {
        long start = Stopwatch.GetTimestamp();
        var revoking = revoke();
        try
        {
            while (await socket.ReceiveAsync(new byte[64]).WaitAsync(Deadline) > 0) { }
        }
        catch (SocketException exception) when (exception.SocketErrorCode is SocketError.ConnectionReset or SocketError.ConnectionAborted)
        {
            // Ended, and said so.
        }
        var taken = Stopwatch.GetElapsedTime(start);
        await revoking;
        return taken;
    }

    private static JsonArray Connect(IPAddress address, int port) => new(new JsonObject { ["cidr"] = $"{address}/32", ["port"] = port });

    private static JsonArray Files() => new(new JsonObject { ["path"] = "/data", ["access"] = "write" });

    private static string Pod(string name, IPAddress address, int port, string script) => new JsonObject
    {
        ["apiVersion"] = "v1", ["kind"] = "Pod", ["metadata"] = new JsonObject { ["name"] = name },
        ["spec"] = new JsonObject
        {
            ["terminationGracePeriodSeconds"] = 0,
            ["containers"] = new JsonArray(new JsonObject
            {
                ["name"] = "a", ["image"] = "hello:1", ["command"] = new JsonArray("sh", "-c", script), ["permissions"] = new JsonObject { ["connect"] = Connect(address, port), ["files"] = Files() },
            }),
        },
    }.ToJsonString();

    private static HttpClient Client(string state)
    {
        var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = HttpClientHandler.DangerousAcceptAnyServerCertificateValidator }; // its own cluster, on the loopback
        var http = new HttpClient(handler) { BaseAddress = new Uri(JsonNode.Parse(File.ReadAllText(Path.Combine(state, "control-plane.json")))!["url"]!.ToString()) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", File.ReadAllText(Path.Combine(state, "pki/admin.token")).Trim());
        return http;
    }

    private static async Task PatchAsync(HttpClient http, string pod, string field, JsonArray grants)
    {
        var patch = new JsonArray(new JsonObject { ["op"] = "add", ["path"] = $"/spec/containers/0/permissions/{field}", ["value"] = grants });
        using var content = new StringContent(patch.ToJsonString(), Encoding.UTF8, "application/json-patch+json");
        using var response = await http.PatchAsync($"/api/v1/namespaces/default/pods/{pod}", content);
        if (!response.IsSuccessStatusCode) throw new InvalidOperationException(await response.Content.ReadAsStringAsync());
    }
}
