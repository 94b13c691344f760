using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Schemas;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>
/// A value, and what it replaces, against the <c>x-kubernetes-validations</c> of its schema; finds every rule that does not hold. What rules may cost for one object is bounded: the steps of their loops
/// are counted from how wide the value is. Pure.
/// </summary>
public sealed class RuleCheck
{
    /// <summary>Steps for one object; a step takes a few microseconds.</summary>
    private const long Budget = 500_000;

    private readonly List<FieldError> _errors = [];
    private long _left = Budget;

    /// <param name="schema">Of the value.</param>
    /// <param name="value">Valid by everything else that its schema says.</param>
    /// <param name="old">What it replaces; null: nothing.</param>
    public static IReadOnlyList<FieldError> Check(Schema schema, JsonNode? value, JsonNode? old)
    {
        var check = new RuleCheck();
        check.Value(schema, value, old, "");
        return check._errors;
    }

    private void Value(Schema schema, JsonNode? value, JsonNode? old, string path)
    {
        if (value is null || _left < 0) return;
        if (schema.Rules is { Validations.Count: > 0 } rules) Rules(schema, rules, value, old, path);
        switch (value)
        {
            case JsonObject map:
                foreach (var (name, inner) in map)
                    if (schema.Field(name) is { Rules: not null } field) Value(field, inner, (old as JsonObject)?[name], path.Length == 0 ? name : schema.Values is null ? $"{path}.{name}" : $"{path}[{name}]");
                break;
            case JsonArray list when schema.Items is { } items:
                for (int i = 0; i < list.Count; i++) Value(items, list[i], schema.Merge == MergeKind.Map ? Before(schema, old as JsonArray, list[i]) : null, $"{path}[{i}]");
                break;
        }
    }

    /// <summary>The item of the same keys.</summary>
    private static JsonNode? Before(Schema schema, JsonArray? old, JsonNode? item) =>
        old?.FirstOrDefault(other => schema.Keys.All(key => JsonNode.DeepEquals((other as JsonObject)?[key.Name], (item as JsonObject)?[key.Name])));

    private void Rules(Schema schema, ValueRules rules, JsonNode value, JsonNode? old, string path)
    {
        var self = new Lazy<object?>(() => RuleValues.Of(schema, value));
        var before = new Lazy<object?>(() => RuleValues.Of(schema, old));
        int widest = RuleValues.Widest(value);
        foreach (var rule in rules.Validations)
        {
            if (rule.NotEnforced is not null || (rule.UsesOld && old is null && !rule.OldIsOptional)) continue;
            _left -= (long)Math.Min(Math.Pow(Math.Max(1, widest), rule.Loops), 2.0 * Budget);
            if (_left < 0)
            {
                _errors.Add(new FieldError(Path(path), $"Invalid value: \"{TypeOf(value)}\": validation failed due to running out of cost budget at rule \"{rule.Rule}\": bound the sizes of its lists and maps (maxItems, maxProperties), or loop less deep"));
                return;
            }
            if (rule.Broken(self.Value, before.Value) is { } why) _errors.Add(new FieldError(Path(path + rule.FieldPath), Worded(rule.Reason, TypeOf(value), why), rule.Reason));
        }
    }

    private static string Worded(string reason, string type, string why) => reason switch
    {
        "FieldValueForbidden" => "Forbidden: " + why, "FieldValueRequired" => "Required value: " + why, "FieldValueDuplicate" => $"Duplicate value: \"{type}\": {why}", _ => $"Invalid value: \"{type}\": {why}",
    };

    private static string Path(string path) => path.TrimStart('.') is { Length: > 0 } known ? known : "<nil>";

    private static string TypeOf(JsonNode value) => value.GetValueKind() switch
    {
        JsonValueKind.Object => "object", JsonValueKind.Array => "array", JsonValueKind.String => "string", JsonValueKind.Number => long.TryParse(value.ToJsonString(), out _) ? "integer" : "number", _ => "boolean",
    };
}
