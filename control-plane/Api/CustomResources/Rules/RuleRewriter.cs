using Antlr4.Runtime.Tree;
using Cel.Internal;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>
/// Expressions with what the language's library lacks in words that it has: <c>cel.bind</c>, fields and items that may be missing, loops of two variables, loops over the keys of a map. A name is given to a
/// value by a loop over a list of it alone. Pure.
/// </summary>
internal static class RuleRewriter
{
    public const string Select = "__select", Pairs = "__pairs", Keys = "__keys", ToMap = "__map", Held = "__held", First = "__first", Flat = "__flat", Greatest = "__greatest", Least = "__least";
    private const string Pair = "__pair";

    /// <summary>Loops that may have two variables: the index and the item, or the key and the value.</summary>
    public static readonly IReadOnlySet<string> TwoVariables = new HashSet<string> { "all", "exists", "existsOne", "exists_one", "transformList", "transformMap", "transformMapEntry" };

    /// <summary>Of an optional value: what is made of it under a name, when it is there.</summary>
    public static readonly IReadOnlySet<string> OptionalLoops = new HashSet<string> { "optMap", "optFlatMap" };

    public static string Rewrite(IParseTree node)
    {
        switch (node)
        {
            case ITerminalNode: return node.GetText() == "<EOF>" ? "" : node.GetText();
            case CelParser.SelectContext or CelParser.IndexContext when IsOptional(node) || IsChained(node.GetChild(0)):
                var part = node is CelParser.SelectContext ? $"'{node.GetChild(node.ChildCount - 1).GetText()}'" : Rewrite(node.GetChild(node.ChildCount - 2));
                return $"{Select}({Rewrite(node.GetChild(0))}, {part})";
            case CelParser.MemberCallContext call: return Call(call);
        }
        return string.Join(' ', Children(node).Select(Rewrite));
    }

    private static string Call(CelParser.MemberCallContext call)
    {
        var (receiver, name) = (Rewrite(call.GetChild(0)), call.GetChild(2).GetText());
        var arguments = Arguments(call).Select(Rewrite).ToList();
        return (name, arguments) switch
        {
            ("bind", [var variable, var value, var inner]) when receiver.Trim() == "cel" => Named(variable, value, inner),
            ("optMap", [var variable, var inner]) => $"{First}({Held}({receiver}).map({variable}, {inner}))",
            ("optFlatMap", [var variable, var inner]) => $"{Flat}({Held}({receiver}).map({variable}, {inner}))",
            ("greatest" or "least", [_, _, ..]) when receiver.Trim() == "math" => $"{(name == "greatest" ? Greatest : Least)}([{string.Join(", ", arguments)}])",
            ("greatest" or "least", [var list]) when receiver.Trim() == "math" => $"{(name == "greatest" ? Greatest : Least)}({list})",
            ("map" or "filter", [var variable, var inner]) => $"{Keys}({receiver}).{name}({variable}, {inner})",
            ("map", [var variable, var chosen, var inner]) => $"{Keys}({receiver}).filter({variable}, {chosen}).map({variable}, {inner})",
            ("all" or "exists", [var first, var second, var inner]) => $"{Pairs}({receiver}).{name}({Pair}, [{Pair}[0]].{name}({first}, [{Pair}[1]].{name}({second}, {inner})))",
            ("existsOne" or "exists_one", [var first, var second, var inner]) => $"{Pairs}({receiver}).exists_one({Pair}, {Chosen(first, second, inner)})",
            ("existsOne", [var variable, var inner]) => $"{receiver}.exists_one({variable}, {inner})",
            ("transformList" or "transformMap" or "transformMapEntry", [var first, var second, .. var rest]) when rest.Count is 1 or 2 => Transformed(name, receiver, first, second, rest),
            _ => $"{receiver}.{name}({string.Join(", ", arguments)})",
        };
    }

    private static string Transformed(string name, string receiver, string first, string second, IReadOnlyList<string> rest)
    {
        var source = rest.Count == 2 ? $"{Pairs}({receiver}).filter({Pair}, {Chosen(first, second, rest[0])})" : $"{Pairs}({receiver})";
        var made = $"[{Pair}[0]].map({first}, [{Pair}[1]].map({second}, {rest[^1]})[0])[0]";
        return name switch { "transformList" => $"{source}.map({Pair}, {made})", "transformMap" => $"{ToMap}({source}.map({Pair}, [{Pair}[0], {made}]))", _ => $"{ToMap}({source}.map({Pair}, {made}))" };
    }

    private static string Chosen(string first, string second, string inner) => $"[{Pair}[0]].exists({first}, [{Pair}[1]].exists({second}, {inner}))";

    private static string Named(string variable, string value, string inner) => $"[{value}].map({variable}, {inner})[0]";

    /// <summary>A field or item of what may be missing may be missing itself.</summary>
    private static bool IsChained(IParseTree node)
    {
        while (node.ChildCount == 1) node = node.GetChild(0);
        return node is CelParser.SelectContext or CelParser.IndexContext && (IsOptional(node) || IsChained(node.GetChild(0)));
    }

    /// <summary>A field or an item that may be missing: <c>.?</c>, <c>[?</c>.</summary>
    public static bool IsOptional(IParseTree node) => Children(node).Any(child => child is ITerminalNode && child.GetText() == "?");

    public static IReadOnlyList<IParseTree> Arguments(CelParser.MemberCallContext call) => Children(call).OfType<CelParser.ExprListContext>().FirstOrDefault() is { } list ? [.. Children(list).Where(child => child is not ITerminalNode)] : [];

    private static IEnumerable<IParseTree> Children(IParseTree node) => Enumerable.Range(0, node.ChildCount).Select(node.GetChild);
}
