using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.Api.Tests;

/// <summary>What the API finds wrong with an object.</summary>
internal static class Mistakes
{
    /// <summary>Field and message of each, of a defaulted object.</summary>
    public static List<string> Of(ResourceKind kind, string spec, string? before = null)
    {
        JsonObject Document(string text) => JsonNode.Parse($$$"""{"metadata":{"name":"one","namespace":"default"},"spec":{{{text}}}}""")!.AsObject();
        var document = Document(spec);
        Defaults.Apply(kind, document);
        var stored = before is null ? null : Document(before);
        return [.. Validation.Check(kind, document, stored).Select(error => $"{error.Field}: {error.Message}")];
    }
}
