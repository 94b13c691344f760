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

    private readonly CelParser.StartContext _written;
    private bool _beyond; // what the library has: it is written in other words

    private RuleText(CelParser.StartContext written) => _written = written;

    /// <summary>The expression as it is evaluated.</summary>
    public CelParser.StartContext Parsed => _beyond ? RuleLanguage.Parse(RuleRewriter.Rewrite(_written)) : _written;
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
            made.Loops = made.Walk(made._written, ImmutableDictionary<string, Schema?>.Empty.Add("self", self).Add(Old, self));
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
        if (node is not CelParser.ExprContext && RuleRewriter.IsOptional(node))
        {
            _beyond = true;
            if (node is not (CelParser.SelectContext or CelParser.IndexContext)) UnknownFunction ??= "? before an item or entry of a literal";
        }
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
                if (!scope.ContainsKey(name) && !Types.Contains(name) && !RuleLanguage.Libraries.ContainsKey(name)) Mistake ??= $"undeclared reference to '{name}'";
                break;
        }
        return Children(node).Select(child => Walk(child, scope)).DefaultIfEmpty(0).Max();
    }

    private int Call(CelParser.MemberCallContext call, ImmutableDictionary<string, Schema?> scope)
    {
        var (receiver, name, arguments) = (call.GetChild(0), call.GetChild(2).GetText(), RuleRewriter.Arguments(call));
        if (name == "bind" && receiver.GetText() == "cel" && arguments.Count == 3)
        {
            _beyond = true;
            return Math.Max(Walk(arguments[1], scope), Walk(arguments[2], scope.SetItem(arguments[0].GetText(), SchemaOf(arguments[1], scope))));
        }
        int before = Walk(receiver, scope);
        var over = SchemaOf(receiver, scope);
        bool two = RuleRewriter.TwoVariables.Contains(name) && (arguments.Count == 3 || (arguments.Count == 4 && name.StartsWith("transform", StringComparison.Ordinal)));
        if (two || RuleRewriter.OptionalLoops.Contains(name) || name is "existsOne" || (receiver.GetText() == "math" && name is "greatest" or "least") || (name is "map" or "filter" && over is not { Type: "array" }) || (name == "map" && arguments.Count == 3)) _beyond = true;
        else Function(name);
        bool one = RuleLanguage.Loops.Contains(name) || RuleRewriter.OptionalLoops.Contains(name) || name is "existsOne";
        if (!(one || two) || arguments.Count == 0) return arguments.Select(argument => Walk(argument, scope)).Append(before).Max();
        if (one && !two && arguments.Count != 2 && !(name == "map" && arguments.Count == 3)) UnknownFunction ??= $"{name} with {arguments.Count} arguments";
        var item = over is { Type: "array" } ? over.Items : null;
        var inner = two ? scope.SetItem(arguments[0].GetText(), null).SetItem(arguments[1].GetText(), item ?? over?.Values) : scope.SetItem(arguments[0].GetText(), item);
        return Math.Max(before, 1 + arguments.Skip(two ? 2 : 1).Select(expression => Walk(expression, inner)).DefaultIfEmpty(0).Max());
    }

    private void Function(string name)
    {
        if (!RuleLanguage.Knows(name)) UnknownFunction ??= name;
    }

    /// <summary>What is known of a value that is named by fields alone; null: nothing.</summary>
    private Schema? SchemaOf(IParseTree node, ImmutableDictionary<string, Schema?> scope)
    {
        while (node is not (CelParser.SelectContext or CelParser.IdentOrGlobalCallContext) && node.ChildCount == 1) node = node.GetChild(0);
        if (node is CelParser.IdentOrGlobalCallContext) return scope.GetValueOrDefault(node.GetText());
        if (node is not CelParser.SelectContext || RuleRewriter.IsOptional(node) || SchemaOf(node.GetChild(0), scope) is not { } of || of is { Type: not "object" } or { PreserveUnknown: true } or { EmbeddedResource: true } or { Values: not null }) return null;
        var name = node.GetChild(2).GetText();
        if (of.Properties.FirstOrDefault(field => RuleValues.Escaped(field.Key) == name) is { Value: { } found }) return found.Name is null ? found : null;
        Mistake ??= $"undefined field '{name}'";
        return null;
    }

    private static CelParser.ExprListContext? Arguments(IParseTree call) => Children(call).OfType<CelParser.ExprListContext>().FirstOrDefault();

    private static IEnumerable<IParseTree> Children(IParseTree node) => Enumerable.Range(0, node.ChildCount).Select(node.GetChild);
}
