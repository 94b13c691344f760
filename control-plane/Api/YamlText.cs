using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Eyrie.ControlPlane.Api;

/// <summary>JSON documents as YAML.</summary>
public static partial class YamlText
{
    public static string Write(JsonNode document)
    {
        using var text = new StringWriter();
        new YamlStream(new YamlDocument(Node(document))).Save(text, false);
        var made = text.ToString();
        return made.EndsWith("...\n", StringComparison.Ordinal) ? made[..^4] : made.Replace("...\r\n", "", StringComparison.Ordinal);
    }

    private static YamlNode Node(JsonNode? node) => node switch
    {
        JsonObject map => new YamlMappingNode(map.Select(pair => KeyValuePair.Create<YamlNode, YamlNode>(Text(pair.Key), Node(pair.Value)))),
        JsonArray list => new YamlSequenceNode(list.Select(Node)),
        JsonValue value when value.GetValueKind() == JsonValueKind.String => Text(value.GetValue<string>()),
        JsonValue value => new YamlScalarNode(value.ToJsonString()),
        _ => new YamlScalarNode("null"),
    };

    /// <summary>Quoted, so that no reader takes it for a number, a boolean or a time.</summary>
    private static YamlScalarNode Text(string text) => new(text) { Style = text.Contains('\n', StringComparison.Ordinal) ? ScalarStyle.Literal : PlainText().IsMatch(text) && text.ToLowerInvariant() is not ("true" or "false" or "yes" or "no" or "on" or "off" or "null" or "y" or "n") ? ScalarStyle.Plain : ScalarStyle.DoubleQuoted };

    [GeneratedRegex("^[A-Za-z/][A-Za-z0-9_./-]*\\z")]
    private static partial Regex PlainText();
}
