using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Benchmarks;

/// <summary>The real control plane as a process of its own over a new embedded store, without nodes, and clients of it by TLS on loopback.</summary>
public sealed class ApiServerProcess : IAsyncDisposable
{
    private readonly string _state;
    private readonly Process _process;
    private readonly List<HttpClient> _clients = [];

    private ApiServerProcess(string state, Process process) => (_state, _process) = (state, process);

    public static async Task<ApiServerProcess> StartAsync()
    {
        await Commands.RunAsync(Path.Combine(Commands.Root, "eyrie"), ["--help"]); // builds
        var state = Directory.CreateTempSubdirectory("eyrie-bench-").FullName;
        var start = new ProcessStartInfo(Path.Combine(Commands.Root, "control-plane/Host/bin/Release/net10.0/eyrie-control-plane")) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in new[] { "--state-dir", state }) start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        while (await process.StandardOutput.ReadLineAsync() is { } line && line != "ready") { }
        if (process.HasExited) throw new InvalidOperationException("the control plane ended: run it by hand");
        return new ApiServerProcess(state, process);
    }

    /// <summary>A client with connections of its own, as the administrator.</summary>
    public HttpClient Client()
    {
        var url = JsonNode.Parse(File.ReadAllText(Path.Combine(_state, "control-plane.json")))!["url"]!.ToString();
        var handler = new SocketsHttpHandler { EnableMultipleHttp2Connections = true, SslOptions = new() { RemoteCertificateValidationCallback = (_, _, _, _) => true } };
        var client = new HttpClient(handler) { BaseAddress = new Uri(url), DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact, Timeout = TimeSpan.FromMinutes(5) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", File.ReadAllText(Path.Combine(_state, "pki/admin.token")).Trim());
        _clients.Add(client);
        return client;
    }

    /// <summary>Sends, takes the whole answer in, and fails on a refusal.</summary>
    public static async Task<byte[]> SendAsync(HttpClient client, HttpMethod method, string path, string? body = null)
    {
        using var request = new HttpRequestMessage(method, path) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await client.SendAsync(request);
        var answer = await response.Content.ReadAsByteArrayAsync();
        return response.IsSuccessStatusCode ? answer : throw new InvalidOperationException($"{method} {path}: {(int)response.StatusCode} {Encoding.UTF8.GetString(answer)}");
    }

    /// <summary>Resident memory of the process, bytes.</summary>
    public long Resident() => long.Parse(File.ReadLines($"/proc/{_process.Id}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients) client.Dispose();
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_state, true);
    }
}
