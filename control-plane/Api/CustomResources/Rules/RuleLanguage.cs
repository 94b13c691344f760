using System.Collections.Frozen;
using System.Globalization;
using System.Text.RegularExpressions;
using Cel;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>The Common Expression Language with the functions on texts and lists that Kubernetes adds to it (kubernetes.io, "Common Expression Language in Kubernetes").</summary>
internal static class RuleLanguage
{
    /// <summary>Functions over the elements of a list or the keys of a map: receiver.NAME(variable, expression).</summary>
    public static readonly FrozenSet<string> Loops = new[] { "all", "exists", "exists_one", "map", "filter" }.ToFrozenSet();

    private static readonly string[] Own =
    [
        "contains", "startsWith", "endsWith", "has", "int", "uint", "double", "string", "bool", "bytes", "duration", "timestamp", "type", "dyn", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
        "getHours", "getMinutes", "getSeconds", "getMilliseconds",
    ];

    private static readonly Dictionary<string, (Type[] Arguments, Func<object?[], object?> Body)[]> Added = new()
    {
        ["size"] = [Of<string>(text => (long)text.EnumerateRunes().Count()), Of<object?[]>(list => (long)list.Length), Of<Dictionary<string, object?>>(map => (long)map.Count)], // the library's are of a type that string() does not know
        ["matches"] = [Of<string, string>((text, pattern) => Pattern(pattern).IsMatch(text))],
        ["find"] = [Of<string, string>((text, pattern) => Pattern(pattern).Match(text).Value)],
        ["findAll"] = [Of<string, string>((text, pattern) => Pattern(pattern).Matches(text).Select(match => (object?)match.Value).ToArray())],
        ["lowerAscii"] = [Of<string>(text => string.Concat(text.Select(letter => char.IsAscii(letter) ? char.ToLowerInvariant(letter) : letter)))],
        ["upperAscii"] = [Of<string>(text => string.Concat(text.Select(letter => char.IsAscii(letter) ? char.ToUpperInvariant(letter) : letter)))],
        ["trim"] = [Of<string>(text => text.Trim())],
        ["split"] = [Of<string, string>((text, by) => Split(text, by).Select(part => (object?)part).ToArray())],
        ["join"] = [Of<object?[]>(list => string.Concat(list)), Of<object?[], string>((list, by) => string.Join(by, list))],
        ["replace"] = [Of<string, string, string>((text, old, made) => old.Length == 0 ? text : text.Replace(old, made, StringComparison.Ordinal))],
        ["substring"] = [Of<string, long>((text, from) => text[(int)from..]), ([typeof(string), typeof(long), typeof(long)], values => ((string)values[0]!)[(int)(long)values[1]!..(int)(long)values[2]!])],
        ["charAt"] = [Of<string, long>((text, at) => at == text.Length ? "" : text[(int)at].ToString())],
        ["indexOf"] = [Of<string, string>((text, part) => (long)text.IndexOf(part, StringComparison.Ordinal)), Of<object?[], object>((list, item) => (long)Array.FindIndex(list, other => Same(other, item)))],
        ["lastIndexOf"] = [Of<string, string>((text, part) => (long)text.LastIndexOf(part, StringComparison.Ordinal)), Of<object?[], object>((list, item) => (long)Array.FindLastIndex(list, other => Same(other, item)))],
        ["isSorted"] = [Of<object?[]>(list => list.Zip(list.Skip(1)).All(pair => Order(pair.First, pair.Second) <= 0))],
        ["min"] = [Of<object?[]>(list => Extreme(list, -1))],
        ["max"] = [Of<object?[]>(list => Extreme(list, 1))],
        ["sum"] = [Of<object?[]>(Sum)],
    };

    private static readonly Lazy<CelEnvironment> Environment = new(() =>
    {
        var made = new CelEnvironment([], "");
        foreach (var (name, forms) in Added)
            foreach (var (arguments, body) in forms) made.RegisterFunction(name, arguments, values => body(values));
        return made;
    });

    public static bool Knows(string function) => Own.Contains(function) || Added.ContainsKey(function) || Loops.Contains(function);

    public static Cel.Internal.CelParser.StartContext Parse(string text)
    {
        // The parser is recursive: what it can not be lost in is bounded first.
        int open = 0, deepest = 0, prefixes = 0;
        foreach (var letter in text)
        {
            if (letter is '(' or '[' or '{') deepest = Math.Max(deepest, ++open);
            if (letter is ')' or ']' or '}') open--;
            if (letter is '!' or '-' or '?') prefixes++;
        }
        if (text.Length > 5120 || deepest > 30 || prefixes > 100) throw new CelExpressionParserException("the expression is too long or too deep");
        return Environment.Value.Parse(text);
    }

    public static CelProgramDelegate Compile(Cel.Internal.CelParser.StartContext parsed) => Environment.Value.Compile(parsed);

    private static Regex Pattern(string pattern) => StructuralSchema.Pattern(pattern);

    private static string[] Split(string text, string by) => by.Length == 0 ? [.. text.EnumerateRunes().Select(rune => rune.ToString())] : text.Split(by);

    private static bool Same(object? one, object? other) => Equals(one, other) || (one is IConvertible and not string && other is IConvertible and not string && Order(one, other) == 0);

    private static int Order(object? one, object? other) => (one, other) switch
    {
        (string a, string b) => string.CompareOrdinal(a, b),
        (IComparable a, IComparable b) when a.GetType() == b.GetType() => a.CompareTo(b),
        (IConvertible a, IConvertible b) => Convert.ToDouble(a, CultureInfo.InvariantCulture).CompareTo(Convert.ToDouble(b, CultureInfo.InvariantCulture)),
        _ => throw new CelNoSuchOverloadException("the items of the list can not be ordered"),
    };

    private static object? Extreme(object?[] list, int sign) => list.Length == 0 ? throw new CelArgumentRangeException("min and max are of no value of an empty list") : list.Aggregate((best, item) => Order(item, best) * sign > 0 ? item : best);

    private static object? Sum(object?[] list) => list.Any(item => item is double) ? list.Sum(item => Convert.ToDouble(item, CultureInfo.InvariantCulture)) : list.Aggregate(0L, (sum, item) => checked(sum + Convert.ToInt64(item, CultureInfo.InvariantCulture)));

    private static (Type[], Func<object?[], object?>) Of<T>(Func<T, object?> body) => ([typeof(T)], values => body((T)values[0]!));

    private static (Type[], Func<object?[], object?>) Of<T1, T2>(Func<T1, T2, object?> body) => ([typeof(T1), typeof(T2)], values => body((T1)values[0]!, (T2)values[1]!));

    private static (Type[], Func<object?[], object?>) Of<T1, T2, T3>(Func<T1, T2, T3, object?> body) => ([typeof(T1), typeof(T2), typeof(T3)], values => body((T1)values[0]!, (T2)values[1]!, (T3)values[2]!));
}
