using System.Text.Json.Nodes;

namespace Eyrie.EndToEnd.Tests;

/// <summary>The audit records of a cluster's nodes: every denial there was, whatever became of its event.</summary>
public static class DenialRecords
{
    /// <summary>Lines about a pod, oldest first.</summary>
    public static IReadOnlyList<JsonObject> Of(string state, string pod) =>
        [.. Directory.EnumerateFiles(state, "denials*.jsonl", SearchOption.AllDirectories).Order(StringComparer.Ordinal).SelectMany(Lines).Select(line => JsonNode.Parse(line)!.AsObject()).Where(line => line["pod"]!.ToString() == pod)];

    /// <summary>Without the one that is just being written.</summary>
    private static string[] Lines(string file) => File.ReadAllText(file).Split('\n')[..^1];
}
