using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.ControlPlane.Controllers.Admission;
using Eyrie.ControlPlane.Resources;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Admission;

/// <summary>Random limit ranges, pods and claims: what is given and what is refused, against the rules said once more in whole millicores and MiB.</summary>
[Collection(nameof(Alone))]
public sealed class LimitRangePropertyTests
{
    private static readonly string[] Resources = ["cpu", "memory"];

    private static string Unit(string resource) => resource == "cpu" ? "m" : "Mi";

    private static int? Number(JsonNode? list, string resource) => list?[resource] is { } text ? int.Parse(text.ToString().Replace(Unit(resource), "", StringComparison.Ordinal), CultureInfo.InvariantCulture) : null;

    private sealed class Maker(int seed)
    {
        private readonly Random _chance = new(seed);
        private bool Perhaps(int one) => _chance.Next(one) == 0;

        private JsonObject? Amounts(int among, params int[] choices)
        {
            var made = new JsonObject();
            foreach (var resource in Resources)
                if (Perhaps(among)) made[resource] = choices[_chance.Next(choices.Length)].ToString(CultureInfo.InvariantCulture) + Unit(resource);
            return made.Count == 0 ? null : made;
        }

        public JsonObject Range(int number)
        {
            var limits = new JsonArray();
            foreach (var type in new[] { "Container", "Pod" }.Where(_ => !Perhaps(3)))
            {
                var item = new JsonObject { ["type"] = type };
                void Give(string name, JsonObject? amounts) { if (amounts is not null) item[name] = amounts; }
                Give("min", Amounts(3, 100, 200, 300));
                Give("max", Amounts(3, 300, 500, 900));
                if (type == "Container") { Give("default", Amounts(3, 200, 400, 600)); Give("defaultRequest", Amounts(3, 100, 200, 400)); }
                if (Perhaps(3)) item["maxLimitRequestRatio"] = new JsonObject { [Resources[_chance.Next(2)]] = Perhaps(2) ? "2" : "1500m" };
                limits.Add((JsonNode)item);
            }
            return new JsonObject { ["metadata"] = new JsonObject { ["name"] = $"l{number}", ["namespace"] = "default" }, ["spec"] = new JsonObject { ["limits"] = limits } };
        }

        public JsonObject Pod()
        {
            JsonArray Containers(int most, bool init) => new([.. Enumerable.Range(0, _chance.Next(init ? 0 : 1, most)).Select(number =>
            {
                var (container, resources) = (new JsonObject { ["name"] = (init ? "i" : "c") + number.ToString(CultureInfo.InvariantCulture) }, new JsonObject());
                if (init && Perhaps(2)) container["restartPolicy"] = "Always";
                if (Amounts(2, 100, 200, 400) is { } requests) resources["requests"] = requests;
                if (Amounts(2, 200, 300, 400, 800) is { } limits) resources["limits"] = limits;
                if (resources.Count > 0) container["resources"] = resources;
                return (JsonNode)container;
            })]);
            return new JsonObject { ["metadata"] = new JsonObject { ["name"] = "p", ["namespace"] = "default" }, ["spec"] = new JsonObject { ["initContainers"] = Containers(3, true), ["containers"] = Containers(3, false) } };
        }

        public int Next(int most) => _chance.Next(most);
    }

    private static IEnumerable<JsonObject> All(JsonObject pod) => new[] { "initContainers", "containers" }.SelectMany(list => pod["spec"]![list]!.AsArray()).Select(container => container!.AsObject());

    /// <summary>In order of the ranges, each gives what is still unsaid: a limit from default, or else max; a request from defaultRequest, default, max or min.</summary>
    private static int? Said(JsonObject container, string which, string resource, IEnumerable<JsonObject> items)
    {
        if (Number(container["resources"]?[which], resource) is { } stated) return stated;
        foreach (var item in items)
            foreach (var from in which == "limits" ? new[] { "default", "max" } : ["defaultRequest", "default", "max", "min"])
                if (Number(item[from], resource) is { } given) return given;
        return null;
    }

    /// <summary>The most that runs at one time: every init container beside the sidecars before it, then all containers beside all sidecars.</summary>
    private static int? Most(JsonObject pod, Func<JsonObject, int?> amount)
    {
        if (All(pod).All(container => amount(container) is null)) return null;
        var (most, beside) = (0, 0);
        foreach (var init in pod["spec"]!["initContainers"]!.AsArray().Select(container => container!.AsObject()))
        {
            most = Math.Max(most, beside + (amount(init) ?? 0));
            if (init["restartPolicy"] is not null) beside += amount(init) ?? 0;
        }
        return Math.Max(most, beside + pod["spec"]!["containers"]!.AsArray().Sum(container => amount(container!.AsObject()) ?? 0));
    }

    private static bool Allowed(JsonObject item, string resource, int? request, int? limit)
    {
        if (Number(item["min"], resource) is { } least && (request is null || request < least || limit < least)) return false;
        if (Number(item["max"], resource) is { } most && (limit is null || limit > most || request > most)) return false;
        return item["maxLimitRequestRatio"]?[resource]?.ToString() switch { null => true, _ when request is null or 0 || limit is null => false, "2" => limit <= 2 * request, _ => 2 * limit <= 3 * request };
    }

    [Fact]
    public void Containers_get_what_is_unsaid_and_a_pod_is_refused_exactly_when_a_bound_or_a_ratio_is_not_kept() => Gen.Int[0, int.MaxValue - 1].Sample(seed =>
    {
        var maker = new Maker(seed);
        List<JsonObject> ranges = [.. Enumerable.Range(0, maker.Next(3)).Select(maker.Range)];
        List<JsonObject> Items(string type) => [.. ranges.SelectMany(range => range["spec"]!["limits"]!.AsArray()).Select(item => item!.AsObject()).Where(item => item["type"]!.ToString() == type)];
        var pod = maker.Pod();
        var before = (JsonObject)pod.DeepClone();
        LimitRanges.Default(pod, ranges);
        bool changed = false;
        foreach (var (made, was) in All(pod).Zip(All(before)))
            foreach (var (which, resource) in new[] { "requests", "limits" }.SelectMany(which => Resources.Select(resource => (which, resource))))
            {
                Assert.True(Said(was, which, resource, Items("Container")) == Number(made["resources"]?[which], resource), $"seed {seed}: {which} of {resource}: {was} has become {made}; {ranges.Count} ranges {string.Join(' ', ranges)}");
                changed |= Number(was["resources"]?[which], resource) is null && Number(made["resources"]?[which], resource) is not null;
            }
        Assert.Equal(changed, pod["metadata"]!["annotations"] is not null);
        int? Of(JsonObject container, string which, string resource) => Said(container, which, resource, Items("Container"));
        bool allowed = Resources.All(resource => Items("Container").All(item => All(before).All(container => Allowed(item, resource, Of(container, "requests", resource), Of(container, "limits", resource))))
            && Items("Pod").All(item => Allowed(item, resource, Most(before, container => Of(container, "requests", resource)), Most(before, container => Of(container, "limits", resource)))));
        var errors = LimitRanges.Check(Kinds.Pod, pod, ranges);
        Assert.True(allowed == (errors.Count == 0), $"seed {seed}: {string.Join("; ", errors)}; {pod}; {string.Join(' ', ranges)}");
    }, iter: 3_000);

    [Fact]
    public void A_claim_asks_for_no_less_than_the_least_and_no_more_than_the_most() => Gen.Select(Gen.Int[0, 9], Gen.Int[0, 9], Gen.Int[0, 9]).Sample((asked, least, most) =>
    {
        // 0: it says nothing
        static JsonObject Storage(int gibibytes) => gibibytes == 0 ? [] : new JsonObject { ["storage"] = string.Create(CultureInfo.InvariantCulture, $"{gibibytes}Gi") };
        var range = new JsonObject { ["metadata"] = new JsonObject { ["name"] = "l" }, ["spec"] = new JsonObject { ["limits"] = new JsonArray(Json("""{"type":"Container","min":{"storage":"100Gi"}}"""), new JsonObject { ["type"] = "PersistentVolumeClaim", ["min"] = Storage(least), ["max"] = Storage(most) }) } };
        var claim = new JsonObject { ["spec"] = new JsonObject { ["resources"] = new JsonObject { ["requests"] = Storage(asked) } } };
        Assert.Equal((least == 0 || asked >= least) && (most == 0 || asked <= most), LimitRanges.Check(Kinds.PersistentVolumeClaim, claim, [range]).Count == 0);
    });
}
