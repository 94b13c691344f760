using System.Globalization;
using Cel;
using static Eyrie.ControlPlane.Api.CustomResources.RuleFunction;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>Values that may be missing (<c>optional.of(x)</c>, <c>self.?field</c>), and the words that <see cref="RuleRewriter"/> uses.</summary>
internal static class RuleOptionals
{
    /// <summary>What <c>optional.of</c> and the like stand behind.</summary>
    public sealed class Library;

    /// <summary>A value, or none.</summary>
    public sealed class Maybe(bool there, object? value) : RuleObject("optional", there ? "of " + Text(value) : "none")
    {
        public static readonly Maybe None = new(false, null);
        public bool There => there;
        public object? Value => there ? value : throw new CelArgumentRangeException("optional.none() dereference");
    }

    public static readonly Dictionary<string, RuleFunction[]> Functions = new()
    {
        ["of"] = [Of<Library, object>((_, value) => new Maybe(true, value))],
        ["none"] = [Of<Library>(_ => Maybe.None)],
        ["ofNonZeroValue"] = [Of<Library, object>((_, value) => IsZero(value) ? Maybe.None : new Maybe(true, value))],
        ["hasValue"] = [Of<Maybe>(one => one.There)],
        ["value"] = [Of<Maybe>(one => one.Value)],
        ["orValue"] = [Of<Maybe, object>((one, other) => one.There ? one.Value : other)],
        ["or"] = [Of<Maybe, Maybe>((one, other) => one.There ? one : other)],
        [RuleRewriter.Select] = [Of<object, object>(Select)],
        [RuleRewriter.Held] = [Of<Maybe>(one => one.There ? new[] { one.Value } : [])],
        [RuleRewriter.First] = [Of<object?[]>(list => list.Length == 0 ? Maybe.None : new Maybe(true, list[0]))],
        [RuleRewriter.Flat] = [Of<object?[]>(list => list.Length == 0 ? Maybe.None : list[0] as Maybe ?? throw new CelNoSuchOverloadException("optFlatMap wants an optional value"))],
        [RuleRewriter.Pairs] = [Of<object?[]>(list => list.Select((item, at) => (object?)new[] { (long)at, item }).ToArray()), Of<Dictionary<string, object?>>(map => map.Select(pair => (object?)new[] { pair.Key, pair.Value }).ToArray())],
        [RuleRewriter.Keys] = [Of<object?[]>(list => list), Of<Dictionary<string, object?>>(map => map.Keys.ToArray<object?>())],
        [RuleRewriter.ToMap] = [Of<object?[]>(Map)],
    };

    private static object Select(object? from, object? part)
    {
        if (from is Maybe maybe) return maybe.There ? Select(maybe.Value, part) : Maybe.None;
        return (from, part) switch
        {
            (Dictionary<string, object?> map, string name) => map.TryGetValue(name, out var value) ? new Maybe(true, value) : Maybe.None,
            (object?[] list, long at) => at >= 0 && at < list.Length ? new Maybe(true, list[at]) : Maybe.None,
            _ => throw new CelNoSuchOverloadException("only a field of an object, an entry of a map or an item of a list may be missing"),
        };
    }

    private static Dictionary<string, object?> Map(object?[] entries)
    {
        var made = new Dictionary<string, object?>();
        foreach (var entry in entries)
        {
            var pairs = entry switch { Dictionary<string, object?> map => map.Select(pair => (pair.Key, pair.Value)), object?[] and [var key, var value] => [(Convert.ToString(key, CultureInfo.InvariantCulture)!, value)], _ => throw new CelNoSuchOverloadException("an entry of a map is a map of one entry") };
            foreach (var (key, value) in pairs)
                if (!made.TryAdd(key, value)) throw new CelArgumentRangeException($"insert failed: key \"{key}\" already exists");
        }
        return made;
    }

    private static bool IsZero(object? value) => value switch { null or false or "" or 0L or 0.0 or 0UL => true, object?[] list => list.Length == 0, Dictionary<string, object?> map => map.Count == 0, _ => false };

    private static string Text(object? value) => value switch
    {
        object?[] list => $"[{string.Join(',', list.Select(Text))}]", Maybe or null => value?.GetType().Name ?? "null", Dictionary<string, object?> map => $"{{{string.Join(',', map.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}:{Text(pair.Value)}"))}}}",
        string text => $"\"{text}\"", IFormattable number => number.ToString(null, CultureInfo.InvariantCulture), _ => value.ToString() ?? "",
    };
}
