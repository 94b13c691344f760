using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Schemas;

namespace Eyrie.ControlPlane.Api.Apply;

/// <summary>Documents as trees of places, by their schema: which fields they set, what differs between two, what merging and removing make of them. Pure.</summary>
public static class Structure
{
    private static bool IsGranularObject(Schema schema, JsonNode? value) => value is JsonObject && schema.Merge != MergeKind.Atomic;

    private static bool IsKeyedList(Schema schema, JsonNode? value) => value is JsonArray && schema.Merge is MergeKind.Map or MergeKind.Set;

    private static Schema Of(Schema schema, string field) => schema.Field(field) ?? Schema.Anything;

    private static Schema Item(Schema schema) => schema.Items ?? Schema.Anything;

    /// <summary>The edge to an item of a list.</summary>
    /// <exception cref="StatusException">An item of a keyed list lacks a key.</exception>
    private static string Edge(Schema list, JsonNode? item)
    {
        if (list.Merge == MergeKind.Set) return "v:" + (item?.ToJsonString() ?? "null");
        var keys = new JsonObject();
        foreach (var key in list.Keys.OrderBy(key => key.Name, StringComparer.Ordinal))
        {
            var value = (item as JsonObject)?[key.Name]?.DeepClone() ?? key.Default;
            if (value is not null) keys[key.Name] = value;
        }
        if (keys.Count == 0) throw StatusException.BadRequest($"an item of a list that merges by {string.Join(", ", list.Keys.Select(key => key.Name))} has none of these keys: {item?.ToJsonString() ?? "null"}");
        return "k:" + keys.ToJsonString();
    }

    /// <summary>The fields that a document sets: leaves, empty objects, and items of lists that merge.</summary>
    public static FieldSet SetOf(Schema schema, JsonNode? value)
    {
        if (IsGranularObject(schema, value)) return value is JsonObject { Count: > 0 } map ? new FieldSet(false, map.Select(pair => KeyValuePair.Create("f:" + pair.Key, SetOf(Of(schema, pair.Key), pair.Value)))) : FieldSet.Only;
        if (!IsKeyedList(schema, value)) return FieldSet.Only;
        var items = new Dictionary<string, FieldSet>(StringComparer.Ordinal);
        foreach (var item in (JsonArray)value!)
            if (!items.TryAdd(Edge(schema, item), FieldSet.Only.Union(schema.Merge == MergeKind.Map ? SetOf(Item(schema), item) : FieldSet.Only)))
                throw StatusException.BadRequest($"a list has two items with the key {Edge(schema, item)[2..]}");
        return items.Count == 0 ? FieldSet.Only : new FieldSet(false, items);
    }

    /// <summary>Fields of <paramref name="after"/> that are not in <paramref name="before"/> or differ there (changed), and those that are only before (removed).</summary>
    public static (FieldSet Changed, FieldSet Removed) Compare(Schema schema, JsonNode? before, JsonNode? after)
    {
        if (IsGranularObject(schema, before) && IsGranularObject(schema, after))
            return Children(((JsonObject)before!).Select(pair => ("f:" + pair.Key, Of(schema, pair.Key), pair.Value)), ((JsonObject)after!).Select(pair => ("f:" + pair.Key, Of(schema, pair.Key), pair.Value)));
        if (IsKeyedList(schema, before) && IsKeyedList(schema, after))
            return Children(Items(schema, (JsonArray)before!), Items(schema, (JsonArray)after!));
        return JsonNode.DeepEquals(before, after) ? (FieldSet.Empty, FieldSet.Empty) : (FieldSet.Only.Union(SetOf(schema, after)), SetOf(schema, before).Except(SetOf(schema, after)));
    }

    private static IEnumerable<(string, Schema, JsonNode?)> Items(Schema schema, JsonArray list) => list.Select(item => (Edge(schema, item), Item(schema), item)).DistinctBy(item => item.Item1);

    private static (FieldSet Changed, FieldSet Removed) Children(IEnumerable<(string Edge, Schema Schema, JsonNode? Value)> before, IEnumerable<(string Edge, Schema Schema, JsonNode? Value)> after)
    {
        var old = before.ToDictionary(child => child.Edge, StringComparer.Ordinal);
        Dictionary<string, FieldSet> changed = new(StringComparer.Ordinal), removed = new(StringComparer.Ordinal);
        foreach (var (edge, schema, value) in after)
        {
            bool item = edge[0] != 'f';
            if (!old.Remove(edge, out var was)) changed[edge] = FieldSet.Only.Union(SetOf(schema, value));
            else if (!item || edge[0] == 'k') (changed[edge], removed[edge]) = Compare(schema, was.Value, value);
        }
        foreach (var (edge, was) in old) removed[edge] = FieldSet.Only.Union(SetOf(was.Schema, was.Value));
        return (new FieldSet(false, changed), new FieldSet(false, removed));
    }

    /// <summary>What is there, with what is applied laid over it.</summary>
    public static JsonNode? Merge(Schema schema, JsonNode? live, JsonNode? applied)
    {
        if (IsGranularObject(schema, live) && IsGranularObject(schema, applied))
        {
            var made = (JsonObject)live!.DeepClone();
            foreach (var (name, value) in (JsonObject)applied!) made[name] = Merge(Of(schema, name), made[name], value);
            return made;
        }
        return IsKeyedList(schema, live) && IsKeyedList(schema, applied) ? MergeLists(schema, (JsonArray)live!, (JsonArray)applied!) : applied?.DeepClone();
    }

    /// <summary>Items keep their places; those that are new follow the one that they follow in what is applied.</summary>
    private static JsonArray MergeLists(Schema schema, JsonArray live, JsonArray applied)
    {
        var wanted = applied.Select(item => (Edge: Edge(schema, item), Item: item)).ToList();
        var byEdge = wanted.ToDictionary(item => item.Edge, item => item.Item, StringComparer.Ordinal);
        var old = live.Select(item => (Edge: Edge(schema, item), Item: item)).DistinctBy(item => item.Edge).ToDictionary(item => item.Edge, item => item.Item, StringComparer.Ordinal);
        var order = new List<string>();
        int next = 0;
        foreach (var (edge, _) in live.Select(item => (Edge(schema, item), item)))
        {
            if (order.Contains(edge)) continue;
            if (!byEdge.ContainsKey(edge)) { order.Add(edge); continue; }
            // What is applied before this item, and is not there yet, comes before it.
            while (next < wanted.Count && wanted[next].Edge != edge) { if (!order.Contains(wanted[next].Edge)) order.Add(wanted[next].Edge); next++; }
            next++;
            if (!order.Contains(edge)) order.Add(edge);
        }
        order.AddRange(wanted.Select(item => item.Edge).Where(edge => !order.Contains(edge)));
        return new JsonArray([.. order.Select(edge => byEdge.TryGetValue(edge, out var item)
            ? schema.Merge == MergeKind.Map && old.TryGetValue(edge, out var was) ? Merge(Item(schema), was, item) : item?.DeepClone()
            : old[edge]?.DeepClone())]);
    }

    /// <summary>Without the places of a set; what is below a removed place goes with it.</summary>
    public static JsonNode? Remove(Schema schema, JsonNode? value, FieldSet gone)
    {
        if (gone.Children.Count == 0) return value?.DeepClone();
        if (IsGranularObject(schema, value))
        {
            var made = new JsonObject();
            foreach (var (name, inner) in (JsonObject)value!)
                if (!gone["f:" + name].Self) made[name] = Remove(Of(schema, name), inner, gone["f:" + name]);
            return made;
        }
        if (!IsKeyedList(schema, value)) return value?.DeepClone();
        return new JsonArray([.. ((JsonArray)value!).Where(item => !gone[Edge(schema, item)].Self).Select(item => Remove(Item(schema), item, gone[Edge(schema, item)]))]);
    }
}
