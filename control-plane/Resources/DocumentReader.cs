using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Resources;

/// <summary>
/// Reads a stored document. Where JsonNode.Parse keeps the text and makes a string whenever somebody looks, this makes each string once, and those that many
/// documents have in common, as all names of fields are, once for all: a control plane reads one field of a document tens of times and holds every document.
/// </summary>
public static class DocumentReader
{
    private static readonly SharedWords Names = new(2048), Values = new(4096);

    /// <summary>Numbers that most documents have: the text of a number stays as it was written.</summary>
    private static readonly JsonElement[] Small = [.. Enumerable.Range(0, 1000).Select(number => JsonSerializer.SerializeToElement(number))];

    /// <inheritdoc cref="Read(ReadOnlySpan{byte})"/>
    public static JsonObject Read(string text) => Read(Encoding.UTF8.GetBytes(text));

    /// <param name="text">UTF-8.</param>
    /// <exception cref="JsonException">It is no JSON object.</exception>
    public static JsonObject Read(ReadOnlySpan<byte> text)
    {
        var reader = new Utf8JsonReader(text);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) throw new JsonException("a stored document is no object");
        var document = Object(ref reader);
        return reader.Read() ? throw new JsonException("a stored document has something behind it") : document;
    }

    /// <summary>
    /// Makes a document that a program has put together one that could have been read: a number there is of the program's type and cannot be asked for as another.
    /// </summary>
    public static void Settle(JsonNode? node)
    {
        if (node is JsonObject map)
        {
            for (int i = 0; i < map.Count; i++)
                if (map.GetAt(i).Value is not JsonValue value) Settle(map.GetAt(i).Value);
                else if (Settled(value) is { } other) map.SetAt(i, other);
        }
        else if (node is JsonArray list)
        {
            for (int i = 0; i < list.Count; i++)
                if (list[i] is not JsonValue value) Settle(list[i]);
                else if (Settled(value) is { } other) list[i] = other;
        }
    }

    /// <summary>null: it is as it would have been read.</summary>
    private static JsonNode? Settled(JsonValue value) => value.TryGetValue(out string? _) || value.TryGetValue(out bool _) || value.TryGetValue(out JsonElement _) ? null
        : value.TryGetValue(out int small) && small is >= 0 and < 1000 ? JsonValue.Create(Small[small]) : JsonNode.Parse(value.ToJsonString());

    private static JsonObject Object(ref Utf8JsonReader reader)
    {
        var made = new JsonObject();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = Names.Of(ref reader);
            reader.Read();
            made.Add(name, Value(ref reader));
        }
        return made;
    }

    private static JsonArray Array(ref Utf8JsonReader reader)
    {
        var made = new JsonArray();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) made.Add(Value(ref reader));
        return made;
    }

    private static JsonNode? Value(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.StartObject => Object(ref reader),
        JsonTokenType.StartArray => Array(ref reader),
        JsonTokenType.String => JsonValue.Create(Values.Of(ref reader)),
        JsonTokenType.True => JsonValue.Create(true),
        JsonTokenType.False => JsonValue.Create(false),
        JsonTokenType.Null => null,
        _ => reader.ValueSpan is [>= (byte)'0' and <= (byte)'9', ..] and { Length: <= 3 } && reader.TryGetInt32(out int small) ? JsonValue.Create(Small[small]) : JsonNode.Parse(ref reader),
    };

    /// <summary>Short strings by the text they were read from: the latest of each place. Any thread may ask; one that is not found is made anew.</summary>
    /// <param name="places">A power of two.</param>
    private sealed class SharedWords(int places)
    {
        private const int Longest = 64;

        private readonly string?[] _words = new string?[places];

        /// <summary>The string or name that the reader is at.</summary>
        public string Of(ref Utf8JsonReader reader)
        {
            var text = reader.ValueSpan;
            if (text.Length is 0 or > Longest || reader.ValueIsEscaped) return reader.GetString()!;
            uint hash = 2166136261; // FNV-1a
            foreach (byte letter in text) hash = (hash ^ letter) * 16777619;
            ref string? place = ref _words[(hash ^ (hash >> 15)) & (uint)(places - 1)];
            return place is { } known && Ascii.Equals(text, known) ? known : place = reader.GetString()!;
        }
    }
}
