using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Cli;

/// <summary>A cluster's HTTP API, found through its state directory.</summary>
public sealed class Cluster : IDisposable
{
    public string StateDirectory { get; }
    public string Url { get; }
    public HttpClient Http { get; }

    /// <summary>Address of the dashboard with the token that signs in.</summary>
    public string Dashboard { get; }

    private Cluster(string stateDirectory, string url, string dashboard, HttpClient http) => (StateDirectory, Url, Dashboard, Http) = (stateDirectory, url, dashboard, http);

    public static Cluster Open(string stateDirectory)
    {
        var state = Path.Combine(stateDirectory, "control-plane.json");
        if (!File.Exists(state)) throw new Failure($"there is no cluster in {stateDirectory}; start one with: eyrie up FILE");
        var facts = JsonNode.Parse(File.ReadAllText(state))!;
        var url = facts["url"]!.ToString();
        var authority = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(stateDirectory, "pki/ca.crt"));
        var handler = new SocketsHttpHandler { UseProxy = false };
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, _, _) =>
        {
            if (certificate is null) return false;
            using var chain = new X509Chain();
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.Add(authority);
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            using var copy = X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
            return chain.Build(copy);
        };
        var http = new HttpClient(handler) { BaseAddress = new Uri(url), Timeout = Timeout.InfiniteTimeSpan };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", File.ReadAllText(Path.Combine(stateDirectory, "pki/admin.token")).Trim());
        return new Cluster(stateDirectory, url, facts["dashboard"]?.ToString() ?? "", http);
    }

    public async Task<JsonObject?> GetAsync(string path)
    {
        using var response = await SendAsync(HttpMethod.Get, path, null, null);
        return response.StatusCode == HttpStatusCode.NotFound ? null : await ReadAsync(response);
    }

    /// <summary>Sends and gives the answered object; a refusal is a <see cref="Failure"/> with the server's message.</summary>
    public async Task<JsonObject> CallAsync(HttpMethod method, string path, JsonNode? body, string contentType = "application/json")
    {
        using var response = await SendAsync(method, path, body, contentType);
        return await ReadAsync(response);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, JsonNode? body, string? contentType)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null) request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, contentType!);
        try
        {
            return await Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        }
        catch (HttpRequestException exception)
        {
            throw new Failure($"the cluster at {Url} does not answer ({exception.Message}); start it with: eyrie up FILE");
        }
    }

    private static async Task<JsonObject> ReadAsync(HttpResponseMessage response)
    {
        var text = await response.Content.ReadAsStringAsync();
        if (response.IsSuccessStatusCode) return JsonNode.Parse(text)!.AsObject();
        throw new Failure(text.StartsWith('{') ? JsonNode.Parse(text)!["message"]?.ToString() ?? text : $"the server answered {(int)response.StatusCode}: {text}");
    }

    public void Dispose() => Http.Dispose();
}
