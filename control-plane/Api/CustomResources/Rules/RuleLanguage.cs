using System.Collections.Frozen;
using System.Globalization;
using System.Text.RegularExpressions;
using Cel;

using static Eyrie.ControlPlane.Api.CustomResources.RuleFunction;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>The Common Expression Language with the functions that Kubernetes adds to it (kubernetes.io, "Common Expression Language in Kubernetes"): on texts and lists here, others beside it.</summary>
internal static class RuleLanguage
{
    /// <summary>Functions over the elements of a list or the keys of a map: receiver.NAME(variable, expression).</summary>
    public static readonly FrozenSet<string> Loops = new[] { "all", "exists", "exists_one", "map", "filter" }.ToFrozenSet();

    private static readonly string[] Own =
    [
        "contains", "startsWith", "endsWith", "has", "int", "uint", "double", "string", "bool", "bytes", "duration", "timestamp", "type", "dyn", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear",
        "getHours", "getMinutes", "getSeconds", "getMilliseconds",
    ];

    private static readonly Dictionary<string, RuleFunction[]> Texts = new()
    {
        ["size"] = [Of<string>(text => (long)text.EnumerateRunes().Count()), Of<object?[]>(list => (long)list.Length), Of<Dictionary<string, object?>>(map => (long)map.Count)], // the library's are of a type that string() does not know
        ["matches"] = [Of<string, string>((text, pattern) => Pattern(pattern).IsMatch(text))],
        ["find"] = [Of<string, string>((text, pattern) => Pattern(pattern).Match(text).Value)],
        ["findAll"] = [Of<string, string>((text, pattern) => Pattern(pattern).Matches(text).Select(match => (object?)match.Value).ToArray()), Of<string, string, long>((text, pattern, most) => Pattern(pattern).Matches(text).Take(most < 0 ? int.MaxValue : (int)most).Select(match => (object?)match.Value).ToArray())],
        ["lowerAscii"] = [Of<string>(text => string.Concat(text.Select(letter => char.IsAscii(letter) ? char.ToLowerInvariant(letter) : letter)))],
        ["upperAscii"] = [Of<string>(text => string.Concat(text.Select(letter => char.IsAscii(letter) ? char.ToUpperInvariant(letter) : letter)))],
        ["trim"] = [Of<string>(text => text.Trim())],
        ["split"] = [Of<string, string>((text, by) => Split(text, by, -1)), Of<string, string, long>(Split)],
        ["join"] = [Of<object?[]>(list => string.Concat(list)), Of<object?[], string>((list, by) => string.Join(by, list))],
        ["replace"] =
        [
            Of<string, string, string>((text, old, made) => old.Length == 0 ? text : text.Replace(old, made, StringComparison.Ordinal)),
            new([typeof(string), typeof(string), typeof(string), typeof(long)], values => Replace((string)values[0]!, (string)values[1]!, (string)values[2]!, (long)values[3]!)),
        ],
        ["substring"] = [Of<string, long>((text, from) => text[(int)from..]), Of<string, long, long>((text, from, until) => text[(int)from..(int)until])],
        ["charAt"] = [Of<string, long>((text, at) => at == text.Length ? "" : text[(int)at].ToString())],
        ["indexOf"] = [Of<string, string>((text, part) => (long)text.IndexOf(part, StringComparison.Ordinal)), Of<string, string, long>((text, part, from) => (long)text.IndexOf(part, (int)from, StringComparison.Ordinal)), Of<object?[], object>((list, item) => (long)Array.FindIndex(list, other => Same(other, item)))],
        ["lastIndexOf"] = [Of<string, string>((text, part) => (long)text.LastIndexOf(part, StringComparison.Ordinal)), Of<string, string, long>(LastIndexOf), Of<object?[], object>((list, item) => (long)Array.FindLastIndex(list, other => Same(other, item)))],
        ["isSorted"] = [Of<object?[]>(list => list.Zip(list.Skip(1)).All(pair => Order(pair.First, pair.Second) <= 0))],
        ["min"] = [Of<object?[]>(list => Extreme(list, -1))],
        ["max"] = [Of<object?[]>(list => Extreme(list, 1))],
        ["sum"] = [Of<object?[]>(Sum)],
    };

    /// <summary>By name, in every form.</summary>
    private static readonly Dictionary<string, RuleFunction[]> Added = Texts.Concat(RuleQuantities.Functions).Concat(RuleAddresses.Functions).Concat(RuleUrls.Functions).Concat(RuleSets.Functions).Concat(RuleOptionals.Functions).Concat(RuleMath.Functions).Concat(RuleFormats.Functions).GroupBy(pair => pair.Key).ToDictionary(group => group.Key, group => group.SelectMany(pair => pair.Value).ToArray());

    /// <summary>Names that functions stand behind: <c>sets.contains(...)</c>.</summary>
    public static readonly IReadOnlyDictionary<string, object?> Libraries = new Dictionary<string, object?> { ["sets"] = new RuleSets.Library(), ["ip"] = new RuleAddresses.Library(), ["optional"] = new RuleOptionals.Library(), ["math"] = new RuleMath.Library(), ["format"] = new RuleFormats.Library() };

    private static readonly Lazy<CelEnvironment> Environment = new(() =>
    {
        var made = new CelEnvironment([], "");
        foreach (var (name, forms) in Added)
            foreach (var form in forms) made.RegisterFunction(name, form.Arguments, values => form.Body(values));
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

    /// <param name="text">What is split.</param>
    /// <param name="by">Empty: between characters.</param>
    /// <param name="most">Parts, of which the last has the rest; negative: no bound; 0: none.</param>
    private static object?[] Split(string text, string by, long most)
    {
        if (most == 0) return [];
        if (by.Length > 0) return [.. most < 0 ? text.Split(by) : text.Split(by, (int)Math.Min(most, int.MaxValue))];
        var letters = text.EnumerateRunes().Select(rune => rune.ToString()).ToList();
        return most < 0 || most >= letters.Count ? [.. letters] : [.. letters.Take((int)most - 1), string.Concat(letters.Skip((int)most - 1))];
    }

    private static string Replace(string text, string old, string made, long most)
    {
        if (old.Length == 0) return text;
        var parts = Split(text, old, most < 0 ? -1 : most + 1);
        return string.Join(made, parts);
    }

    /// <param name="text">Where it is looked for.</param>
    /// <param name="part">What.</param>
    /// <param name="until">The latest place at which it may begin.</param>
    private static object LastIndexOf(string text, string part, long until)
    {
        if (until < 0 || until > text.Length) throw new CelArgumentRangeException($"index out of range: {until}");
        for (int at = (int)Math.Min(until, text.Length - part.Length); at >= 0; at--)
            if (string.CompareOrdinal(text, at, part, 0, part.Length) == 0) return (long)at;
        return -1L;
    }

    internal static bool Same(object? one, object? other) => Equals(one, other) || (one is IConvertible and not string && other is IConvertible and not string && Order(one, other) == 0);

    private static int Order(object? one, object? other) => (one, other) switch
    {
        (string a, string b) => string.CompareOrdinal(a, b),
        (IComparable a, IComparable b) when a.GetType() == b.GetType() => a.CompareTo(b),
        (IConvertible a, IConvertible b) => Convert.ToDouble(a, CultureInfo.InvariantCulture).CompareTo(Convert.ToDouble(b, CultureInfo.InvariantCulture)),
        _ => throw new CelNoSuchOverloadException("the items of the list can not be ordered"),
    };

    private static object? Extreme(object?[] list, int sign) => list.Length == 0 ? throw new CelArgumentRangeException("min and max are of no value of an empty list") : list.Aggregate((best, item) => Order(item, best) * sign > 0 ? item : best);

    private static object? Sum(object?[] list) => list.Any(item => item is double) ? list.Sum(item => Convert.ToDouble(item, CultureInfo.InvariantCulture)) : list.Aggregate(0L, (sum, item) => checked(sum + Convert.ToInt64(item, CultureInfo.InvariantCulture)));
}
