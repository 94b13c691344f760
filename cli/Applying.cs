using System.Text.Json.Nodes;
using Eyrie.Manifests.Yaml;

namespace Eyrie.Cli;

/// <summary>What became of one document: created, configured or unchanged.</summary>
public sealed record Applied(string Kind, string Namespace, string Name, string Outcome)
{
    public override string ToString() => $"{Kind.ToLowerInvariant()}/{Name} {Outcome}";
}

/// <summary>apply: every document is checked by the server first, then all are written; after a mistake nothing is.</summary>
public static class Applying
{
    private const string LastApplied = "kubectl.kubernetes.io/last-applied-configuration";

    public static async Task<IReadOnlyList<Applied>> ApplyAsync(Cluster cluster, string file)
    {
        if (!File.Exists(file)) throw new Failure($"{file}: no such file");
        var documents = ManifestReader.Read(await File.ReadAllTextAsync(file), file);
        if (documents.Count == 0) throw new Failure($"{file}: there is no document in it");
        var resources = await Resources.DiscoverAsync(cluster);
        var problems = new List<string>();
        foreach (var document in documents)
        {
            try
            {
                await WriteAsync(cluster, resources, document.Content, dryRun: true);
            }
            catch (Failure failure)
            {
                problems.Add(Located(document, file, failure.Message));
            }
        }
        if (problems.Count > 0) throw new Failure(string.Join('\n', problems) + "\nnothing was applied");
        var done = new List<Applied>();
        foreach (var document in documents) done.Add(await WriteAsync(cluster, resources, document.Content, dryRun: false));
        return done;
    }

    /// <summary>Puts the place of the first field that the message names in front of it.</summary>
    private static string Located(ManifestDocument document, string file, string message)
    {
        var named = document.Places.Keys.Where(path => path.Length > 0 && message.Contains(path, StringComparison.Ordinal)).OrderByDescending(path => path.Length).FirstOrDefault() ?? "kind";
        var place = document.PlaceOf(named);
        return $"{file}:{place.Line}:{place.Column}: {message}";
    }

    private static async Task<Applied> WriteAsync(Cluster cluster, Resources resources, JsonObject document, bool dryRun)
    {
        string version = document["apiVersion"]?.ToString() ?? throw new Failure("apiVersion is missing"), kind = document["kind"]?.ToString() ?? throw new Failure("kind is missing");
        var type = resources.OfManifest(version, kind);
        var name = document["metadata"]?["name"]?.ToString() ?? throw new Failure("metadata.name is missing");
        var @namespace = document["metadata"]!["namespace"]?.ToString() ?? "default";
        var collection = type.Collection(@namespace);
        var query = "?fieldValidation=Strict" + (dryRun ? "&dryRun=All" : "");
        var wanted = (JsonObject)document.DeepClone();
        if (wanted["metadata"]!["annotations"] is not JsonObject) wanted["metadata"]!["annotations"] = new JsonObject();
        wanted["metadata"]!["annotations"]![LastApplied] = document.ToJsonString() + "\n";
        var stored = await cluster.GetAsync($"{collection}/{name}");
        if (stored is null)
        {
            await cluster.CallAsync(HttpMethod.Post, collection + query, wanted);
            return new Applied(kind, @namespace, name, "created");
        }
        var last = stored["metadata"]?["annotations"]?[LastApplied]?.ToString() is { } text ? JsonNode.Parse(text) as JsonObject : null;
        var patch = MergeDifference(last ?? [], wanted);
        var written = await cluster.CallAsync(HttpMethod.Patch, $"{collection}/{name}{query}", patch, "application/merge-patch+json");
        return new Applied(kind, @namespace, name, JsonNode.DeepEquals(Applicable(written), Applicable(stored)) ? "unchanged" : "configured");
    }

    /// <summary>What of an object an apply may change: not its status, which a controller may write at any moment, and what tells of writes.</summary>
    private static JsonObject Applicable(JsonObject document)
    {
        var kept = (JsonObject)document.DeepClone();
        kept.Remove("status");
        foreach (var name in new[] { "resourceVersion", "managedFields" }) kept["metadata"]!.AsObject().Remove(name);
        return kept;
    }

    /// <summary>A merge patch that sets what is wanted and removes what was applied last and is wanted no more.</summary>
    private static JsonObject MergeDifference(JsonObject last, JsonObject wanted)
    {
        var patch = new JsonObject();
        foreach (var (name, value) in wanted) patch[name] = value is JsonObject inner ? MergeDifference(last[name] as JsonObject ?? [], inner) : value?.DeepClone();
        foreach (var (name, _) in last)
            if (!wanted.ContainsKey(name)) patch[name] = null;
        return patch;
    }
}
