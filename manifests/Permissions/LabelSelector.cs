using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Eyrie.Manifests.Permissions;

/// <summary>
/// A label selector in one line without spaces: requirements in order, each <c>key=value</c>, <c>key=a|b</c> (In), <c>key!=a|b</c> (NotIn), <c>key</c> (Exists) or <c>!key</c> (DoesNotExist);
/// <c>*</c> selects everything.
/// </summary>
public sealed partial record LabelSelector
{
    public static readonly LabelSelector Everything = new([]);

    private readonly string[] _requirements;

    private LabelSelector(IEnumerable<string> requirements) => _requirements = [.. requirements.Distinct().Order(StringComparer.Ordinal)];

    public bool SelectsEverything => _requirements.Length == 0;

    public static LabelSelector Of(IEnumerable<KeyValuePair<string, string>> labels) => new(labels.Select(label => $"{label.Key}={label.Value}"));

    public static bool TryParse(string text, out LabelSelector selector)
    {
        selector = Everything;
        if (text == "*") return true;
        if (!text.Split(',').All(requirement => Requirement().IsMatch(requirement))) return false;
        selector = new LabelSelector(text.Split(','));
        return selector.ToString() == text;
    }

    /// <summary>Kubernetes' <c>{matchLabels, matchExpressions}</c>. null: the reason is in <paramref name="problem"/>.</summary>
    public static LabelSelector? Read(JsonNode? node, out string problem)
    {
        problem = "must be a label selector: matchLabels, matchExpressions";
        if (node is null) return Everything;
        if (node is not JsonObject selector) return null;
        if (selector.FirstOrDefault(field => field.Key is not ("matchLabels" or "matchExpressions")) is { Key: { } other }) { problem = $"has the unknown field {other}; known are matchLabels, matchExpressions"; return null; }
        var requirements = new List<string>();
        if (selector["matchLabels"] is { } labels)
        {
            if (labels is not JsonObject map) return null;
            requirements.AddRange(map.Select(label => $"{label.Key}={label.Value.Word()}"));
        }
        if (selector["matchExpressions"] is { } expressions)
        {
            if (expressions is not JsonArray list) return null;
            foreach (var item in list)
                if (Expression(item as JsonObject) is { } requirement) requirements.Add(requirement);
                else { problem = "has a matchExpression without key, a known operator (In, NotIn, Exists, DoesNotExist) and the values it needs"; return null; }
        }
        if (requirements.FirstOrDefault(requirement => !Requirement().IsMatch(requirement)) is { } bad) { problem = $"has \"{bad}\", which is no label"; return null; }
        return new LabelSelector(requirements);
    }

    private static string? Expression(JsonObject? expression)
    {
        var key = expression?["key"].Word();
        var values = (expression?["values"] as JsonArray ?? []).Select(value => value.Word()).ToList();
        if (string.IsNullOrEmpty(key) || values.Contains(null)) return null;
        return expression!["operator"].Word() switch
        {
            "In" when values.Count > 0 => $"{key}={string.Join('|', values.Distinct().Order(StringComparer.Ordinal))}",
            "NotIn" when values.Count > 0 => $"{key}!={string.Join('|', values.Distinct().Order(StringComparer.Ordinal))}",
            "Exists" when values.Count == 0 => key,
            "DoesNotExist" when values.Count == 0 => "!" + key,
            _ => null,
        };
    }

    public bool Selects(JsonNode? labels) => _requirements.All(requirement => Holds(requirement, labels as JsonObject));

    private static bool Holds(string requirement, JsonObject? labels)
    {
        string? Label(string key) => labels is not null && labels.TryGetPropertyValue(key, out var value) ? value.Word() ?? "" : null;
        if (requirement[0] == '!') return Label(requirement[1..]) is null;
        if (requirement.IndexOf("!=", StringComparison.Ordinal) is > 0 and var differs) return Label(requirement[..differs]) is not { } other || !requirement[(differs + 2)..].Split('|').Contains(other);
        if (requirement.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals) return Label(requirement[..equals]) is { } value && requirement[(equals + 1)..].Split('|').Contains(value);
        return Label(requirement) is not null;
    }

    /// <summary>The selector as the YAML of a manifest: <c>{app: db}</c> where labels say it all.</summary>
    public JsonObject ToManifest()
    {
        var labels = new JsonObject();
        var expressions = new JsonArray();
        foreach (var requirement in _requirements)
        {
            int differs = requirement.IndexOf("!=", StringComparison.Ordinal), equals = requirement.IndexOf('=', StringComparison.Ordinal);
            if (requirement[0] == '!') expressions.Add(new JsonObject { ["key"] = requirement[1..], ["operator"] = "DoesNotExist" });
            else if (differs > 0) expressions.Add(new JsonObject { ["key"] = requirement[..differs], ["operator"] = "NotIn", ["values"] = Values(requirement[(differs + 2)..]) });
            else if (equals < 0) expressions.Add(new JsonObject { ["key"] = requirement, ["operator"] = "Exists" });
            else if (requirement[equals..].Contains('|', StringComparison.Ordinal)) expressions.Add(new JsonObject { ["key"] = requirement[..equals], ["operator"] = "In", ["values"] = Values(requirement[(equals + 1)..]) });
            else labels[requirement[..equals]] = requirement[(equals + 1)..];
        }
        var selector = new JsonObject();
        if (labels.Count > 0) selector["matchLabels"] = labels;
        if (expressions.Count > 0) selector["matchExpressions"] = expressions;
        return selector;
    }

    private static JsonArray Values(string text) => new([.. text.Split('|').Select(value => (JsonNode)value)]);

    public bool Equals(LabelSelector? other) => other is not null && _requirements.SequenceEqual(other._requirements);

    public override int GetHashCode() => _requirements.Aggregate(0, HashCode.Combine);

    public override string ToString() => SelectsEverything ? "*" : string.Join(',', _requirements);

    [GeneratedRegex(@"^(!?[A-Za-z0-9][-A-Za-z0-9_./]*|[A-Za-z0-9][-A-Za-z0-9_./]*!?=[-A-Za-z0-9_.]*(\|[-A-Za-z0-9_.]*)*)\z")]
    private static partial Regex Requirement();
}
