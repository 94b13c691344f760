using System.Text.Json.Nodes;
using Cel;
using Eyrie.ControlPlane.Api.Schemas;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>One of a schema's <c>x-kubernetes-validations</c>. Compiled when it is first looked at.</summary>
public sealed class ValidationRule
{
    private static readonly string[] Reasons = ["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"];

    private readonly JsonObject _source;
    private readonly Func<Schema> _self;
    private readonly Lazy<(RuleText? Text, string Mistake)> _text, _words;
    private readonly Lazy<CelProgramDelegate> _program, _message;

    /// <param name="source">As the definition has it.</param>
    /// <param name="self">The schema that it stands in.</param>
    public ValidationRule(JsonObject source, Func<Schema> self)
    {
        (_source, _self) = (source, self);
        (_text, _words) = (new(() => RuleText.Read(Rule, _self())), new(() => RuleText.Read(MessageExpression, _self())));
        (_program, _message) = (new(() => RuleLanguage.Compile(_text.Value.Text!.Parsed)), new(() => RuleLanguage.Compile(_words.Value.Text!.Parsed)));
    }

    public string Rule => _source.Text("rule")?.Trim() ?? "";
    public string FieldPath => _source.Text("fieldPath") ?? "";
    public string Reason => _source.Text("reason") is { Length: > 0 } reason ? reason : Reasons[0];
    private string MessageExpression => _source.Text("messageExpression")?.Trim() ?? "";

    /// <summary>It compares with what was there before.</summary>
    public bool UsesOld => _text.Value.Text?.UsesOld == true;

    /// <summary>How many loops stand in one another.</summary>
    public int Loops => _text.Value.Text?.Loops ?? 0;

    /// <summary>Why it is kept and not looked at; null: it is enforced.</summary>
    public string? NotEnforced => Rule.Length > 0 && _text.Value.Text?.UnknownFunction is { } function ? $"function {function} is not known here" : null;

    /// <summary>What was there before may be missing, and the rule is looked at all the same.</summary>
    public bool OldIsOptional => Definition.Truth(_source, "optionalOldSelf");

    /// <summary>What is wrong with it, by field.</summary>
    /// <param name="correlated">What was there before can be told for each value here.</param>
    public IEnumerable<(string Field, string Mistake)> Mistakes(bool correlated)
    {
        if (Rule.Length == 0) { yield return ("rule", "Required value: rule is not specified"); yield break; }
        if (_text.Value.Text is null) yield return ("rule", $"Invalid value: \"{Rule}\": compilation failed: {_text.Value.Mistake}");
        if (UsesOld && !correlated) yield return ("rule", $"Invalid value: \"{Rule}\": oldSelf cannot be used on the uncorrelatable portion of the schema: items of a list that is not of type map");
        if (MessageExpression.Length > 0 && (_words.Value.Text is not { } words || words.UnknownFunction is not null)) yield return ("messageExpression", $"Invalid value: \"{MessageExpression}\": compilation failed: {(_words.Value.Text?.UnknownFunction is { } function ? $"function {function} is not known here" : _words.Value.Mistake)}");
        if (_source.Text("message") is { } message && message.AsSpan().Trim() is var trimmed && (trimmed.Length == 0 || trimmed.IndexOfAny('\n', '\r') >= 0)) yield return ("message", $"Invalid value: \"{message}\": must be one line that says something");
        if (Rule.Contains('\n', StringComparison.Ordinal) && _source.Text("message") is null) yield return ("message", "Required value: message must be specified if rule contains line breaks");
        if (!Reasons.Contains(Reason)) yield return ("reason", $"Unsupported value: \"{Reason}\": supported values: {string.Join(", ", Reasons.Select(reason => $"\"{reason}\""))}");
        if (FieldPath.Length > 0 && FieldPath[0] is not ('.' or '[')) yield return ("fieldPath", $"Invalid value: \"{FieldPath}\": must begin with . or [ and lead to a field below");
    }

    /// <summary>null: it holds; otherwise what is wrong.</summary>
    public string? Broken(object? self, object? old)
    {
        var values = new Dictionary<string, object?>(RuleLanguage.Libraries) { ["self"] = self };
        if (UsesOld) values["oldSelf"] = OldIsOptional ? old is null ? RuleOptionals.Maybe.None : new RuleOptionals.Maybe(true, old) : old;
        try
        {
            return _program.Value(values) switch { true => null, false => Message(values), var other => $"rule \"{Rule}\" must be true or false and is {other}" };
        }
        catch (Exception exception) when (exception is CelException or InvalidCastException or FormatException or ArgumentException or OverflowException or NullReferenceException)
        {
            return $"rule \"{Rule}\" can not be evaluated: {exception.Message.Split('\n')[0]}";
        }
    }

    private string Message(Dictionary<string, object?> values)
    {
        var fixedWords = _source.Text("message")?.Trim() ?? $"failed rule: {Rule}";
        if (MessageExpression.Length == 0) return fixedWords;
        try
        {
            return _message.Value(values) is string said && said.Trim() is { Length: > 0 } words && !words.Contains('\n', StringComparison.Ordinal) ? words : fixedWords;
        }
        catch (CelException)
        {
            return fixedWords;
        }
    }
}
