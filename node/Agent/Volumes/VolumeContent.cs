using System.Text;
using System.Text.Json.Nodes;
using Eyrie.Node.Tokens;

namespace Eyrie.Node.Volumes;

/// <summary>A volume cannot be made as things stand; the message says what is missing. It is made when that is there.</summary>
public sealed class VolumeUnavailableException(string message) : Exception(message);

/// <summary>A file of a volume that is made from objects.</summary>
public sealed record VolumeFile(byte[] Data, int Mode);

/// <summary>The files of configMap, secret, downwardAPI and projected volumes. Pure.</summary>
public static class VolumeContent
{
    private const int DefaultMode = 0b110_100_100;

    /// <summary>Path beneath the volume to file; null: a volume of another type.</summary>
    /// <param name="volume">The volume.</param>
    /// <param name="facts">What is known of the pod.</param>
    /// <param name="objects">ConfigMaps and Secrets.</param>
    /// <param name="tokens">Tokens that were asked for; null: that one was not.</param>
    /// <exception cref="VolumeUnavailableException"/>
    public static SortedDictionary<string, VolumeFile>? Of(JsonObject volume, PodFacts facts, PodObjects objects, Func<TokenNeed, string?> tokens)
    {
        var files = new SortedDictionary<string, VolumeFile>(StringComparer.Ordinal);
        if (volume["configMap"] is JsonObject map) Add(files, "ConfigMap", "name", map, Mode(map), objects);
        else if (volume["secret"] is JsonObject secret) Add(files, "Secret", "secretName", secret, Mode(secret), objects);
        else if (volume["downwardAPI"] is JsonObject downward) Add(files, downward, Mode(downward), facts);
        else if (volume["projected"] is JsonObject projected)
            foreach (var source in Items(projected["sources"]))
            {
                if (source["configMap"] is JsonObject config) Add(files, "ConfigMap", "name", config, Mode(projected), objects);
                else if (source["secret"] is JsonObject hidden) Add(files, "Secret", "name", hidden, Mode(projected), objects);
                else if (source["downwardAPI"] is JsonObject about) Add(files, about, Mode(projected), facts);
                else if (source["serviceAccountToken"] is JsonObject token) files[Checked(token["path"]?.ToString() ?? "token")] = new VolumeFile(Encoding.UTF8.GetBytes(tokens(TokenNeed.In(token)) ?? throw new VolumeUnavailableException("the token was not given yet")), Mode(projected));
                else throw new VolumeUnavailableException($"projected source \"{source.FirstOrDefault().Key}\" is not supported; known are configMap, secret, downwardAPI and serviceAccountToken");
            }
        else return null;
        return files;
    }

    private static int Mode(JsonObject source) => source["defaultMode"] is JsonValue value && value.TryGetValue(out int mode) ? mode : DefaultMode;

    private static void Add(SortedDictionary<string, VolumeFile> files, string kind, string nameField, JsonObject source, int mode, PodObjects objects)
    {
        var name = source[nameField]?.ToString() ?? "";
        bool optional = source["optional"] is JsonValue value && value.TryGetValue(out bool may) && may;
        if (objects.Find(kind, name) is not { } data)
        {
            if (optional) return;
            throw new VolumeUnavailableException($"{kind.ToLowerInvariant()} \"{name}\" not found");
        }
        if (source["items"] is not JsonArray { Count: > 0 } items)
        {
            foreach (var (key, content) in data) files[key] = new VolumeFile(content, mode);
            return;
        }
        foreach (var item in Items(items))
        {
            var key = item["key"]?.ToString() ?? "";
            if (data.TryGetValue(key, out var content)) files[Checked(item["path"]?.ToString() ?? key)] = new VolumeFile(content, ModeOf(item, mode));
            else if (!optional) throw new VolumeUnavailableException($"{kind.ToLowerInvariant()} \"{name}\" references non-existent key \"{key}\"; it has {(data.Count == 0 ? "none" : string.Join(", ", data.Keys))}");
        }
    }

    private static void Add(SortedDictionary<string, VolumeFile> files, JsonObject source, int mode, PodFacts facts)
    {
        foreach (var item in Items(source["items"]))
        {
            var text = item["fieldRef"]?["fieldPath"]?.ToString() is { } path ? DownwardApi.Field(facts, path) : DownwardApi.Resource(facts, null, item["resourceFieldRef"] as JsonObject ?? []);
            files[Checked(item["path"]?.ToString() ?? "")] = new VolumeFile(Encoding.UTF8.GetBytes(text), ModeOf(item, mode));
        }
    }

    private static int ModeOf(JsonObject item, int absent) => item["mode"] is JsonValue value && value.TryGetValue(out int mode) ? mode : absent;

    private static string Checked(string path) => path.Length > 0 && path[0] != '/' && !path.Split('/').Any(part => part is "" or "." or "..") && !path.StartsWith("..", StringComparison.Ordinal)
        ? path : throw new VolumeUnavailableException($"path \"{path}\" must be relative and without \"..\"");

    private static IEnumerable<JsonObject> Items(JsonNode? list) => (list as JsonArray ?? []).OfType<JsonObject>();
}
