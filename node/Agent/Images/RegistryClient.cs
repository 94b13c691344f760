using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Eyrie.Node;

/// <summary>
/// GET from one registry (OCI distribution specification v1.1), authorised as it asks: not at all, by name and password, or by a token from the service it names
/// (distribution: token authentication). What it may answer otherwise in a moment is asked for again (<see cref="RegistryRetry"/>).
/// </summary>
public sealed partial class RegistryClient(HttpClient http, Uri root, string? credentials)
{
    private readonly ConcurrentDictionary<string, AuthenticationHeaderValue> _granted = new();

    /// <param name="repository">Whose.</param>
    /// <param name="path">Beneath the repository: manifests/..., blobs/....</param>
    /// <param name="accept">Media types that are understood; null: any.</param>
    /// <param name="from">The first byte that is wanted.</param>
    /// <param name="tries">Of this very thing: it is not asked for more often, together with what else its caller tries again.</param>
    /// <param name="cancellationToken">Nobody waits for it any more.</param>
    public async Task<HttpResponseMessage> GetAsync(string repository, string path, string? accept, long from, RegistryTries tries, CancellationToken cancellationToken)
    {
        var response = await SendAsync(repository, path, accept, from, tries, cancellationToken);
        if (response.StatusCode != HttpStatusCode.Unauthorized) return response;
        using (response)
        {
            _granted[repository] = await AuthoriseAsync(repository, response.Headers.WwwAuthenticate, tries, cancellationToken)
                ?? throw new ImageUnavailableException($"{root.Authority}/{repository}: the registry wants a name and password; give the pod `imagePullSecrets` with a secret for {root.Authority}");
        }
        return await SendAsync(repository, path, accept, from, tries, cancellationToken);
    }

    private Task<HttpResponseMessage> SendAsync(string repository, string path, string? accept, long from, RegistryTries tries, CancellationToken cancellationToken) => AskAsync(() =>
    {
        var request = new HttpRequestMessage(HttpMethod.Get, new Uri(root, $"/v2/{repository}/{path}"));
        if (accept is not null) request.Headers.TryAddWithoutValidation("Accept", accept);
        if (from > 0) request.Headers.Range = new RangeHeaderValue(from, null);
        if (_granted.TryGetValue(repository, out var granted)) request.Headers.Authorization = granted;
        return request;
    }, tries, cancellationToken);

    private async Task<HttpResponseMessage> AskAsync(Func<HttpRequestMessage> make, RegistryTries tries, CancellationToken cancellationToken)
    {
        while (true)
        {
            using var request = make();
            var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (RegistryRetry.Wait(tries.Failed + 1, response.StatusCode, response.Headers.RetryAfter, DateTimeOffset.UtcNow) is not { } wait) return response;
            response.Dispose();
            tries.Failed++;
            await Task.Delay(wait, cancellationToken);
        }
    }

    private async Task<AuthenticationHeaderValue?> AuthoriseAsync(string repository, IEnumerable<AuthenticationHeaderValue> challenges, RegistryTries tries, CancellationToken cancellationToken)
    {
        var basic = credentials is null ? null : new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(credentials)));
        foreach (var challenge in challenges)
        {
            if (challenge.Scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase)) return basic;
            if (!challenge.Scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase)) continue;
            var given = Parameter().Matches(challenge.Parameter ?? "").ToDictionary(match => match.Groups[1].Value.ToLowerInvariant(), match => match.Groups[2].Value);
            if (!given.TryGetValue("realm", out var realm) || !Uri.TryCreate(realm, UriKind.Absolute, out var service) || service.Scheme is not ("http" or "https")) continue;
            if (root.Scheme == "https" && service.Scheme != "https") throw new ImageUnavailableException($"{root.Authority}: the registry sends to {realm} for a token, which is not encrypted");
            var scope = given.GetValueOrDefault("scope") ?? $"repository:{repository}:pull";
            var address = $"{service}{(service.Query.Length > 0 ? "&" : "?")}service={Uri.EscapeDataString(given.GetValueOrDefault("service") ?? "")}&scope={Uri.EscapeDataString(scope)}";
            using var response = await AskAsync(() => new HttpRequestMessage(HttpMethod.Get, address) { Headers = { Authorization = basic } }, tries, cancellationToken);
            if (!response.IsSuccessStatusCode) throw new ImageUnavailableException($"{root.Authority}/{repository}: {service.Authority} gave no token ({(int)response.StatusCode}); {(basic is null ? "give the pod `imagePullSecrets`" : "check the name and password in its imagePullSecrets")}");
            var answer = JsonNode.Parse(await response.Content.ReadAsByteArrayAsync(cancellationToken));
            return (answer?["token"] ?? answer?["access_token"])?.ToString() is { Length: > 0 } token ? new AuthenticationHeaderValue("Bearer", token) : throw new ImageUnavailableException($"{service.Authority} answered without a token");
        }
        return null;
    }

    [GeneratedRegex("([A-Za-z_]+)=\"([^\"]*)\"")]
    private static partial Regex Parameter();
}
