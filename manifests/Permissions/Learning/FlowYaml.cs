using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Eyrie.Manifests.Permissions.Learning;

/// <summary>A document in one line of YAML, with quotes only where a plain word would be read as something else.</summary>
public static partial class FlowYaml
{
    public static string Of(JsonNode? node) => node switch
    {
        null => "null",
        JsonObject map => $"{{{string.Join(", ", map.Select(field => $"{Word(field.Key)}: {Of(field.Value)}"))}}}",
        JsonArray items => $"[{string.Join(", ", items.Select(Of))}]",
        _ => node.GetValueKind() == JsonValueKind.String ? Word(node.ToString()) : node.ToJsonString(),
    };

    private static string Word(string text) =>
        Plain().IsMatch(text) && text is not ("true" or "false" or "null") && !double.TryParse(text, NumberStyles.Any, CultureInfo.InvariantCulture, out _) ? text : JsonSerializer.Serialize(text);

    [GeneratedRegex(@"^[A-Za-z0-9/][-A-Za-z0-9_./]*\z")]
    private static partial Regex Plain();
}
