using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace Eyrie.Node;

/// <summary>A readiness probe (httpGet or tcpSocket) against the pod's address.</summary>
public sealed class Probe(JsonObject spec, JsonObject container, string address, HttpClient client)
{
    private int Number(string name, int absent) => spec[name] is JsonValue value && value.TryGetValue(out int number) ? number : absent;

    /// <summary>Probes until cancelled and tells when the answer changes. Until the first success it asks more often than the period, so that a fast start is seen fast.</summary>
    public async Task RunAsync(Action<bool> changed, CancellationToken cancellationToken)
    {
        var eager = TimeSpan.FromMilliseconds(50);
        var period = TimeSpan.FromSeconds(Math.Max(1, Number("periodSeconds", 10)));
        await Task.Delay(TimeSpan.FromSeconds(Number("initialDelaySeconds", 0)), cancellationToken);
        int successes = 0, failures = 0;
        bool ready = false;
        while (true)
        {
            bool good = await OnceAsync(cancellationToken);
            (successes, failures) = good ? (successes + 1, 0) : (0, failures + 1);
            if (!ready && successes >= Number("successThreshold", 1)) changed(ready = true);
            if (ready && failures >= Number("failureThreshold", 3)) changed(ready = false);
            await Task.Delay(ready ? period : eager < period ? eager : period, cancellationToken);
            if (eager < TimeSpan.FromSeconds(1)) eager *= 1.2;
        }
    }

    private async Task<bool> OnceAsync(CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(Math.Max(1, Number("timeoutSeconds", 1))));
        try
        {
            if (spec["httpGet"] is JsonObject get)
            {
                using var response = await client.GetAsync(new Uri($"http://{address}:{Port(get["port"])}{get["path"]?.ToString() ?? "/"}"), deadline.Token);
                return (int)response.StatusCode is >= 200 and < 400;
            }
            using var socket = new TcpClient();
            await socket.ConnectAsync(address, Port(spec["tcpSocket"]?["port"]), deadline.Token);
            return true;
        }
        catch (Exception exception) when (exception is HttpRequestException or SocketException or IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return false; // not ready is an answer
        }
    }

    private int Port(JsonNode? port)
    {
        if (port is JsonValue value && value.TryGetValue(out int number)) return number;
        return (container["ports"] as JsonArray ?? []).FirstOrDefault(named => named?["name"]?.ToString() == port?.ToString())?["containerPort"]?.GetValue<int>() ?? 0;
    }
}
