using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Eyrie.Node;

/// <summary>User and password for registries, from a pod's imagePullSecrets (kubernetes.io/dockerconfigjson, kubernetes.io/dockercfg). Pure.</summary>
public sealed class PullCredentials
{
    public static readonly PullCredentials None = new([]);

    private readonly IReadOnlyList<(string Registry, string Path, string User, string Password)> _known;

    private PullCredentials(IReadOnlyList<(string, string, string, string)> known) => _known = known;

    public static PullCredentials Of(JsonObject pod, PodObjects objects)
    {
        var known = new List<(string, string, string, string)>();
        foreach (var secret in (pod["spec"]?["imagePullSecrets"] as JsonArray ?? []).Select(item => item?["name"]?.ToString() ?? ""))
        {
            if (objects.Find("Secret", secret) is not { } data) continue; // as a kubelet does: the registry may not ask
            if (data.TryGetValue(".dockerconfigjson", out var config)) known.AddRange(Entries(Json(config)?["auths"]));
            if (data.TryGetValue(".dockercfg", out var old)) known.AddRange(Entries(Json(old)));
        }
        return new PullCredentials(known);
    }

    private static JsonNode? Json(byte[] text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException exception)
        {
            throw new ImageUnavailableException($"an imagePullSecret is not JSON: {exception.Message}");
        }
    }

    private static IEnumerable<(string, string, string, string)> Entries(JsonNode? auths)
    {
        foreach (var (key, value) in auths as JsonObject ?? [])
        {
            var address = key.Contains("://", StringComparison.Ordinal) ? key[(key.IndexOf("://", StringComparison.Ordinal) + 3)..] : key;
            var (host, path) = address.Split('/', 2) is [var first, var second] ? (first, second.Trim('/')) : (address, "");
            if (path is "v1" or "v2") path = "";
            if (host is "docker.io" or "index.docker.io") host = "registry-1.docker.io";
            var (user, password) = (value?["username"]?.ToString() ?? "", value?["password"]?.ToString() ?? "");
            if (user.Length == 0 && value?["auth"]?.ToString() is { Length: > 0 } auth && Decoded(auth).Split(':', 2) is [var name, var secret]) (user, password) = (name, secret);
            if (user.Length > 0) yield return (host, path, user, password);
        }
    }

    private static string Decoded(string auth)
    {
        var bytes = new byte[auth.Length];
        return Convert.TryFromBase64String(auth, bytes, out int length) ? Encoding.UTF8.GetString(bytes, 0, length) : throw new ImageUnavailableException("an imagePullSecret's `auth` is not base64 of user:password");
    }

    /// <summary>"user:password" for a repository, the most exact path first; null: none.</summary>
    public string? For(string registry, string repository) => _known.Where(entry => entry.Registry == registry && (entry.Path.Length == 0 || repository == entry.Path || repository.StartsWith(entry.Path + "/", StringComparison.Ordinal)))
        .OrderByDescending(entry => entry.Path.Length).Select(entry => $"{entry.User}:{entry.Password}").FirstOrDefault();
}
