using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Eyrie.Manifests.Permissions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Eyrie.Manifests.Yaml;

/// <summary>One document of a manifest file, with the place of every field.</summary>
public sealed record ManifestDocument(JsonObject Content, IReadOnlyDictionary<string, SourceLocation> Places)
{
    /// <summary>The place of a field, or of the nearest one around it.</summary>
    public SourceLocation PlaceOf(string fieldPath)
    {
        for (var path = fieldPath; path.Length > 0;)
        {
            if (Places.TryGetValue(path, out var place)) return place;
            int cut = Math.Max(path.LastIndexOf('.'), path.LastIndexOf('['));
            path = cut < 0 ? "" : path[..cut];
        }
        return Places.GetValueOrDefault("", new SourceLocation(fieldPath));
    }
}

/// <summary>A manifest that cannot be read: <c>file:line:column: what is wrong</c>.</summary>
public sealed class ManifestException(string file, long line, long column, string problem) : Exception(string.Create(CultureInfo.InvariantCulture, $"{file}:{line}:{column}: {problem}"));

/// <summary>
/// YAML (1.2 core schema: only true and false are booleans) or JSON to documents. Duplicate keys are refused, or told; aliases are copied within limits, so that a
/// small file cannot become a large one.
/// </summary>
public static partial class ManifestReader
{
    public const int MaxBytes = 3 << 20, MaxDepth = 64, MaxNodes = 200_000;

    /// <param name="text">The file's content.</param>
    /// <param name="file">What errors call it.</param>
    /// <param name="otherwise">What is said of a document that is no mapping.</param>
    /// <param name="repeated">Takes what is said of duplicate keys, of which the last then counts; null: they are refused.</param>
    /// <exception cref="ManifestException">It cannot be read; with line and column.</exception>
    public static IReadOnlyList<ManifestDocument> Read(string text, string file, string otherwise = "a manifest is a mapping with apiVersion, kind and metadata", ICollection<string>? repeated = null)
    {
        if (text.Length > MaxBytes) throw new ManifestException(file, 1, 1, $"the file has more than {MaxBytes} bytes");
        var parser = new Parser(new StringReader(text));
        try
        {
            parser.Consume<StreamStart>();
            var documents = new List<ManifestDocument>();
            while (parser.TryConsume<DocumentStart>(out var start))
            {
                var builder = new Builder(parser, file, repeated);
                var node = builder.Node("", 0);
                parser.Consume<DocumentEnd>();
                if (node is null) continue;
                if (node is not JsonObject content) throw new ManifestException(file, start.Start.Line, start.Start.Column, otherwise);
                documents.Add(new ManifestDocument(content, builder.Places));
            }
            return documents;
        }
        catch (InvalidOperationException)
        {
            // The scanner's way to say that a flow collection ran into the next line: the last thing it understood is where to look.
            var last = parser.Current?.End ?? Mark.Empty;
            throw new ManifestException(file, last.Line, last.Column, "a [ or { is not closed, or a comma is missing, after here");
        }
        catch (YamlException exception)
        {
            throw new ManifestException(file, exception.Start.Line, exception.Start.Column, exception.Message);
        }
    }

    private sealed class Builder(IParser parser, string file, ICollection<string>? repeated)
    {
        private readonly Dictionary<string, (JsonNode? Node, int Size)> _anchors = [];
        private int _nodes;

        public Dictionary<string, SourceLocation> Places { get; } = [];

        public JsonNode? Node(string path, int depth)
        {
            var at = parser.Current!.Start;
            if (depth > MaxDepth) throw Error(at, $"the document is nested deeper than {MaxDepth}");
            if (++_nodes > MaxNodes) throw Error(at, $"the document has more than {MaxNodes} nodes");
            Places[path] = new SourceLocation(path, file, (int)at.Line, (int)at.Column);
            if (parser.TryConsume<AnchorAlias>(out var alias)) return Alias(alias);
            int before = _nodes;
            var anchor = ((NodeEvent)parser.Current).Anchor;
            JsonNode? node;
            if (parser.TryConsume<Scalar>(out var scalar)) node = Value(scalar);
            else if (parser.TryConsume<SequenceStart>(out _))
            {
                var list = new JsonArray();
                while (!parser.TryConsume<SequenceEnd>(out _)) list.Add(Node($"{path}[{list.Count}]", depth + 1));
                node = list;
            }
            else node = Mapping(path, depth);
            if (!anchor.IsEmpty) _anchors[anchor.Value] = (node, _nodes - before + 1);
            return node;
        }

        private JsonObject Mapping(string path, int depth)
        {
            parser.Consume<MappingStart>();
            var map = new JsonObject();
            while (!parser.TryConsume<MappingEnd>(out _))
            {
                if (!parser.TryConsume<Scalar>(out var key)) throw Error(parser.Current!.Start, "a key must be a plain word");
                if (map.ContainsKey(key.Value))
                {
                    if (repeated is null) throw Error(key.Start, $"key \"{key.Value}\" is there twice");
                    repeated.Add(string.Create(CultureInfo.InvariantCulture, $"line {key.Start.Line}: key \"{key.Value}\" already set in map"));
                }
                map[key.Value] = Node(path.Length == 0 ? key.Value : $"{path}.{key.Value}", depth + 1);
                Places[path.Length == 0 ? key.Value : $"{path}.{key.Value}"] = new SourceLocation(path, file, (int)key.Start.Line, (int)key.Start.Column);
            }
            return map;
        }

        private JsonNode? Alias(AnchorAlias alias)
        {
            if (!_anchors.TryGetValue(alias.Value.Value, out var known)) throw Error(alias.Start, $"alias *{alias.Value.Value} has no anchor before it");
            _nodes += known.Size;
            if (_nodes > MaxNodes) throw Error(alias.Start, $"with its aliases written out the document has more than {MaxNodes} nodes");
            return known.Node?.DeepClone();
        }

        private ManifestException Error(Mark at, string problem) => new(file, at.Line, at.Column, problem);

        private JsonNode? Value(Scalar scalar)
        {
            var text = scalar.Value;
            if (scalar.Style is not ScalarStyle.Plain) return JsonValue.Create(text);
            if (text is "" or "~" or "null" or "Null" or "NULL") return null;
            if (text is "true" or "True" or "TRUE") return JsonValue.Create(true);
            if (text is "false" or "False" or "FALSE") return JsonValue.Create(false);
            if (Integer().IsMatch(text) && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number)) return number is >= int.MinValue and <= int.MaxValue ? JsonValue.Create((int)number) : JsonValue.Create(number);
            if (Real().IsMatch(text) && double.TryParse(text, CultureInfo.InvariantCulture, out double real)) return double.IsFinite(real) ? JsonValue.Create(real) : throw Error(scalar.Start, $"the number {text} is too large");
            return JsonValue.Create(text);
        }
    }

    [GeneratedRegex("^[-+]?[0-9]+\\z")]
    private static partial Regex Integer();

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")]
    private static partial Regex Real();
}
