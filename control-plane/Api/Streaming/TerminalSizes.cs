using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Api.Streaming;

/// <summary>Sizes of a terminal as clients send them: <c>{"Width":80,"Height":24}</c>, one after the other, in pieces of any length.</summary>
public sealed class TerminalSizes
{
    private const int Longest = 256;
    private readonly StringBuilder _pending = new();

    /// <summary>The sizes that are complete with these bytes. What is no size is passed over.</summary>
    public IEnumerable<TerminalSize> Add(ReadOnlyMemory<byte> data)
    {
        _pending.Append(Encoding.UTF8.GetString(data.Span));
        var text = _pending.ToString();
        int from = 0;
        var sizes = new List<TerminalSize>();
        for (int end; (end = text.IndexOf('}', from)) >= 0; from = end + 1)
            if (Parse(text[from..(end + 1)]) is { } size) sizes.Add(size);
        _pending.Clear();
        if (text.Length - from < Longest) _pending.Append(text, from, text.Length - from);
        return sizes;
    }

    private static TerminalSize? Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text) is JsonObject size && size["Width"] is JsonValue width && size["Height"] is JsonValue height && width.TryGetValue(out ushort columns) && height.TryGetValue(out ushort rows)
                ? new TerminalSize { Columns = columns, Rows = rows } : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
