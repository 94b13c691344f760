using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Admission;

/// <summary>LimitRange: what containers get that say nothing, and what they, their pods and claims may ask for; every mistake at once, in the words of the LimitRanger plugin. Pure.</summary>
public static class LimitRanges
{
    private const string Annotation = "kubernetes.io/limit-ranger";

    /// <summary>Gives containers the requests and limits that they lack.</summary>
    public static void Default(JsonObject pod, IEnumerable<JsonObject> ranges)
    {
        var told = new List<string>();
        foreach (var item in Items(ranges, "Container"))
            foreach (var container in PodAmounts.Containers(pod))
            {
                Give(container, "requests", DefaultRequest(item), told, "request");
                Give(container, "limits", DefaultLimit(item), told, "limit");
            }
        if (told.Count == 0) return;
        if (pod.Metadata()["annotations"] is not JsonObject) pod.Metadata()["annotations"] = new JsonObject();
        pod.Metadata()["annotations"]![Annotation] = "LimitRanger plugin set: " + string.Join("; ", told);
    }

    public static IReadOnlyList<string> Check(ResourceKind kind, JsonObject document, IEnumerable<JsonObject> ranges)
    {
        var errors = new List<string>();
        if (kind == Kinds.PersistentVolumeClaim)
            foreach (var item in Items(ranges, "PersistentVolumeClaim")) Bounds(item, "PersistentVolumeClaim", Quantities.Of(document["spec"]?["resources"]?["requests"]), [], errors, claim: true);
        if (kind != Kinds.Pod) return errors;
        foreach (var item in Items(ranges, "Container"))
            foreach (var container in PodAmounts.Containers(document)) Bounds(item, "Container", Quantities.Of(container["resources"]?["requests"]), Quantities.Of(container["resources"]?["limits"]), errors);
        foreach (var item in Items(ranges, "Pod")) Bounds(item, "Pod", PodAmounts.Of(document, "requests"), PodAmounts.Of(document, "limits"), errors);
        return [.. errors.Distinct()];
    }

    private static void Bounds(JsonObject item, string type, Dictionary<string, decimal> requests, Dictionary<string, decimal> limits, List<string> errors, bool claim = false)
    {
        foreach (var (name, least) in Quantities.Of(item["min"]))
        {
            if (!requests.TryGetValue(name, out var request)) errors.Add($"minimum {name} usage per {type} is {Quantities.Text(least)}.  No request is specified");
            else if (request < least) errors.Add($"minimum {name} usage per {type} is {Quantities.Text(least)}, but request is {Quantities.Text(request)}");
            if (limits.TryGetValue(name, out var limit) && limit < least) errors.Add($"minimum {name} usage per {type} is {Quantities.Text(least)}, but limit is {Quantities.Text(limit)}");
        }
        foreach (var (name, most) in Quantities.Of(item["max"]))
        {
            bool limited = limits.TryGetValue(name, out var limit);
            if (!limited && !claim) errors.Add($"maximum {name} usage per {type} is {Quantities.Text(most)}.  No limit is specified");
            else if (limited && limit > most) errors.Add($"maximum {name} usage per {type} is {Quantities.Text(most)}, but limit is {Quantities.Text(limit)}");
            if (requests.TryGetValue(name, out var request) && request > most) errors.Add($"maximum {name} usage per {type} is {Quantities.Text(most)}, but request is {Quantities.Text(request)}");
        }
        foreach (var (name, ratio) in Quantities.Of(item["maxLimitRequestRatio"]))
        {
            if (!requests.TryGetValue(name, out var request) || request == 0) errors.Add($"{name} max limit to request ratio per {type} is {Quantities.Text(ratio)}, but no request is specified or request is 0");
            else if (!limits.TryGetValue(name, out var limit)) errors.Add($"{name} max limit to request ratio per {type} is {Quantities.Text(ratio)}, but no limit is specified");
            else if (limit / request > ratio) errors.Add(string.Create(CultureInfo.InvariantCulture, $"{name} max limit to request ratio per {type} is {Quantities.Text(ratio)}, but provided ratio is {limit / request:0.000000}"));
        }
    }

    private static void Give(JsonObject container, string which, IEnumerable<KeyValuePair<string, JsonNode>> defaults, List<string> told, string word)
    {
        var given = new List<string>();
        foreach (var (name, amount) in defaults)
        {
            if (container["resources"]?[which]?[name] is not null) continue;
            PodAmounts.Set(container, which, name, amount);
            given.Add(name);
        }
        if (given.Count > 0) told.Add($"{string.Join(", ", given.Order(StringComparer.Ordinal))} {word} for container {container.Text("name")}");
    }

    /// <summary>The limit that is said, or else the most that is allowed (as LimitRange defaults itself).</summary>
    private static IEnumerable<KeyValuePair<string, JsonNode>> DefaultLimit(JsonObject item) => Merged(item, "default", "max");

    private static IEnumerable<KeyValuePair<string, JsonNode>> DefaultRequest(JsonObject item) => Merged(item, "defaultRequest", "default", "max", "min");

    private static IEnumerable<KeyValuePair<string, JsonNode>> Merged(JsonObject item, params string[] lists) =>
        lists.SelectMany(list => item[list] as JsonObject ?? []).Where(pair => pair.Value is not null).DistinctBy(pair => pair.Key).Select(pair => KeyValuePair.Create(pair.Key, pair.Value!));

    private static IEnumerable<JsonObject> Items(IEnumerable<JsonObject> ranges, string type) =>
        ranges.OrderBy(range => range.Name(), StringComparer.Ordinal).SelectMany(range => range["spec"]?["limits"] as JsonArray ?? []).OfType<JsonObject>().Where(item => item.Text("type") == type);
}
