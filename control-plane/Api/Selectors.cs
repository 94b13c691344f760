using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

/// <summary>Label and field selectors of list, watch and deletecollection.</summary>
public static class Selectors
{
    /// <summary>Fields that may be asked for beside name and namespace, as Kubernetes has them. What an object lacks is the empty text.</summary>
    private static readonly Dictionary<ResourceKind, string[]> Known = new()
    {
        [Kinds.Pod] = ["spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName"],
        [Kinds.Event] =
        [
            "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
        ],
        [Kinds.EventOfGroup] = ["regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "regarding.apiVersion", "regarding.resourceVersion", "regarding.fieldPath", "reason", "reportingController", "type"],
        [Kinds.Node] = ["spec.unschedulable"], [Kinds.Secret] = ["type"], [Kinds.Namespace] = ["status.phase"], [Kinds.ReplicaSet] = ["status.replicas"], [Kinds.ReplicationController] = ["status.replicas"],
        [Kinds.Job] = ["status.successful"], [Kinds.CertificateSigningRequest] = ["spec.signerName"], [Kinds.Service] = ["spec.clusterIP", "spec.type"],
    };

    private static readonly string[] Always = ["metadata.name", "metadata.namespace"];
    private const string Source = "source", SourceComponent = "source.component", Reporter = "reportingComponent";
    private static readonly Dictionary<ResourceKind, string[]> Read = Known.ToDictionary(pair => pair.Key, pair => (string[])[.. Always, .. pair.Value.Select(path => path == Source ? SourceComponent : path)]);

    /// <summary>Every field that a standard kind can be selected by; the same list at every call.</summary>
    public static IReadOnlyList<string> FieldsOf(ResourceKind kind) => Read.GetValueOrDefault(kind, Always);

    /// <exception cref="StatusException">400: malformed, or a field that this kind can not be selected by.</exception>
    public static Func<JsonObject, bool> Parse(string? labels, string? fields, ResourceKind? kind = null)
    {
        var chooses = Choice(labels, fields, kind);
        return document => chooses(new SelectableDocument(document));
    }

    /// <inheritdoc cref="Parse"/>
    public static Func<ISelectable, bool> Choice(string? labels, string? fields, ResourceKind? kind)
    {
        Func<ISelectable, bool>[] tests = [.. Split(labels).Select(Label), .. Split(fields).Select(term => Field(term, kind))];
        return item => Array.TrueForAll(tests, test => test(item));
    }

    /// <summary>A labels map or a LabelSelector as the text of a query; empty for none.</summary>
    public static string Print(JsonNode? selector)
    {
        if (selector is JsonValue written) return written.ToString(); // a custom kind may keep it as text
        if (selector is not JsonObject map) return "";
        bool structured = map["matchLabels"] is JsonObject || map["matchExpressions"] is JsonArray;
        var equal = (structured ? map["matchLabels"] as JsonObject : map) ?? [];
        var terms = equal.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key}={pair.Value}");
        var expressions = structured ? map["matchExpressions"] as JsonArray ?? [] : [];
        return string.Join(',', terms.Concat(expressions.OfType<JsonObject>().Select(Expression)));
    }

    /// <summary>Whether a LabelSelector selects an object. None selects nothing, an empty one everything.</summary>
    public static bool Matches(JsonObject? selector, JsonObject document) => selector is not null && Parse(Print(selector), null)(document);

    private static string Expression(JsonObject term)
    {
        var key = term.Text("key");
        var values = string.Join(',', (term["values"] as JsonArray ?? []).Select(value => value?.ToString()).Order(StringComparer.Ordinal));
        return term.Text("operator") switch { "In" => $"{key} in ({values})", "NotIn" => $"{key} notin ({values})", "DoesNotExist" => $"!{key}", _ => key ?? "" };
    }

    /// <summary>Commas inside parentheses do not separate.</summary>
    private static IEnumerable<string> Split(string? text)
    {
        int depth = 0, start = 0;
        text ??= "";
        for (int i = 0; i <= text.Length; i++)
        {
            if (i < text.Length && text[i] == '(') depth++;
            if (i < text.Length && text[i] == ')') depth--;
            if (i < text.Length && (text[i] != ',' || depth > 0)) continue;
            var term = text[start..i].Trim();
            start = i + 1;
            if (term.Length > 0) yield return term;
        }
    }

    private static Func<ISelectable, bool> Label(string term)
    {
        foreach (var (word, wanted) in new[] { (" notin ", false), (" in ", true) })
        {
            int at = term.IndexOf(word, StringComparison.Ordinal);
            if (at < 0) continue;
            var name = Key(term[..at].Trim(), term);
            var list = term[(at + word.Length)..].Trim();
            if (list is not ['(', .., ')']) throw StatusException.BadRequest($"invalid label selector: \"{term}\": the values of{word}stand in parentheses");
            var values = list[1..^1].Split(',', StringSplitOptions.TrimEntries).Select(value => Value(value, term)).ToHashSet();
            return item => (item.Label(name) is { } value && values.Contains(value)) == wanted;
        }
        var (key, not, expected) = Equality(term);
        if (expected is not null)
        {
            Key(key, term);
            Value(expected, term);
            return item => (item.Label(key) == expected) != not;
        }
        bool absent = term[0] == '!';
        var asked = Key(absent ? term[1..].Trim() : term, term);
        return item => (item.Label(asked) is null) == absent;
    }

    private static string Key(string key, string term) => Validation.IsLabelKey(key) ? key : throw StatusException.BadRequest($"invalid label selector: \"{term}\": \"{key}\" is not a label's name");

    private static string Value(string value, string term) => Validation.IsLabelValue(value) ? value : throw StatusException.BadRequest($"invalid label selector: \"{term}\": \"{value}\" is not a label's value");

    private static Func<ISelectable, bool> Field(string term, ResourceKind? kind)
    {
        var (path, not, expected) = Equality(term);
        if (expected is null) throw StatusException.BadRequest($"invalid field selector: \"{term}\" has no =, == or !=");
        if (kind is not null && !Always.Contains(path) && !Known.GetValueOrDefault(kind, []).Contains(path) && kind.Custom?.SelectableFields.Contains(path) != true)
            throw StatusException.BadRequest($"field label not supported: {path}");
        if (kind == Kinds.Event && path == Source) return item => ((item.Field(SourceComponent) is { Length: > 0 } component ? component : item.Field(Reporter)) == expected) != not;
        return item => (item.Field(path) == expected) != not;
    }

    private static (string Key, bool Not, string? Value) Equality(string term)
    {
        foreach (var sign in new[] { "!=", "==", "=" })
            if (term.IndexOf(sign, StringComparison.Ordinal) is var at and > 0)
                return (term[..at].Trim(), sign == "!=", term[(at + sign.Length)..].Trim());
        return (term, false, null);
    }
}
