using System.Collections.Immutable;
using Antlr4.Runtime.Tree;
using Cel;
using Cel.Internal;
using Eyrie.ControlPlane.Api.Schemas;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>What can be said of an expression before it is evaluated: names that nothing declares, functions that are not there, how deep its loops are. Pure.</summary>
internal sealed class RuleText
{
    private const string Old = "oldSelf";
    private static readonly string[] Types = ["int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type", "type", "google"];

    /// <summary>Libraries that Kubernetes has and Eyrie lacks: rules with them are kept.</summary>
    private static readonly string[] Missing = ["cel", "format", "math", "optional"];

    private RuleText(CelParser.StartContext parsed) => Parsed = parsed;

    public CelParser.StartContext Parsed { get; }
    public bool UsesOld { get; private set; }
    /// <summary>How many loops stand in one another.</summary>
    public int Loops { get; private set; }
    /// <summary>A function that is not known here; null: all are.</summary>
    public string? UnknownFunction { get; private set; }
    /// <summary>Why the expression means nothing; null: it may.</summary>
    public string? Mistake { get; private set; }

    /// <param name="text">The expression.</param>
    /// <param name="self">Of what it is about.</param>
    /// <returns>What is known of it, or what is wrong with its form.</returns>
    public static (RuleText? Text, string Mistake) Read(string text, Schema self)
    {
        try
        {
            var made = new RuleText(RuleLanguage.Parse(text));
            made.Loops = made.Walk(made.Parsed, ImmutableDictionary<string, Schema?>.Empty.Add("self", self).Add(Old, self));
            return made is { Mistake: { } mistake, UnknownFunction: null } ? (null, mistake) : (made, ""); // what is not known may declare names
        }
        catch (CelException exception)
        {
            return (null, exception.Message.Split('\n')[0]);
        }
    }

    /// <returns>The depth of loops in the node.</returns>
    private int Walk(IParseTree node, ImmutableDictionary<string, Schema?> scope)
    {
        if (node is not CelParser.ExprContext && IsOptional(node)) UnknownFunction ??= "?";
        switch (node)
        {
            case CelParser.MemberCallContext call: return Call(call, scope);
            case CelParser.SelectContext: _ = SchemaOf(node, scope); break;
            case CelParser.IdentOrGlobalCallContext global when global.ChildCount > 1 && Arguments(global) is not null || node is CelParser.IdentOrGlobalCallContext && node.GetText().EndsWith("()", StringComparison.Ordinal):
                Function(node.GetChild(0).GetText());
                break;
            case CelParser.IdentOrGlobalCallContext identifier:
                var name = identifier.GetText();
                if (name == Old) UsesOld = true;
                if (!scope.ContainsKey(name) && Missing.Contains(name)) UnknownFunction ??= name;
                else if (!scope.ContainsKey(name) && !Types.Contains(name) && !RuleLanguage.Libraries.ContainsKey(name)) Mistake ??= $"undeclared reference to '{name}'";
                break;
        }
        return Children(node).Select(child => Walk(child, scope)).DefaultIfEmpty(0).Max();
    }

    private int Call(CelParser.MemberCallContext call, ImmutableDictionary<string, Schema?> scope)
    {
        var (receiver, name, arguments) = (call.GetChild(0), call.GetChild(2).GetText(), Arguments(call));
        int before = Walk(receiver, scope);
        Function(name);
        if (!RuleLanguage.Loops.Contains(name) || arguments is null) return Math.Max(before, arguments is null ? 0 : Walk(arguments, scope));
        var expressions = Children(arguments).Where(child => child is not ITerminalNode).ToList();
        if (expressions.Count != 2) UnknownFunction ??= $"{name} with {expressions.Count} arguments";
        var over = SchemaOf(receiver, scope);
        if (name is "map" or "filter" && over is { Values: not null }) UnknownFunction ??= $"{name} over the keys of a map"; // the library gives the entries
        var inner = scope.SetItem(expressions[0].GetText(), over is { Type: "array" } ? over.Items : null);
        return Math.Max(before, 1 + expressions.Skip(1).Select(expression => Walk(expression, inner)).DefaultIfEmpty(0).Max());
    }

    private void Function(string name)
    {
        if (!RuleLanguage.Knows(name)) UnknownFunction ??= name;
    }

    /// <summary>A field, an item or an entry that may be missing: <c>.?</c>, <c>[?</c>.</summary>
    private static bool IsOptional(IParseTree node) => Children(node).Any(child => child is ITerminalNode && child.GetText() == "?");

    /// <summary>What is known of a value that is named by fields alone; null: nothing.</summary>
    private Schema? SchemaOf(IParseTree node, ImmutableDictionary<string, Schema?> scope)
    {
        while (node is not (CelParser.SelectContext or CelParser.IdentOrGlobalCallContext) && node.ChildCount == 1) node = node.GetChild(0);
        if (node is CelParser.IdentOrGlobalCallContext) return scope.GetValueOrDefault(node.GetText());
        if (node is not CelParser.SelectContext || IsOptional(node) || SchemaOf(node.GetChild(0), scope) is not { } of || of is { Type: not "object" } or { PreserveUnknown: true } or { EmbeddedResource: true } or { Values: not null }) return null;
        var name = node.GetChild(2).GetText();
        if (of.Properties.FirstOrDefault(field => RuleValues.Escaped(field.Key) == name) is { Value: { } found }) return found.Name is null ? found : null;
        Mistake ??= $"undefined field '{name}'";
        return null;
    }

    private static CelParser.ExprListContext? Arguments(IParseTree call) => Children(call).OfType<CelParser.ExprListContext>().FirstOrDefault();

    private static IEnumerable<IParseTree> Children(IParseTree node) => Enumerable.Range(0, node.ChildCount).Select(node.GetChild);
}
