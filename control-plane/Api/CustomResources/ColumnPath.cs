using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>
/// The JSONPath of an additional printer column: fields, <c>['quoted fields']</c>, indices, <c>[*]</c> and filters such as <c>[?(@.type=="Ready")]</c>. The first value found counts.
/// </summary>
public sealed class ColumnPath
{
    private delegate IEnumerable<JsonNode?> Step(JsonNode? node);

    private readonly List<Step> _steps = [];

    /// <summary>null: it is no such path.</summary>
    public static ColumnPath? Parse(string text)
    {
        var made = new ColumnPath();
        int at = 0;
        if (text.Length == 0 || text[0] is not ('.' or '[')) return null;
        while (at < text.Length)
        {
            if (text[at] == '.')
            {
                if (text.Length == 1) return made; // the whole object
                var name = Name(text, ref at);
                if (name.Length == 0) { if (at < text.Length && text[at] == '[') continue; return null; }
                made._steps.Add(name == "*" ? All : Field(name));
            }
            else if (text[at] == '[' && End(text, at) is var end and > 0)
            {
                if (Bracket(text[(at + 1)..end]) is not { } step) return null;
                made._steps.Add(step);
                at = end + 1;
            }
            else return null;
        }
        return made;
    }

    public JsonNode? First(JsonObject document)
    {
        IEnumerable<JsonNode?> found = [document];
        foreach (var step in _steps) found = found.SelectMany(node => step(node));
        return found.FirstOrDefault(node => node is not null);
    }

    /// <summary>A field's name after a point; a backslash keeps the point after it.</summary>
    private static string Name(string text, ref int at)
    {
        var name = new System.Text.StringBuilder();
        for (at++; at < text.Length && text[at] is not ('.' or '['); at++)
        {
            if (text[at] == '\\' && at + 1 < text.Length) at++;
            name.Append(text[at]);
        }
        return name.ToString();
    }

    /// <summary>The bracket that closes the one at a place, past quoted text.</summary>
    private static int End(string text, int at)
    {
        char quote = '\0';
        for (int i = at + 1; i < text.Length; i++)
        {
            if (quote != '\0') { if (text[i] == quote) quote = '\0'; }
            else if (text[i] is '\'' or '"') quote = text[i];
            else if (text[i] == ']') return i;
        }
        return -1;
    }

    private static Step? Bracket(string inside)
    {
        inside = inside.Trim();
        if (inside == "*") return All;
        if (Quoted(inside) is { } name) return Field(name);
        if (int.TryParse(inside, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int index))
            return node => node is JsonArray list && (index < 0 ? list.Count + index : index) is var place && place >= 0 && place < list.Count ? [list[place]] : [];
        return inside.StartsWith("?(", StringComparison.Ordinal) && inside.EndsWith(')') ? Filter(inside[2..^1].Trim()) : null;
    }

    private static Step? Filter(string condition)
    {
        foreach (var sign in new[] { "==", "!=" })
        {
            if (condition.IndexOf(sign, StringComparison.Ordinal) is not (var at and > 0) || !condition.StartsWith('@')) continue;
            var path = Parse(condition[1..at].Trim());
            var wanted = condition[(at + 2)..].Trim();
            if (path is null) return null;
            wanted = Quoted(wanted) ?? wanted;
            return node => (node as JsonArray ?? []).Where(item => item is JsonObject map && (path.First(map)?.ToString() == wanted) == (sign == "=="));
        }
        return null;
    }

    private static string? Quoted(string text) => text.Length >= 2 && text[0] is '\'' or '"' && text[^1] == text[0] ? text[1..^1] : null;

    private static Step Field(string name) => node => node is JsonObject map && map.TryGetPropertyValue(name, out var value) ? [value] : [];

    private static IEnumerable<JsonNode?> All(JsonNode? node) => node switch { JsonArray list => list, JsonObject map => map.Select(pair => pair.Value), _ => [] };
}
