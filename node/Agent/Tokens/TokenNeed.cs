using System.Text.Json.Nodes;
using Eyrie.Manifests.Permissions;

namespace Eyrie.Node.Tokens;

/// <summary>A token that containers of a pod need.</summary>
/// <param name="Audience">Whom it is for; empty: the cluster's API.</param>
/// <param name="Seconds">How long it is to last.</param>
/// <param name="Automatic">For the files that every client library looks for, unless the pod or its account does not want them.</param>
public sealed record TokenNeed(string Audience, long Seconds, bool Automatic = false)
{
    private const long Usual = 3600;

    /// <summary>The token that every container with the grant finds.</summary>
    public static TokenNeed Account { get; } = new("", Usual, true);

    /// <summary>What the entries of a container allow of what it and its pod name. Pure.</summary>
    public static IReadOnlyCollection<TokenNeed> Of(JsonObject pod, JsonObject container, IEnumerable<string> entries)
    {
        var granted = entries.Select(line => CapabilityEntry.TryParse(line, out var entry) ? entry : null).OfType<CapabilityEntry.ApiToken>().Select(token => token.Audience).ToHashSet();
        var needs = new HashSet<TokenNeed>();
        if (granted.Contains("") && !HasOwn(container)) needs.Add(Account);
        var mounted = Items(container["volumeMounts"]).Select(mount => mount["name"]?.ToString()).ToHashSet();
        foreach (var volume in Items(pod["spec"]?["volumes"]).Where(volume => mounted.Contains(volume["name"]?.ToString())))
            needs.UnionWith(Items(volume["projected"]?["sources"]).Select(source => source["serviceAccountToken"]).OfType<JsonObject>().Select(In).Where(need => granted.Contains(need.Audience)));
        return needs;
    }

    /// <summary>A projected source <c>serviceAccountToken</c>.</summary>
    public static TokenNeed In(JsonObject source) => new(source["audience"]?.ToString() ?? "", source["expirationSeconds"] is JsonValue value && value.TryGetValue(out long seconds) ? seconds : Usual);

    /// <summary>Whether a volume of the pod carries tokens.</summary>
    public static bool IsCarriedBy(JsonObject volume) => Items(volume["projected"]?["sources"]).Any(source => source["serviceAccountToken"] is not null);

    /// <summary>Whether something of the container's own is mounted where its token would be.</summary>
    private static bool HasOwn(JsonObject container) => Items(container["volumeMounts"]).Any(mount => mount["mountPath"]?.ToString().TrimEnd('/') == AccountFiles.Target);

    private static IEnumerable<JsonObject> Items(JsonNode? list) => (list as JsonArray ?? []).OfType<JsonObject>();
}
