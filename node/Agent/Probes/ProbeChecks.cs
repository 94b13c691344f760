using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Microkernel.Client;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;

namespace Eyrie.Node.Probes;

/// <summary>How a handler of a probe or of a lifecycle hook (exec, httpGet, tcpSocket, grpc) is asked. Only the token ends an ask that is not answered.</summary>
/// <param name="address">The pod's own address: what is reached by it is reached by everybody who may.</param>
/// <param name="container">The container's spec, for the names of its ports.</param>
/// <param name="execute">Runs a program in the container.</param>
public sealed class ProbeChecks(string address, JsonObject container, Func<IReadOnlyList<string>, CancellationToken, Task<IExecution>> execute)
{
    private const int MostRedirects = 10, MostOutput = 10 * 1024;

    // No proxy, no connection kept, and no check of the certificate: a probe asks whether it answers, not who it is.
    private static readonly HttpClient Http = new(new SocketsHttpHandler
    {
        UseProxy = false, PooledConnectionLifetime = TimeSpan.Zero, AllowAutoRedirect = false, UseCookies = false,
#pragma warning disable CA5359 // as a probe of Kubernetes does
        SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = (_, _, _, _) => true },
#pragma warning restore CA5359
    }) { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>Whether it is asked over the network, and so costs the container little.</summary>
    public static bool OverNetwork(JsonObject handler) => handler["exec"] is null;

    public async Task<ProbeOutcome> AskAsync(JsonObject handler, CancellationToken cancellationToken)
    {
        try
        {
            if (handler["exec"] is JsonObject exec) return await ExecuteAsync(exec, cancellationToken);
            if (handler["httpGet"] is JsonObject get) return await GetAsync(get, cancellationToken);
            if (handler["grpc"] is JsonObject grpc) return await HealthAsync(grpc, cancellationToken);
            return await ConnectAsync(handler["tcpSocket"] as JsonObject ?? [], cancellationToken);
        }
        catch (Exception exception) when (exception is HttpRequestException or SocketException or IOException or UriFormatException or ContainerServiceException or FormatException)
        {
            return new ProbeOutcome(false, exception.Message);
        }
    }

    private async Task<ProbeOutcome> ExecuteAsync(JsonObject exec, CancellationToken cancellationToken)
    {
        await using var execution = await execute([.. (exec["command"] as JsonArray ?? []).Select(word => word!.ToString())], cancellationToken);
        var output = FirstAsync(execution.Output, cancellationToken);
        var error = FirstAsync(execution.Error!, cancellationToken);
        int code = await execution.Exit.WaitAsync(cancellationToken);
        if (code == 0) return new ProbeOutcome(true, "");
        // A child that was left behind may hold the output open; what the program itself said is here by now.
        await Task.WhenAny(Task.WhenAll(output, error), Task.Delay(100, cancellationToken));
        var said = (output.IsCompletedSuccessfully ? output.Result : "") + (error.IsCompletedSuccessfully ? error.Result : "");
        return new ProbeOutcome(false, said.Length > 0 ? said : $"command terminated with exit code {code}");
    }

    private static async Task<string> FirstAsync(Stream stream, CancellationToken cancellationToken)
    {
        var kept = new MemoryStream();
        var buffer = new byte[4096];
        for (int read; (read = await stream.ReadAsync(buffer, cancellationToken)) > 0;)
            if (kept.Length < MostOutput) kept.Write(buffer, 0, (int)Math.Min(read, MostOutput - kept.Length));
        return Encoding.UTF8.GetString(kept.GetBuffer(), 0, (int)kept.Length);
    }

    private async Task<ProbeOutcome> GetAsync(JsonObject get, CancellationToken cancellationToken)
    {
        var scheme = (get["scheme"]?.ToString() ?? "HTTP").ToLowerInvariant();
        var host = get["host"]?.ToString() is { Length: > 0 } given ? given : address;
        var path = get["path"]?.ToString() ?? "/";
        var target = new Uri($"{scheme}://{host}:{Port(get["port"])}{(path.StartsWith('/') ? "" : "/")}{path}");
        for (int redirects = 0; ; redirects++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, target);
            request.Headers.TryAddWithoutValidation("User-Agent", "kube-probe/1.33");
            request.Headers.TryAddWithoutValidation("Accept", "*/*");
            request.Headers.ConnectionClose = true;
            foreach (var header in (get["httpHeaders"] as JsonArray ?? []).OfType<JsonObject>())
                if (string.Equals(header["name"]?.ToString(), "Host", StringComparison.OrdinalIgnoreCase)) request.Headers.Host = header["value"]?.ToString();
                else request.Headers.TryAddWithoutValidation(header["name"]?.ToString() ?? "", header["value"]?.ToString());
            using var response = await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            int code = (int)response.StatusCode;
            if (code is >= 300 and < 400 && response.Headers.Location is { } location && redirects < MostRedirects && new Uri(target, location) is var next && next.Host == target.Host) { target = next; continue; }
            return new ProbeOutcome(code is >= 200 and < 400, $"HTTP probe failed with statuscode: {code}");
        }
    }

    private async Task<ProbeOutcome> ConnectAsync(JsonObject at, CancellationToken cancellationToken)
    {
        using var socket = new TcpClient();
        var host = at["host"]?.ToString() is { Length: > 0 } given ? given : address;
        int port = Port(at["port"]);
        try
        {
            await socket.ConnectAsync(host, port, cancellationToken);
            return new ProbeOutcome(true, "");
        }
        catch (SocketException exception)
        {
            return new ProbeOutcome(false, $"dial tcp {host}:{port}: {exception.Message}");
        }
    }

    private async Task<ProbeOutcome> HealthAsync(JsonObject grpc, CancellationToken cancellationToken)
    {
        using var handler = new SocketsHttpHandler { UseProxy = false };
        using var channel = GrpcChannel.ForAddress($"http://{address}:{Port(grpc["port"])}", new GrpcChannelOptions { HttpHandler = handler });
        var service = grpc["service"]?.ToString() ?? "";
        try
        {
            var answer = await new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest { Service = service }, cancellationToken: cancellationToken);
            return new ProbeOutcome(answer.Status == HealthCheckResponse.Types.ServingStatus.Serving, $"service unhealthy (responded with \"{HealthCheckResponse.Descriptor.EnumTypes[0].FindValueByNumber((int)answer.Status)?.Name ?? $"{answer.Status}"}\")");
        }
        catch (RpcException exception) when (!cancellationToken.IsCancellationRequested)
        {
            return new ProbeOutcome(false, exception.StatusCode == StatusCode.Unimplemented
                ? "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)" : $"error: health rpc failed: {exception.Status.StatusCode}: {exception.Status.Detail}");
        }
        catch (RpcException)
        {
            throw new OperationCanceledException(cancellationToken);
        }
    }

    private int Port(JsonNode? port)
    {
        if (port is JsonValue value && value.TryGetValue(out int number)) return number;
        var named = (container["ports"] as JsonArray ?? []).FirstOrDefault(candidate => candidate?["name"]?.ToString() == port?.ToString())?["containerPort"]?.GetValue<int>();
        return named ?? (int.TryParse(port?.ToString(), out int digits) ? digits : throw new FormatException($"the container has no port named \"{port}\""));
    }
}
