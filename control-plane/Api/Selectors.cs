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

    /// <exception cref="StatusException">400: malformed, or a field that this kind can not be selected by.</exception>
    public static Func<JsonObject, bool> Parse(string? labels, string? fields, ResourceKind? kind = null)
    {
        var tests = new List<Func<JsonObject, bool>>();
        foreach (var term in Split(labels)) tests.Add(Label(term));
        foreach (var term in Split(fields)) tests.Add(Field(term, kind));
        return document => tests.All(test => test(document));
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

    private static Func<JsonObject, bool> Label(string term)
    {
        static string? Get(JsonObject document, string key) => document.Metadata()["labels"]?[key]?.ToString();
        foreach (var (word, wanted) in new[] { (" notin ", false), (" in ", true) })
        {
            int at = term.IndexOf(word, StringComparison.Ordinal);
            if (at < 0) continue;
            var name = Key(term[..at].Trim(), term);
            var list = term[(at + word.Length)..].Trim();
            if (list is not ['(', .., ')']) throw StatusException.BadRequest($"invalid label selector: \"{term}\": the values of{word}stand in parentheses");
            var values = list[1..^1].Split(',', StringSplitOptions.TrimEntries).Select(value => Value(value, term)).ToHashSet();
            return document => (Get(document, name) is { } value && values.Contains(value)) == wanted;
        }
        var (key, not, expected) = Equality(term);
        if (expected is not null)
        {
            Key(key, term);
            Value(expected, term);
            return document => (Get(document, key) == expected) != not;
        }
        bool absent = term[0] == '!';
        var asked = Key(absent ? term[1..].Trim() : term, term);
        return document => (Get(document, asked) is null) == absent;
    }

    private static string Key(string key, string term) => Validation.IsLabelKey(key) ? key : throw StatusException.BadRequest($"invalid label selector: \"{term}\": \"{key}\" is not a label's name");

    private static string Value(string value, string term) => Validation.IsLabelValue(value) ? value : throw StatusException.BadRequest($"invalid label selector: \"{term}\": \"{value}\" is not a label's value");

    private static Func<JsonObject, bool> Field(string term, ResourceKind? kind)
    {
        var (path, not, expected) = Equality(term);
        if (expected is null) throw StatusException.BadRequest($"invalid field selector: \"{term}\" has no =, == or !=");
        if (kind is not null && path is not ("metadata.name" or "metadata.namespace") && !Known.GetValueOrDefault(kind, []).Contains(path) && kind.Custom?.SelectableFields.Contains(path) != true)
            throw StatusException.BadRequest($"field label not supported: {path}");
        return document =>
        {
            JsonNode? node = document;
            foreach (var part in path.Split('.')) node = node is JsonObject map ? map[part] : null;
            return ((node?.ToString() ?? "") == expected) != not;
        };
    }

    private static (string Key, bool Not, string? Value) Equality(string term)
    {
        foreach (var sign in new[] { "!=", "==", "=" })
            if (term.IndexOf(sign, StringComparison.Ordinal) is var at and > 0)
                return (term[..at].Trim(), sign == "!=", term[(at + sign.Length)..].Trim());
        return (term, false, null);
    }
}
