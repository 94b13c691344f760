using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions.Learning;

public enum ProposedChange { Kept, Added, Removed }

/// <summary>One grant of a proposal.</summary>
/// <param name="Grant">As YAML of one line.</param>
/// <param name="Why">What was seen, in one sentence.</param>
public sealed record ProposedGrant(ProposedChange Change, string Grant, string Why);

/// <param name="Permissions">The whole field <c>permissions</c> that the container is to have.</param>
public sealed record ProposedContainer(string Container, JsonObject Permissions, IReadOnlyList<ProposedGrant> Grants)
{
    /// <summary>The field as it stands in a manifest, a grant a line.</summary>
    public string ToYaml() => Permissions.Count == 0 ? "permissions: {}" : "permissions:" + string.Concat(Permissions.Select(field => field.Value is JsonArray { Count: > 0 } list && list.All(item => item is JsonObject)
        ? $"\n  {field.Key}:" + string.Concat(list.Select(item => "\n  - " + FlowYaml.Of(item))) : $"\n  {field.Key}: {FlowYaml.Of(field.Value)}"));
}

/// <summary>What a workload's containers should be granted, from what was seen; and what must be reviewed again when it has changed.</summary>
/// <param name="Problems">What the compiler says of it, and what stays open.</param>
/// <param name="ManifestDigest">Of the pods that the workload describes.</param>
public sealed record Proposal(IReadOnlyList<ProposedContainer> Containers, IReadOnlyList<string> Problems, string ManifestDigest)
{
    /// <summary>Of what is proposed.</summary>
    public string ProposalDigest => Digests.Of(new JsonArray([.. Containers.Select(container => (JsonNode)new JsonObject { ["container"] = container.Container, ["permissions"] = container.Permissions.DeepClone() })]));

    /// <summary>What <c>approve</c> is given: which manifest and which proposal were reviewed.</summary>
    public string Digest => $"{ManifestDigest}.{ProposalDigest}";

    public bool ChangesNothing => Containers.All(container => container.Grants.All(grant => grant.Change == ProposedChange.Kept));

    /// <returns>null: this is what was reviewed; otherwise what has changed since.</returns>
    public string? Differs(string reviewed) => reviewed.Split('.') switch
    {
        [var manifest, var proposal] when manifest == ManifestDigest && proposal == ProposalDigest => null,
        [var manifest, _] when manifest != ManifestDigest => "the workload has changed since the proposal was reviewed",
        [_, _] => "the proposal has changed since it was reviewed: more was seen, or the cluster around it is another",
        _ => $"\"{reviewed}\" is no digest of a proposal; `eyrie permissions suggest` prints it",
    };

    /// <summary>The workload with what is proposed.</summary>
    public JsonObject AppliedTo(JsonObject workload)
    {
        var made = (JsonObject)workload.DeepClone();
        var spec = DescribedPod.SpecOf(made);
        foreach (var container in new[] { "initContainers", "containers" }.SelectMany(list => spec.At(list).Objects()))
            if (Containers.FirstOrDefault(proposed => proposed.Container == container["name"].Word()) is { } proposed)
            {
                if (proposed.Permissions.Count > 0) container["permissions"] = proposed.Permissions.DeepClone();
                else container.Remove("permissions");
            }
        return made;
    }
}

/// <summary>Digests of documents: the order of fields does not matter, that of lists does.</summary>
public static class Digests
{
    private const int Letters = 20;

    public static string Of(JsonNode? node) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Canonical(node)?.ToJsonString() ?? "null")))[..Letters];

    private static JsonNode? Canonical(JsonNode? node) => node switch
    {
        JsonObject map => new JsonObject(map.OrderBy(field => field.Key, StringComparer.Ordinal).Select(field => KeyValuePair.Create(field.Key, Canonical(field.Value)))),
        JsonArray list => new JsonArray([.. list.Select(Canonical)]),
        _ => node?.DeepClone(),
    };
}
