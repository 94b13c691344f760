using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Controllers.Guards;

/// <param name="Weight">Percent of the replicas that are to be of the new version, 1 to 100.</param>
/// <param name="Pause">How long after they are available; null: until somebody approves.</param>
public sealed record GuardStep(int Weight, TimeSpan? Pause);

/// <summary>A number of Prometheus that has to stay within bounds.</summary>
public sealed record GuardQuery(string Name, string Query, decimal? Min, decimal? Max)
{
    public bool Holds(decimal value) => !(value > Max) && !(value < Min);
}

/// <summary><c>spec.guard</c> of a Deployment: a canary in steps, and the limits that undo a rollout. Eyrie's own field.</summary>
/// <param name="Unready">How long a pod of the new version may be unready; null: not looked at.</param>
/// <param name="Restarts">Most restarts of the new version's containers together; null: not looked at.</param>
/// <param name="Denied">Most uses that its pods were denied for want of a grant; null: not looked at. 0 unless said.</param>
/// <param name="Bake">How long it is watched after all replicas are of the new version.</param>
public sealed record GuardSpec(IReadOnlyList<GuardStep> Steps, TimeSpan? Unready, int? Restarts, int? Denied, IReadOnlyList<GuardQuery> Queries, TimeSpan Bake)
{
    private static readonly string[] Known = ["steps", "limits", "bakeSeconds"], KnownLimits = ["unreadySeconds", "restarts", "denied", "queries"], KnownStep = ["weight", "pause"], KnownQuery = ["name", "query", "min", "max"];

    /// <summary>null: the Deployment has no guard, or none that can be read.</summary>
    public static GuardSpec? Of(JsonObject deployment) => deployment["spec"]?["guard"] is JsonObject guard && Read(guard, []) is { } read ? read : null;

    /// <param name="errors">Every mistake: path below <c>spec.guard</c> and what is wrong.</param>
    /// <returns>null when there is a mistake.</returns>
    public static GuardSpec? Read(JsonNode node, List<(string Field, string Message)> errors)
    {
        if (node is not JsonObject guard) { errors.Add(("", "Invalid value: must be an object")); return null; }
        Unknown(guard, "", Known, errors);
        var steps = new List<GuardStep>();
        foreach (var (step, at) in Objects(guard["steps"], "steps", errors))
        {
            Unknown(step, at, KnownStep, errors);
            int weight = Whole(step["weight"], $"{at}.weight", errors) ?? 0;
            if (weight is < 1 or > 100) errors.Add(($"{at}.weight", $"Invalid value: {step["weight"]?.ToJsonString() ?? "null"}: must be 1 to 100, percent of the replicas"));
            else if (steps.Count > 0 && weight <= steps[^1].Weight) errors.Add(($"{at}.weight", $"Invalid value: {weight}: must be more than that of the step before"));
            steps.Add(new GuardStep(weight, step["pause"]?.ToString() == "manual" ? null : Seconds(step["pause"], $"{at}.pause", errors, "a number of seconds, or manual") ?? TimeSpan.Zero));
        }
        var limits = guard["limits"] as JsonObject ?? [];
        if (guard["limits"] is not (null or JsonObject)) errors.Add(("limits", "Invalid value: must be an object"));
        Unknown(limits, "limits", KnownLimits, errors);
        var queries = new List<GuardQuery>();
        foreach (var (query, at) in Objects(limits["queries"], "limits.queries", errors))
        {
            Unknown(query, at, KnownQuery, errors);
            if (query["query"]?.ToString() is not { Length: > 0 }) errors.Add(($"{at}.query", "Required value: a query of Prometheus"));
            decimal? min = Number(query["min"], $"{at}.min", errors), max = Number(query["max"], $"{at}.max", errors);
            if (min is null && max is null) errors.Add((at, "Required value: min or max"));
            queries.Add(new GuardQuery(query["name"]?.ToString() ?? query["query"]?.ToString() ?? "", query["query"]?.ToString() ?? "", min, max));
        }
        var made = new GuardSpec(steps, Seconds(limits["unreadySeconds"], "limits.unreadySeconds", errors), Whole(limits["restarts"], "limits.restarts", errors), limits.ContainsKey("denied") ? Whole(limits["denied"], "limits.denied", errors) : 0, queries, Seconds(guard["bakeSeconds"], "bakeSeconds", errors) ?? TimeSpan.FromSeconds(30));
        return errors.Count == 0 ? made : null;
    }

    private static void Unknown(JsonObject map, string at, string[] known, List<(string, string)> errors) => errors.AddRange(map.Select(pair => pair.Key).Except(known).Select(name => ($"{at}{(at.Length > 0 ? "." : "")}{name}", $"Unsupported value: known are {string.Join(", ", known)}")));

    private static IEnumerable<(JsonObject Item, string At)> Objects(JsonNode? list, string at, List<(string, string)> errors)
    {
        if (list is not (null or JsonArray)) errors.Add((at, "Invalid value: must be a list"));
        return (list as JsonArray ?? []).OfType<JsonObject>().Select((item, i) => (item, string.Create(CultureInfo.InvariantCulture, $"{at}[{i}]")));
    }

    private static int? Whole(JsonNode? node, string at, List<(string, string)> errors)
    {
        if (node is null) return null;
        if (node is JsonValue value && value.TryGetValue(out int number) && number >= 0) return number;
        errors.Add((at, $"Invalid value: {node.ToJsonString()}: must be a whole number, 0 or more"));
        return null;
    }

    private static TimeSpan? Seconds(JsonNode? node, string at, List<(string, string)> errors, string form = "a number of seconds, 0 or more")
    {
        if (node is null) return null;
        if (node is JsonValue value && value.TryGetValue(out int number) && number >= 0) return TimeSpan.FromSeconds(number);
        errors.Add((at, $"Invalid value: {node.ToJsonString()}: must be {form}"));
        return null;
    }

    private static decimal? Number(JsonNode? node, string at, List<(string, string)> errors)
    {
        if (node is null) return null;
        if (node is JsonValue value && decimal.TryParse(value.ToString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number)) return number;
        errors.Add((at, $"Invalid value: {node.ToJsonString()}: must be a number"));
        return null;
    }
}
