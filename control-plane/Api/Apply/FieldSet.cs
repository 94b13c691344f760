using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Api.Apply;

/// <summary>
/// A set of fields of a document, as managedFields writes it (FieldsV1): a tree whose edges are <c>f:NAME</c>, <c>k:{KEYS}</c> for an item of a list by its keys, and
/// <c>v:VALUE</c> for a member of a set. <see cref="Self"/> says that the place itself is in the set. Immutable.
/// </summary>
public sealed class FieldSet
{
    public static readonly FieldSet Empty = new(false, new Dictionary<string, FieldSet>());
    public static readonly FieldSet Only = new(true, new Dictionary<string, FieldSet>());

    public bool Self { get; }
    public IReadOnlyDictionary<string, FieldSet> Children { get; }

    /// <summary>Children that are empty are left out.</summary>
    public FieldSet(bool self, IEnumerable<KeyValuePair<string, FieldSet>> children) =>
        (Self, Children) = (self, children.Where(child => !child.Value.IsEmpty).ToDictionary(child => child.Key, child => child.Value, StringComparer.Ordinal));

    public bool IsEmpty => !Self && Children.Count == 0;

    public FieldSet this[string edge] => Children.GetValueOrDefault(edge, Empty);

    public FieldSet Union(FieldSet other) => Combine(other, (mine, others) => mine || others, static (mine, others) => mine.Union(others));

    /// <summary>Places that are in both.</summary>
    public FieldSet Intersection(FieldSet other) => Combine(other, (mine, others) => mine && others, static (mine, others) => mine.Intersection(others));

    /// <summary>Places of this one that are not in the other.</summary>
    public FieldSet Except(FieldSet other) => Combine(other, (mine, others) => mine && !others, static (mine, others) => mine.Except(others));

    private FieldSet Combine(FieldSet other, Func<bool, bool, bool> self, Func<FieldSet, FieldSet, FieldSet> children) =>
        new(self(Self, other.Self), Children.Keys.Union(other.Children.Keys, StringComparer.Ordinal).Select(edge => KeyValuePair.Create(edge, children(this[edge], other[edge]))));

    /// <summary>Without every place at or below those of the other set.</summary>
    public FieldSet ExceptBelow(FieldSet other) =>
        other.Self ? Empty : new FieldSet(Self, Children.Select(child => KeyValuePair.Create(child.Key, child.Value.ExceptBelow(other[child.Key]))));

    /// <summary>With every named place on the way to a member as a member.</summary>
    public FieldSet WithParents() => IsEmpty ? this : new FieldSet(true, Children.Select(child => KeyValuePair.Create(child.Key, child.Value.WithParents())));

    public bool Equals(FieldSet other) => Self == other.Self && Children.Count == other.Children.Count && Children.All(child => other.Children.TryGetValue(child.Key, out var theirs) && child.Value.Equals(theirs));

    /// <summary>Paths for people: <c>.spec.containers[name="web"].image</c>.</summary>
    public IEnumerable<string> Paths(string prefix = "")
    {
        if (Self) yield return prefix.Length == 0 ? "." : prefix;
        foreach (var (edge, child) in Children.OrderBy(child => child.Key, StringComparer.Ordinal))
            foreach (var path in child.Paths(prefix + Shown(edge))) yield return path;
    }

    private static string Shown(string edge) => edge[0] switch
    {
        'f' => "." + edge[2..],
        'k' when JsonNode.Parse(edge[2..]) is JsonObject keys => $"[{string.Join(',', keys.Select(key => $"{key.Key}={key.Value?.ToJsonString()}"))}]",
        _ => $"[={edge[2..]}]",
    };

    public JsonObject ToJson()
    {
        var made = new JsonObject();
        if (Self && Children.Count > 0) made["."] = new JsonObject();
        foreach (var (edge, child) in Children.OrderBy(child => child.Key, StringComparer.Ordinal)) made[edge] = child.ToJson();
        return made;
    }

    /// <summary>Reads FieldsV1. Edges of another form are passed over.</summary>
    public static FieldSet Parse(JsonNode? node) => node is JsonObject root ? new FieldSet(root.ContainsKey("."), Edges(root)) : Empty;

    private static IEnumerable<KeyValuePair<string, FieldSet>> Edges(JsonObject node) =>
        node.Where(pair => pair.Key.Length > 2 && pair.Key[1] == ':' && pair.Key[0] is 'f' or 'k' or 'v').Select(pair => KeyValuePair.Create(pair.Key, pair.Value is JsonObject { Count: > 0 } inner ? Parse(inner) : Only));
}
