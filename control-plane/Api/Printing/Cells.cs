using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Printing;

/// <summary>What stands in the cells of more than one kind's table. Pure.</summary>
public static class Cells
{
    public const string None = "<none>", Unset = "<unset>", Unknown = "<unknown>";

    public static readonly Column Name = new("Name", document => document.Metadata().Text("name"));
    public static readonly Column Age = new("Age", document => Words.Age(document.Metadata().Text("creationTimestamp")));
    public static readonly Column CreatedAt = new("Created At", document => document.Metadata().Text("creationTimestamp"));

    /// <summary>Containers, images and selector of a workload, as <c>-o wide</c> shows them.</summary>
    public static Column[] Template(string containers = "spec.template.spec.containers") =>
        [new Column("Containers", item => Joined(Items(item, containers), "name")).Wide, new Column("Images", item => Joined(Items(item, containers), "image")).Wide];

    public static readonly Column Selector = new Column("Selector", item => LabelSelector(Fields.At(item, "spec.selector"))).Wide;

    public static Column Count(string name, string path) => new(name, "integer", item => Number(item, path));

    /// <summary>The text at a path, or what stands there when there is none.</summary>
    public static Column Text(string name, string path, string none = None) => new(name, item => Or(Fields.At(item, path), none));

    public static long Number(JsonObject item, string path) => Fields.At(item, path) is JsonValue value && value.TryGetValue(out long number) ? number : 0;

    public static IEnumerable<JsonObject> Items(JsonObject item, string path) => (Fields.At(item, path) as JsonArray ?? []).OfType<JsonObject>();

    public static string Joined(IEnumerable<JsonObject> items, string field) => Or(string.Join(',', items.Select(item => item[field]?.ToString())));

    public static string Pairs(JsonNode? map) => map is JsonObject { Count: > 0 } pairs ? string.Join(',', pairs.Select(pair => $"{pair.Key}={pair.Value}")) : None;

    public static string Keys(JsonNode? map) => ((map as JsonObject)?.Count ?? 0).ToString(CultureInfo.InvariantCulture);

    public static string Or(JsonNode? value, string none = None) => Or(value?.ToString(), none);

    public static string Or(string? text, string none = None) => string.IsNullOrEmpty(text) ? none : text;

    /// <summary>matchLabels and matchExpressions as <c>kubectl get -l</c> takes them.</summary>
    public static string LabelSelector(JsonNode? selector)
    {
        if (selector is not JsonObject map) return None;
        if (map["matchLabels"] is null && map["matchExpressions"] is null) return Pairs(map);
        var parts = (map["matchLabels"] as JsonObject ?? []).Select(pair => $"{pair.Key}={pair.Value}").Concat(Items(map, "matchExpressions").Select(Expression));
        return Or(string.Join(',', parts));
    }

    private static string Expression(JsonObject expression)
    {
        var (key, values) = (expression["key"]?.ToString(), string.Join(',', (expression["values"] as JsonArray ?? []).Select(value => value?.ToString())));
        return expression["operator"]?.ToString() switch { "In" => $"{key} in ({values})", "NotIn" => $"{key} notin ({values})", "DoesNotExist" => "!" + key, _ => key ?? "" };
    }

    /// <summary>ReadWriteOnce as RWO and the like.</summary>
    public static string AccessModes(JsonNode? modes) => string.Join(',', (modes as JsonArray ?? []).Select(mode => mode?.ToString() switch
    {
        "ReadWriteOnce" => "RWO", "ReadOnlyMany" => "ROX", "ReadWriteMany" => "RWX", "ReadWriteOncePod" => "RWOP", var other => other,
    }));

    /// <summary>Names of the subjects of one kind in a binding.</summary>
    public static string Subjects(JsonObject binding, string kind) =>
        string.Join(", ", Items(binding, "subjects").Where(subject => subject.Text("kind") == kind).Select(subject => kind == "ServiceAccount" ? $"{subject["namespace"]}/{subject["name"]}" : subject.Text("name")));
}
