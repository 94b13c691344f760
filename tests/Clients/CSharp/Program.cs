using System.Text;
using k8s;
using k8s.Models;

// usage: NAMESPACE POD PORT. What programs do with the KubernetesClient package: list, watch, patch, exec, port-forward. One line for each thing done.
var (home, pod, port) = (args[0], args[1], int.Parse(args[2], System.Globalization.CultureInfo.InvariantCulture));
using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
using var client = new Kubernetes(KubernetesClientConfiguration.BuildConfigFromConfigFile(Environment.GetEnvironmentVariable("KUBECONFIG")));

await client.CoreV1.CreateNamespacedConfigMapAsync(new V1ConfigMap { Metadata = new() { Name = "sharp", Labels = new Dictionary<string, string> { ["made-by"] = "sharp" } }, Data = new Dictionary<string, string> { ["a"] = "1" } }, home);
var list = await client.CoreV1.ListNamespacedConfigMapAsync(home, labelSelector: "made-by=sharp");
Console.WriteLine($"listed {string.Join(',', list.Items.Select(item => item.Name()))}");

var watching = Task.Run(async () =>
{
    var seen = new List<string>();
    await foreach (var (type, item) in client.CoreV1.WatchListNamespacedConfigMapAsync(home, labelSelector: "made-by=sharp", resourceVersion: list.ResourceVersion(), cancellationToken: deadline.Token))
    {
        seen.Add($"{type} {string.Join(',', (item.Data ?? new Dictionary<string, string>()).OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}"))}");
        if (type == WatchEventType.Deleted) break;
    }
    return seen;
});
async Task PatchAsync(string content, V1Patch.PatchType type) => await client.CoreV1.PatchNamespacedConfigMapAsync(new V1Patch(content, type), "sharp", home, fieldManager: "sharp");
await PatchAsync("""{"data":{"b":"2"}}""", V1Patch.PatchType.MergePatch);
await PatchAsync("""[{"op":"remove","path":"/data/a"}]""", V1Patch.PatchType.JsonPatch);
await PatchAsync("""{"data":{"c":"3"}}""", V1Patch.PatchType.StrategicMergePatch);
var applied = await client.CoreV1.PatchNamespacedConfigMapAsync(new V1Patch("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"sharp\"},\"data\":{\"d\":\"4\"}}", V1Patch.PatchType.ApplyPatch), "sharp", home, fieldManager: "applier", force: true);
Console.WriteLine($"patched {string.Join(',', applied.Data.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}"))}");
await client.CoreV1.DeleteNamespacedConfigMapAsync("sharp", home);
Console.WriteLine($"watched {string.Join("; ", await watching)}");

var code = await client.NamespacedPodExecAsync(pod, home, "a", ["sh", "-c", "read line; echo out $line; echo err >&2; exit 3"], false, async (stdin, stdout, stderr) =>
{
    await stdin.WriteAsync(Encoding.ASCII.GetBytes("hello\n"), deadline.Token);
    await stdin.FlushAsync(deadline.Token);
    Console.WriteLine($"exec said {(await new StreamReader(stdout).ReadToEndAsync(deadline.Token)).Trim()} and {(await new StreamReader(stderr).ReadToEndAsync(deadline.Token)).Trim()}");
}, deadline.Token);
Console.WriteLine($"exec ended with {code}");

using var socket = await client.WebSocketNamespacedPodPortForwardAsync(pod, home, [port], "v4.channel.k8s.io", cancellationToken: deadline.Token);
using var demux = new StreamDemuxer(socket, StreamType.PortForward);
demux.Start();
await using var stream = demux.GetStream((byte?)0, (byte?)0);
await stream.WriteAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.0\r\n\r\n"), deadline.Token);
var answer = new byte[4096];
int read = await stream.ReadAsync(answer, deadline.Token);
Console.WriteLine($"forwarded {Encoding.ASCII.GetString(answer, 0, read).Split('\r')[0]}");
