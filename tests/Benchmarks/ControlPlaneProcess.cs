using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Eyrie.Benchmarks;

/// <summary>A control plane of its own, with the embedded store in a new directory.</summary>
public sealed partial class ControlPlaneProcess : IAsyncDisposable
{
    private readonly string _state;
    private readonly Process _process;
    private readonly X509Certificate2 _authority;
    private readonly HttpClient _client;

    public string Url { get; }
    public string NodeToken { get; }

    private ControlPlaneProcess(Process process, string state)
    {
        (_process, _state) = (process, state);
        Url = JsonNode.Parse(File.ReadAllText(Path.Combine(state, "control-plane.json")))!["url"]!.ToString();
        NodeToken = File.ReadAllText(Path.Combine(state, "pki/node.token")).Trim();
        _authority = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(state, "pki/ca.crt"));
        _client = NewClient(TokenPattern().Match(File.ReadAllText(Path.Combine(state, "kubeconfig"))).Groups[1].Value);
    }

    public static async Task<ControlPlaneProcess> StartAsync()
    {
        var state = Path.Combine(Path.GetTempPath(), $"eyrie-bench-{Guid.NewGuid():N}");
        Directory.CreateDirectory(state);
        var start = new ProcessStartInfo("/usr/bin/env", ["dotnet", Path.Combine(Commands.Root, "control-plane/Host/bin/Release/net10.0/eyrie-control-plane.dll"), "--state-dir", state]) { RedirectStandardOutput = true, RedirectStandardError = true };
        var process = Process.Start(start)!;
        var log = new StringBuilder();
        process.ErrorDataReceived += (_, line) => { if (line.Data is { } text && log.Length < 100_000) log.AppendLine(text); };
        process.BeginErrorReadLine();
        while (await process.StandardOutput.ReadLineAsync() is { } line)
            if (line == "ready") return new ControlPlaneProcess(process, state);
        throw new InvalidOperationException($"the control plane ended: {log}");
    }

    public HttpClient NewClient(string token)
    {
        var handler = new SocketsHttpHandler { UseProxy = false, EnableMultipleHttp2Connections = false };
        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, CustomTrustStore = { _authority } };
        var client = new HttpClient(handler) { BaseAddress = new Uri(Url), Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    public async Task PostAsync(string path, string document)
    {
        using var answer = await _client.PostAsync(path, new StringContent(document, Encoding.UTF8, "application/json"));
        if (!answer.IsSuccessStatusCode) throw new InvalidOperationException($"POST {path}: {await answer.Content.ReadAsStringAsync()}");
    }

    public async Task<JsonObject> GetAsync(string path) => JsonNode.Parse(await _client.GetStringAsync(path))!.AsObject();

    /// <summary>Bytes that it has allocated since it began, as its metrics say.</summary>
    public async Task<long> AllocatedAsync() => (long)double.Parse(AllocatedPattern().Match(await _client.GetStringAsync("/metrics")).Groups[1].Value, CultureInfo.InvariantCulture);

    /// <summary>Resident memory now, and the most there was, in MiB.</summary>
    public (int Now, int Most) Memory()
    {
        var status = File.ReadAllText($"/proc/{_process.Id}/status");
        int Of(string name) => int.Parse(Regex.Match(status, name + @":\s+([0-9]+) kB").Groups[1].Value, CultureInfo.InvariantCulture) / 1024;
        return (Of("VmRSS"), Of("VmHWM"));
    }

    /// <summary>CPU time that it took since it began.</summary>
    public TimeSpan Cpu
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public int Id => _process.Id;

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        _process.Kill(true);
        await _process.WaitForExitAsync();
        _process.Dispose();
        Directory.Delete(_state, true);
    }

    [GeneratedRegex("(?m)^system_runtime_dotnet_gc_heap_total_allocated[^ ]* ([0-9.e+]+)")]
    private static partial Regex AllocatedPattern();

    [GeneratedRegex("token: (\\S+)")]
    private static partial Regex TokenPattern();
}
