using System.Globalization;
using Eyrie.ControlPlane.Api.Schemas;

namespace Eyrie.ControlPlane.Api.Wire;

/// <summary>What a field holds on the wire, beyond the messages of Wire.txt.</summary>
internal enum WireScalar { None, Text, Number, Boolean, Bytes, Time, MicroTime, Duration, Quantity, IntOrString, RawJson }

/// <param name="Name">JSON name; empty: the message's fields are the parent's own.</param>
/// <param name="Message">Name of the message; null: it is a scalar.</param>
/// <param name="Scalar">What it is when it is no message.</param>
/// <param name="Shape">0: one value, <c>[</c>: a list, <c>{</c>: a map from string, <c>e</c>: a map from string to lists of strings.</param>
/// <param name="Pointer">Whether zero differs from absent.</param>
internal sealed record WireField(string Name, string? Message, WireScalar Scalar, char Shape, bool Pointer);

/// <summary>The messages of Wire.txt, by name (<c>core/v1.Pod</c>), then by field number.</summary>
internal static class WireTypes
{
    public static IReadOnlyDictionary<string, IReadOnlyDictionary<int, WireField>> All { get; } = Read();

    private static Dictionary<string, IReadOnlyDictionary<int, WireField>> Read()
    {
        var all = new Dictionary<string, IReadOnlyDictionary<int, WireField>>();
        Dictionary<int, WireField> fields = [];
        foreach (var line in MergeRules.Lines("Wire.txt"))
        {
            if (line[0] != ' ') { all[line] = fields = []; continue; }
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            fields[int.Parse(words[0], CultureInfo.InvariantCulture)] = Field(words[1] == "=" ? "" : words[1], words[2]);
        }
        return all;
    }

    private static WireField Field(string name, string type)
    {
        bool pointer = type[0] == '?';
        type = type.TrimStart('?');
        char shape = type switch { _ when type.StartsWith("{}[]", StringComparison.Ordinal) => 'e', _ when type[0] is '[' or '{' => type[0], _ => '\0' };
        type = type.TrimStart('{', '}', '[', ']');
        var scalar = type switch
        {
            "string" => WireScalar.Text, "int" => WireScalar.Number, "bool" => WireScalar.Boolean, "bytes" => WireScalar.Bytes, "time" => WireScalar.Time, "microtime" => WireScalar.MicroTime,
            "duration" => WireScalar.Duration, "quantity" => WireScalar.Quantity, "intorstring" => WireScalar.IntOrString, "rawjson" => WireScalar.RawJson, _ => WireScalar.None,
        };
        return new WireField(name, scalar == WireScalar.None ? type : null, scalar, shape, pointer);
    }
}
