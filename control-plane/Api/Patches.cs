using System.Text.Json.Nodes;

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

    public static JsonObject Strategic(JsonObject target, JsonObject patch, Type? model)
    {
        if (patch["$patch"]?.ToString() == "replace") return Clean(patch);
        if (patch["$retainKeys"] is JsonArray retained)
            foreach (var (name, _) in target.ToList())
                if (!retained.Any(kept => kept?.ToString() == name)) target.Remove(name);
        foreach (var (name, value) in patch)
        {
            if (name.StartsWith("$deleteFromPrimitiveList/", StringComparison.Ordinal)) { DeleteFrom(target, name[(name.IndexOf('/') + 1)..], value as JsonArray); continue; }
            if (name[0] == '$') continue;
            var type = model is null ? null : Schemas.FieldOf(model, name);
            switch (value)
            {
                case null: target.Remove(name); break;
                case JsonObject inner when inner["$patch"]?.ToString() == "delete": target.Remove(name); break;
                case JsonObject inner: target[name] = Strategic(target[name] is JsonObject old ? (JsonObject)old.DeepClone() : [], inner, type); break;
                case JsonArray list when Schemas.MergeKey(model, name) is { } key:
                    target[name] = MergeList(target[name] as JsonArray, list, key, type is null ? null : Schemas.ElementOf(type), patch[$"$setElementOrder/{name}"] as JsonArray); break;
                case JsonArray list when name == "finalizers":
                    target[name] = new JsonArray([.. (target[name] as JsonArray ?? []).Concat(list).Select(item => item!.ToString()).Distinct().Select(item => (JsonNode)item)]); break;
                default: target[name] = value.DeepClone(); break;
            }
        }
        return target;
    }

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

    private static JsonArray MergeList(JsonArray? old, JsonArray patch, string key, Type? element, JsonArray? order)
    {
        var items = (old ?? []).Select(item => (JsonObject)item!.DeepClone()).ToList();
        foreach (var change in patch.OfType<JsonObject>())
        {
            if (change["$patch"]?.ToString() == "replace") return new JsonArray([.. patch.OfType<JsonObject>().Where(item => !item.ContainsKey("$patch")).Select(item => item.DeepClone())]);
            int at = items.FindIndex(item => item[key]?.ToString() == change[key]?.ToString());
            if (change["$patch"]?.ToString() == "delete") { if (at >= 0) items.RemoveAt(at); }
            else if (at >= 0) items[at] = Strategic(items[at], change, element);
            else items.Add(Strategic([], change, element));
        }
        if (order is not null)
        {
            var wanted = order.Select(item => item?[key]?.ToString()).ToList();
            items = [.. items.Select((item, index) => (item, rank: wanted.IndexOf(item[key]?.ToString()) is var rank and >= 0 ? rank : wanted.Count + index)).OrderBy(pair => pair.rank).Select(pair => pair.item)];
        }
        return new JsonArray([.. items]);
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
