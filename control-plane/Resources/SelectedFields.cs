using System.Text.Json;
using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Resources;

/// <summary>What selectors look at in an object.</summary>
public interface ISelectable
{
    /// <summary>The value of a label; null: it has no such label.</summary>
    string? Label(string key);

    /// <summary>The field at a path, as text; empty: it has no such field.</summary>
    string Field(string path);
}

/// <summary>
/// Labels and the fields that may be selected by, read from an object's text once and kept beside it as long as the store holds it: a list by selectors reads only the objects that it returns.
/// </summary>
public sealed class SelectedFields : ISelectable
{
    private readonly Dictionary<string, string> _labels = [];
    private readonly IReadOnlyList<string> _paths;
    private readonly string[] _values;

    private SelectedFields(IReadOnlyList<string> paths)
    {
        (_paths, _values) = (paths, new string[paths.Count]);
        Array.Fill(_values, "");
    }

    /// <param name="stored">The object.</param>
    /// <param name="paths">Of the fields; the same for every object of a kind.</param>
    public static SelectedFields Of(EncodedObject stored, IReadOnlyList<string> paths)
    {
        if (stored.Entry.Kept is SelectedFields kept && ReferenceEquals(kept._paths, paths)) return kept;
        var made = new SelectedFields(paths);
        var reader = new Utf8JsonReader(stored.Stored.Span);
        reader.Read();
        made.Read(ref reader, "");
        stored.Entry.Kept = made;
        return made;
    }

    public string? Label(string key) => _labels.GetValueOrDefault(key);

    public string Field(string path)
    {
        for (int i = 0; i < _paths.Count; i++)
            if (_paths[i] == path) return _values[i];
        throw new ArgumentException($"{path} is none of the fields that were read", nameof(path));
    }

    /// <summary>The fields of an object whose brace was read; what nobody asks for is passed over.</summary>
    private void Read(ref Utf8JsonReader reader, string prefix)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var path = prefix + reader.GetString();
            reader.Read();
            if (path == "metadata.labels") ReadLabels(ref reader);
            else if (reader.TokenType == JsonTokenType.StartObject && (path == "metadata" || Leads(path))) Read(ref reader, path + ".");
            else if (Place(path) is var place && place >= 0) _values[place] = JsonNode.Parse(ref reader)?.ToString() ?? "";
            else reader.Skip();
        }
    }

    private void ReadLabels(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) { reader.Skip(); return; }
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (JsonNode.Parse(ref reader)?.ToString() is { } value) _labels[key] = value;
        }
    }

    private bool Leads(string path)
    {
        foreach (var known in _paths)
            if (known.Length > path.Length && known[path.Length] == '.' && known.StartsWith(path, StringComparison.Ordinal)) return true;
        return false;
    }

    private int Place(string path)
    {
        for (int i = 0; i < _paths.Count; i++)
            if (_paths[i] == path) return i;
        return -1;
    }
}

/// <summary>The same of an object that has been read.</summary>
public readonly record struct SelectableDocument(JsonObject Document) : ISelectable
{
    public string? Label(string key) => Document.Metadata()["labels"]?[key]?.ToString();

    public string Field(string path)
    {
        JsonNode? node = Document;
        foreach (var part in path.Split('.')) node = node is JsonObject map ? map[part] : null;
        return node?.ToString() ?? "";
    }
}
