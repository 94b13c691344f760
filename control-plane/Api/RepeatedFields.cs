using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Api;

/// <summary>A JSON document in which fields may stand more than once: the last counts, and which they were is told. Pure.</summary>
public static class RepeatedFields
{
    /// <param name="text">JSON, UTF-8.</param>
    /// <param name="options">How deep it may be.</param>
    /// <returns>The document, and the paths of the fields that stand in it again.</returns>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static (JsonNode? Document, IReadOnlyList<string> Paths) Read(ReadOnlySpan<byte> text, JsonReaderOptions options)
    {
        var paths = new List<string>();
        var reader = new Utf8JsonReader(text, options);
        reader.Read();
        var document = Value(ref reader, "", paths);
        reader.Read(); // refuses what comes after it
        return (document, paths);
    }

    private static JsonNode? Value(ref Utf8JsonReader reader, string path, List<string> paths)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                var map = new JsonObject();
                while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
                {
                    var name = reader.GetString()!;
                    var at = path.Length == 0 ? name : $"{path}.{name}";
                    reader.Read();
                    if (map.ContainsKey(name) && !paths.Contains(at)) paths.Add(at);
                    map[name] = Value(ref reader, at, paths);
                }
                return map;
            case JsonTokenType.StartArray:
                var list = new JsonArray();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) list.Add(Value(ref reader, string.Create(CultureInfo.InvariantCulture, $"{path}[{list.Count}]"), paths));
                return list;
            default: return JsonNode.Parse(ref reader);
        }
    }
}
