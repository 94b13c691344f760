using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Schemas;

namespace Eyrie.ControlPlane.Api;

/// <summary>
/// Patches. Strategic merge as Kubernetes documents it: lists with a merge key merge element by element, with the directives $patch, $retainKeys,
/// $setElementOrder and $deleteFromPrimitiveList. Merge patch is RFC 7386, JSON patch RFC 6902.
/// </summary>
public static class Patches
{
    public static JsonObject Merge(JsonObject target, JsonObject patch)
    {
        foreach (var (name, value) in patch)
        {
            if (value is null) target.Remove(name);
            else if (value is JsonObject inner) target[name] = Merge(target[name] is JsonObject old ? (JsonObject)old.DeepClone() : [], inner);
            else target[name] = value.DeepClone();
        }
        return target;
    }

    /// <param name="target">Changed and returned.</param>
    /// <param name="patch">The patch.</param>
    /// <param name="schema">Says which lists merge; null: none is known to.</param>
    public static JsonObject Strategic(JsonObject target, JsonObject patch, Schema? schema)
    {
        switch (patch["$patch"]?.ToString())
        {
            case "replace": return Clean(patch);
            case "delete": return [];
        }
        if (patch["$retainKeys"] is JsonArray retained)
            foreach (var (name, _) in target.ToList())
                if (!retained.Any(kept => kept?.ToString() == name)) target.Remove(name);
        foreach (var (name, value) in patch)
        {
            if (name.StartsWith("$deleteFromPrimitiveList/", StringComparison.Ordinal)) { DeleteFrom(target, name[(name.IndexOf('/') + 1)..], value as JsonArray); continue; }
            if (name.StartsWith("$setElementOrder/", StringComparison.Ordinal) && name[(name.IndexOf('/') + 1)..] is var ordered && patch[ordered] is null) { Order(target, ordered, schema?.Field(ordered), value as JsonArray); continue; }
            if (name.StartsWith('$')) continue;
            var field = schema?.Field(name);
            switch (value)
            {
                case null: target.Remove(name); break;
                case JsonObject inner when inner["$patch"]?.ToString() == "delete": target.Remove(name); break;
                case JsonObject inner: target[name] = Strategic(target[name] is JsonObject old ? (JsonObject)old.DeepClone() : [], inner, field); break;
                case JsonArray list when field?.PatchKey is { } key: target[name] = MergeList(target[name] as JsonArray, list, key, field.Items, patch[$"$setElementOrder/{name}"] as JsonArray); break;
                case JsonArray list when field?.PatchMerges == true: target[name] = MergeSet(target[name] as JsonArray, list, patch[$"$setElementOrder/{name}"] as JsonArray); break;
                default: target[name] = value.DeepClone(); break;
            }
        }
        return target;
    }

    private static JsonArray MergeSet(JsonArray? old, JsonArray added, JsonArray? order)
    {
        var items = (old ?? []).Concat(added).Select(item => item?.ToJsonString() ?? "null").Distinct().ToList();
        var wanted = (order ?? []).Select(item => item?.ToJsonString() ?? "null").ToList();
        return new JsonArray([.. Ranked(items, wanted.IndexOf).Select(item => JsonNode.Parse(item))]);
    }

    private static void Order(JsonObject target, string name, Schema? field, JsonArray? order)
    {
        if (target[name] is not JsonArray list || order is null) return;
        if (field?.PatchKey is { } key) target[name] = MergeList(list, [], key, null, order);
        else if (field?.PatchMerges == true) target[name] = MergeSet(list, [], order);
    }

    /// <summary>Items that the order names, in that order; the others after them, as they were.</summary>
    private static IEnumerable<T> Ranked<T>(List<T> items, Func<T, int> place) => items.Select((item, index) => (item, rank: place(item) is var at and >= 0 ? at : int.MaxValue, index)).OrderBy(entry => entry.rank).ThenBy(entry => entry.index).Select(entry => entry.item);

    private static JsonObject Clean(JsonObject patch)
    {
        var made = (JsonObject)patch.DeepClone();
        made.Remove("$patch");
        return made;
    }

    private static void DeleteFrom(JsonObject target, string name, JsonArray? gone)
    {
        if (target[name] is JsonArray list && gone is not null)
            target[name] = new JsonArray([.. list.Where(item => !gone.Any(other => JsonNode.DeepEquals(item, other))).Select(item => item?.DeepClone())]);
    }

    private static JsonArray MergeList(JsonArray? old, JsonArray patch, string key, Schema? element, JsonArray? order)
    {
        static string? KeyOf(JsonNode? item, string key) => item is JsonObject map ? map[key]?.ToString() : null;
        if (patch.Any(item => item is not JsonObject)) throw StatusException.BadRequest($"the items of a list that merges by \"{key}\" must be objects");
        if (patch.OfType<JsonObject>().Any(item => item["$patch"]?.ToString() == "replace"))
            return new JsonArray([.. patch.OfType<JsonObject>().Where(item => !item.ContainsKey("$patch")).Select(item => item.DeepClone())]);
        var items = (old ?? []).OfType<JsonObject>().Select(item => (JsonObject)item.DeepClone()).ToList();
        foreach (var change in patch.OfType<JsonObject>())
        {
            if (KeyOf(change, key) is not { } wanted) throw StatusException.BadRequest($"map: {change.ToJsonString()} does not contain declared merge key: {key}");
            if (change["$patch"]?.ToString() == "delete") { items.RemoveAll(item => KeyOf(item, key) == wanted); continue; }
            int at = items.FindIndex(item => KeyOf(item, key) == wanted);
            if (at >= 0) items[at] = Strategic(items[at], change, element);
            else items.Add(Strategic([], change, element));
        }
        var names = (order ?? []).Select(item => KeyOf(item, key)).ToList();
        return new JsonArray([.. order is null ? items : Ranked(items, item => names.IndexOf(KeyOf(item, key)))]);
    }

    /// <exception cref="StatusException">An operation does not apply.</exception>
    public static JsonObject JsonPatch(JsonObject target, JsonArray operations)
    {
        JsonNode root = target;
        foreach (var node in operations)
        {
            if (node is not JsonObject operation) throw StatusException.BadRequest("a JSON patch is a list of operations");
            var path = Pointer(operation["path"]?.ToString());
            switch (operation["op"]?.ToString())
            {
                case "add": Put(root, path, operation["value"], true); break;
                case "replace": Take(root, path, false); Put(root, path, operation["value"], false); break;
                case "remove": Take(root, path, true); break;
                case "move": Put(root, path, Take(root, Pointer(operation["from"]?.ToString()), true), true); break;
                case "copy": Put(root, path, Take(root, Pointer(operation["from"]?.ToString()), false), true); break;
                case "test":
                    if (!JsonNode.DeepEquals(Take(root, path, false), operation["value"])) throw new StatusException(422, "Invalid", $"the test of {operation["path"]} failed");
                    break;
                default: throw StatusException.BadRequest($"\"{operation["op"]}\" is no JSON patch operation");
            }
        }
        return root.AsObject();
    }

    private static string[] Pointer(string? path)
    {
        if (path is null || path.Length == 0 || path[0] != '/') throw StatusException.BadRequest($"\"{path}\" is not a JSON pointer to a field");
        return [.. path[1..].Split('/').Select(part => part.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))];
    }

    private static JsonNode Parent(JsonNode root, string[] path)
    {
        var node = root;
        foreach (var part in path[..^1])
            node = (node is JsonArray list ? int.TryParse(part, out int index) && index >= 0 && index < list.Count ? list[index] : null : node is JsonObject map ? map[part] : null)
                ?? throw new StatusException(422, "Invalid", $"the path /{string.Join('/', path)} does not exist");
        return node;
    }

    private static JsonNode? Take(JsonNode root, string[] path, bool remove)
    {
        var missing = new StatusException(422, "Invalid", $"the path /{string.Join('/', path)} does not exist");
        switch (Parent(root, path))
        {
            case JsonArray list when int.TryParse(path[^1], out int index) && index >= 0 && index < list.Count:
                var item = list[index]?.DeepClone();
                if (remove) list.RemoveAt(index);
                return item;
            case JsonObject map when map.ContainsKey(path[^1]):
                var value = map[path[^1]]?.DeepClone();
                if (remove) map.Remove(path[^1]);
                return value;
            default: throw missing;
        }
    }

    private static void Put(JsonNode root, string[] path, JsonNode? value, bool insert)
    {
        switch (Parent(root, path))
        {
            case JsonArray list when path[^1] == "-": list.Add(value?.DeepClone()); break;
            case JsonArray list when int.TryParse(path[^1], out int index) && index >= 0 && index <= list.Count:
                if (insert) list.Insert(index, value?.DeepClone());
                else list[index] = value?.DeepClone();
                break;
            case JsonObject map: map[path[^1]] = value?.DeepClone(); break;
            default: throw new StatusException(422, "Invalid", $"the path /{string.Join('/', path)} does not exist");
        }
    }
}
