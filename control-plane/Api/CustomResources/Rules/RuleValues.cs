using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cel;
using Eyrie.ControlPlane.Api.Schemas;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>Values of a document as an expression sees them, by their schema. Pure.</summary>
internal static class RuleValues
{
    private static readonly HashSet<string> Words = ["true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"];

    private static readonly Lazy<CelProgramDelegate> Duration = new(() => RuleLanguage.Compile(RuleLanguage.Parse("duration(text)"))), Timestamp = new(() => RuleLanguage.Compile(RuleLanguage.Parse("timestamp(text)")));

    public static object? Of(Schema? schema, JsonNode? node) => node switch
    {
        null => null,
        JsonObject map => map.ToDictionary(pair => schema is { Values: null } && schema.Properties.ContainsKey(pair.Key) ? Escaped(pair.Key) : pair.Key, pair => Of(schema?.Field(pair.Key), pair.Value)),
        JsonArray list => list.Select(item => Of(schema?.Items, item)).ToArray(),
        _ => node.GetValueKind() switch
        {
            JsonValueKind.String => Text(schema?.Format ?? "", node.GetValue<string>()),
            JsonValueKind.Number => schema?.Type == "number" || !long.TryParse(node.ToJsonString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole) ? double.Parse(node.ToJsonString(), CultureInfo.InvariantCulture) : whole,
            var kind => kind == JsonValueKind.True,
        },
    };

    private static object Text(string format, string text)
    {
        var read = format switch { "duration" => Duration, "date-time" or "date" => Timestamp, _ => null };
        if (read is null) return text;
        try
        {
            return read.Value(new Dictionary<string, object?> { ["text"] = format == "date" ? text + "T00:00:00Z" : text }) ?? text;
        }
        catch (CelException)
        {
            return text; // its format is checked elsewhere
        }
    }

    /// <summary>The name that a field has in expressions.</summary>
    public static string Escaped(string name) => Words.Contains(name) ? $"__{name}__"
        : name.Replace("__", "__underscores__", StringComparison.Ordinal).Replace(".", "__dot__", StringComparison.Ordinal).Replace("-", "__dash__", StringComparison.Ordinal).Replace("/", "__slash__", StringComparison.Ordinal);

    /// <summary>The most items that any one list or map in it has.</summary>
    public static int Widest(JsonNode? node) => node switch
    {
        JsonObject map => Math.Max(map.Count, map.Select(pair => Widest(pair.Value)).DefaultIfEmpty(0).Max()),
        JsonArray list => Math.Max(list.Count, list.Select(Widest).DefaultIfEmpty(0).Max()),
        _ => 0,
    };
}
