using System.Globalization;
using System.Text.Json.Nodes;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Scheduling;

/// <summary>
/// kube-scheduler's rules once more, as slow and obvious as can be: straight from the documents, every pod looked at for every question, nothing kept. Written without the scheduler's types, so that
/// the two can only agree by being right. Only what the generator of <see cref="RulePropertyTests"/> makes is read.
/// </summary>
/// <param name="nodes">Node objects.</param>
/// <param name="placed">Pods with spec.nodeName.</param>
/// <param name="namespaces">Labels of namespaces.</param>
public sealed class ReferenceRules(IReadOnlyList<JsonObject> nodes, IReadOnlyList<JsonObject> placed, IReadOnlyDictionary<string, JsonObject> namespaces)
{
    private static string Name(JsonObject document) => document["metadata"]!["name"]!.ToString();
    private static string Home(JsonObject document) => document["metadata"]!["namespace"]!.ToString();
    private static JsonObject Labels(JsonObject document) => document["metadata"]?["labels"] as JsonObject ?? [];
    private static IEnumerable<JsonObject> List(JsonNode? list) => (list as JsonArray ?? []).OfType<JsonObject>();
    private IEnumerable<JsonObject> On(JsonObject node) => placed.Where(pod => pod["spec"]!["nodeName"]!.ToString() == Name(node));

    /// <summary>The first rule that refuses the node, in kube-scheduler's order; empty: it fits.</summary>
    public string Refusal(JsonObject pod, JsonObject node) => Unschedulable(pod, node) ? "unschedulable" : Tainted(pod, node) ? "taint" : !Affine(pod, node) ? "node affinity" : PortTaken(pod, node) ? "ports"
        : TooLarge(pod, node) ? "resources" : Uneven(pod, node) ? "spread" : !Near(pod, node) ? "affinity" : Repelled(pod, node) ? "anti-affinity" : RepelledByThere(pod, node) ? "existing" : "";

    private static bool Unschedulable(JsonObject pod, JsonObject node) => node["spec"]?["unschedulable"]?.GetValue<bool>() == true && !Tolerates(pod, Json("""{"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule"}"""));

    private static bool Tolerates(JsonObject pod, JsonObject taint) => List(pod["spec"]?["tolerations"]).Any(toleration =>
        (toleration["effect"] is null || toleration["effect"]!.ToString() == taint["effect"]!.ToString())
        && (toleration["key"] is null || toleration["key"]!.ToString() == taint["key"]!.ToString())
        && (toleration["operator"]?.ToString() == "Exists" || (toleration["value"]?.ToString() ?? "") == (taint["value"]?.ToString() ?? "")));

    private static bool Tainted(JsonObject pod, JsonObject node) => List(node["spec"]?["taints"]).Any(taint => taint["effect"]!.ToString() != "PreferNoSchedule" && !Tolerates(pod, taint));

    private static bool Affine(JsonObject pod, JsonObject node)
    {
        foreach (var (key, value) in pod["spec"]?["nodeSelector"] as JsonObject ?? [])
            if (Labels(node)[key]?.ToString() != value!.ToString()) return false;
        var required = pod["spec"]?["affinity"]?["nodeAffinity"]?["requiredDuringSchedulingIgnoredDuringExecution"]?["nodeSelectorTerms"] as JsonArray;
        return required is null || List(required).Any(term => Matches(term, node));
    }

    private static bool Matches(JsonObject term, JsonObject node)
    {
        var (lines, fields) = (List(term["matchExpressions"]).ToList(), List(term["matchFields"]).ToList());
        return lines.Count + fields.Count > 0 && lines.All(line => Holds(line, Labels(node)[line["key"]!.ToString()]?.ToString())) && fields.All(line => Holds(line, Name(node)));
    }

    private static bool Holds(JsonObject line, string? value)
    {
        var values = (line["values"] as JsonArray ?? []).Select(entry => entry!.ToString()).ToList();
        switch (line["operator"]!.ToString())
        {
            case "In": return value is not null && values.Contains(value);
            case "NotIn": return value is null || !values.Contains(value);
            case "Exists": return value is not null;
            case "DoesNotExist": return value is null;
            default:
                if (!long.TryParse(value, CultureInfo.InvariantCulture, out long number)) return false;
                long bound = long.Parse(values.Single(), CultureInfo.InvariantCulture);
                return line["operator"]!.ToString() == "Gt" ? number > bound : number < bound;
        }
    }

    private static bool Selected(JsonNode? selector, JsonObject labels)
    {
        if (selector is null) return false;
        foreach (var (key, value) in selector["matchLabels"] as JsonObject ?? [])
            if (labels[key]?.ToString() != value!.ToString()) return false;
        return List(selector["matchExpressions"]).All(line => Holds(line, labels[line["key"]!.ToString()]?.ToString()));
    }

    private bool PortTaken(JsonObject pod, JsonObject node) => Ports(pod).Any(mine => On(node).SelectMany(Ports).Any(theirs => mine.Number == theirs.Number && mine.Protocol == theirs.Protocol
        && (mine.Address == theirs.Address || mine.Address == "0.0.0.0" || theirs.Address == "0.0.0.0")));

    private static IEnumerable<(string Address, string Protocol, int Number)> Ports(JsonObject pod) => List(pod["spec"]?["containers"]).SelectMany(container => List(container["ports"])).Where(port => port["hostPort"] is not null)
        .Select(port => (port["hostIP"]?.ToString() ?? "0.0.0.0", port["protocol"]?.ToString() ?? "TCP", port["hostPort"]!.GetValue<int>()));

    /// <summary>Amounts in the generator's own words: cpu in m, memory in Mi, the rest in whole numbers.</summary>
    private static long Number(JsonNode? text) => text is null ? 0 : long.Parse(text.ToString().Replace("Mi", "", StringComparison.Ordinal).TrimEnd('m'), CultureInfo.InvariantCulture);

    private static long Asked(JsonObject container, string resource, long otherwise)
    {
        var amount = container["resources"]?["requests"]?[resource] ?? container["resources"]?["limits"]?[resource];
        return amount is null || Number(amount) == 0 ? otherwise : Number(amount);
    }

    /// <summary>Moment by moment: while each init container runs beside the sidecars before it, and when all containers run beside all sidecars; the most of it, and overhead.</summary>
    public static long Wanted(JsonObject pod, string resource, long otherwise = 0)
    {
        var moments = new List<long>();
        long sidecars = 0;
        foreach (var container in List(pod["spec"]?["initContainers"]))
        {
            moments.Add(sidecars + Asked(container, resource, otherwise));
            if (container["restartPolicy"]?.ToString() == "Always") sidecars += Asked(container, resource, otherwise);
        }
        moments.Add(sidecars + List(pod["spec"]?["containers"]).Sum(container => Asked(container, resource, otherwise)));
        return moments.Max() + Number(pod["spec"]?["overhead"]?[resource]);
    }

    private bool TooLarge(JsonObject pod, JsonObject node) => On(node).Count() + 1 > Number(node["status"]!["allocatable"]!["pods"])
        || new[] { "cpu", "memory", "example.com/gpu" }.Any(resource => Wanted(pod, resource) > 0 && On(node).Sum(other => Wanted(other, resource)) + Wanted(pod, resource) > Number(node["status"]!["allocatable"]![resource]));

    private static List<JsonObject> Spread(JsonObject pod, string when) => [.. List(pod["spec"]?["topologySpreadConstraints"]).Where(constraint => constraint["whenUnsatisfiable"]!.ToString() == when)];

    /// <summary>Nodes that lack the label of any constraint are left out altogether, and of the others those that the pod may not use, as far as the policies say so.</summary>
    private List<JsonObject> Counted(JsonObject pod, JsonObject constraint, List<JsonObject> together) =>
        [.. nodes.Where(other => together.All(one => Labels(other)[one["topologyKey"]!.ToString()] is not null) && (constraint["nodeAffinityPolicy"]?.ToString() == "Ignore" || Affine(pod, other)) && (constraint["nodeTaintsPolicy"]?.ToString() != "Honor" || !Tainted(pod, other)))];

    /// <summary>Pods of the namespace, with the same values of matchLabelKeys, that are not on their way out. A selector that says nothing selects none.</summary>
    private static bool Counts(JsonObject pod, JsonObject constraint, JsonObject there)
    {
        var keys = (constraint["matchLabelKeys"] as JsonArray ?? []).Select(key => key!.ToString()).Where(key => Labels(pod)[key] is not null).ToList();
        bool says = keys.Count > 0 || constraint["labelSelector"]!.AsObject().Count > 0;
        return says && Home(there) == Home(pod) && there["metadata"]!["deletionTimestamp"] is null && Wants(pod, constraint, there);
    }

    private static bool Wants(JsonObject pod, JsonObject constraint, JsonObject there) => Selected(constraint["labelSelector"], Labels(there))
        && (constraint["matchLabelKeys"] as JsonArray ?? []).Select(key => key!.ToString()).All(key => Labels(pod)[key] is null || Labels(there)[key]?.ToString() == Labels(pod)[key]!.ToString());

    private bool Uneven(JsonObject pod, JsonObject node)
    {
        var constraints = Spread(pod, "DoNotSchedule");
        foreach (var constraint in constraints)
        {
            var key = constraint["topologyKey"]!.ToString();
            if (Labels(node)[key] is not { } here) return true;
            var counted = Counted(pod, constraint, constraints);
            int In(string domain) => counted.Where(other => Labels(other)[key]!.ToString() == domain).Sum(other => On(other).Count(there => Counts(pod, constraint, there)));
            var domains = counted.Select(other => Labels(other)[key]!.ToString()).Distinct().ToList();
            int least = domains.Count == 0 || domains.Count < (constraint["minDomains"]?.GetValue<int>() ?? 1) ? 0 : domains.Min(In);
            if (In(here.ToString()) + (Wants(pod, constraint, pod) ? 1 : 0) - least > constraint["maxSkew"]!.GetValue<int>()) return true;
        }
        return false;
    }

    /// <summary>
    /// Of the soft constraints; of a pod that states none and has an owner: siblings, at most 3 more on a node and 5 more in a zone. A domain counts the more the more domains there are among the nodes that fit.
    /// </summary>
    private double[] Spreading(JsonObject pod, IReadOnlyList<JsonObject> fitting)
    {
        const string Host = "kubernetes.io/hostname";
        bool stated = List(pod["spec"]?["topologySpreadConstraints"]).Any();
        static string? Owner(JsonObject of) => List(of["metadata"]!["ownerReferences"]).SingleOrDefault()?["uid"]!.ToString();
        var constraints = stated ? Spread(pod, "ScheduleAnyway") : Owner(pod) is null ? []
            : [Json("{\"maxSkew\":3,\"topologyKey\":\"kubernetes.io/hostname\"}"), Json("{\"maxSkew\":5,\"topologyKey\":\"topology.kubernetes.io/zone\"}")];
        var together = stated ? constraints : [];
        var scored = fitting.Where(node => together.All(one => Labels(node)[one["topologyKey"]!.ToString()] is not null)).ToList();
        double Sum(JsonObject node)
        {
            double sum = 0;
            foreach (var constraint in constraints)
            {
                var key = constraint["topologyKey"]!.ToString();
                if (Labels(node)[key] is not { } here) continue;
                int pods = Counted(pod, constraint, together).Where(other => Labels(other)[key]?.ToString() == here.ToString())
                    .Sum(other => On(other).Count(there => stated ? Counts(pod, constraint, there) : Owner(there) == Owner(pod) && there["metadata"]!["deletionTimestamp"] is null));
                int domains = key == Host ? scored.Count : scored.Select(other => Labels(other)[key]?.ToString() ?? "").Distinct().Count();
                sum += (pods * Math.Log(domains + 2)) + constraint["maxSkew"]!.GetValue<int>() - 1;
            }
            return Math.Round(sum, MidpointRounding.AwayFromZero);
        }
        var sums = scored.ToDictionary(Name, Sum);
        return [.. fitting.Select(node => !sums.TryGetValue(Name(node), out double sum) ? 0 : sums.Values.Max() == 0 ? 100 : 100 * (sums.Values.Max() + sums.Values.Min() - sum) / sums.Values.Max())];
    }

    /// <summary>The more of what the pod's images weigh is there, the better, between 23 MiB and 1000 MiB a container; an image counts by the share of nodes that have it.</summary>
    private double Pulled(JsonObject pod, JsonObject node)
    {
        var images = List(pod["spec"]?["containers"]).Concat(List(pod["spec"]?["initContainers"])).Select(container => container["image"]?.ToString() ?? "").Select(image => image.Split('/')[^1].Contains(':', StringComparison.Ordinal) ? image : image + ":latest").ToList();
        long Size(JsonObject on, string image) => List(on["status"]?["images"]).Where(there => there["names"]!.AsArray().Any(name => name!.ToString() == image)).Select(there => there["sizeBytes"]!.GetValue<long>()).SingleOrDefault();
        double mib = images.Sum(image => (double)Size(node, image) * nodes.Count(other => Size(other, image) > 0) / nodes.Count) / (1 << 20);
        return 100 * (Math.Min(Math.Max(mib, 23), 1000 * images.Count) - 23) / ((1000 * images.Count) - 23);
    }

    /// <summary>Gates that the pod calls and that are served there, and pods there that call what it serves.</summary>
    private int Gates(JsonObject pod, JsonObject node)
    {
        static List<string> Named(JsonObject of, string list, string field) => [.. List(of["spec"]?["containers"]).SelectMany(container => List(container["permissions"]?[list])).Select(grant => grant[field]!.ToString()).Select(name => name.Contains('/', StringComparison.Ordinal) ? name : Home(of) + "/" + name)];
        return Named(pod, "gates", "service").Count(gate => On(node).Any(other => Named(other, "publish", "gate").Contains(gate))) + On(node).Count(other => Named(other, "gates", "service").Intersect(Named(pod, "publish", "gate")).Any());
    }

    private bool Means(JsonObject term, JsonObject holder, JsonObject other)
    {
        var names = (term["namespaces"] as JsonArray ?? []).Select(name => name!.ToString()).ToList();
        bool home = names.Count == 0 && term["namespaceSelector"] is null ? Home(other) == Home(holder) : names.Contains(Home(other)) || (term["namespaceSelector"] is { } selector && Selected(selector, namespaces.GetValueOrDefault(Home(other)) ?? []));
        return home && Selected(term["labelSelector"], Labels(other));
    }

    private static IEnumerable<JsonObject> Required(JsonObject pod, string kind) => List(pod["spec"]?["affinity"]?[kind]?["requiredDuringSchedulingIgnoredDuringExecution"]);
    private static IEnumerable<JsonObject> Preferred(JsonObject pod, string kind) => List(pod["spec"]?["affinity"]?[kind]?["preferredDuringSchedulingIgnoredDuringExecution"]);
    private JsonObject NodeOf(JsonObject pod) => nodes.First(node => Name(node) == pod["spec"]!["nodeName"]!.ToString());
    private static bool Together(JsonObject one, JsonObject other, string key) => Labels(one)[key] is { } value && Labels(other)[key]?.ToString() == value.ToString();

    private bool Near(JsonObject pod, JsonObject node)
    {
        var terms = Required(pod, "podAffinity").ToList();
        if (terms.Count == 0) return true;
        if (terms.Any(term => Labels(node)[term["topologyKey"]!.ToString()] is null)) return false;
        var wanted = placed.Where(other => terms.All(term => Means(term, pod, other))).ToList();
        if (terms.All(term => wanted.Any(other => Together(NodeOf(other), node, term["topologyKey"]!.ToString())))) return true;
        // The first of pods that seek each other: nobody is there at all (where the topology could show it), and it would be wanted itself.
        return !wanted.Any(other => terms.Any(term => Labels(NodeOf(other))[term["topologyKey"]!.ToString()] is not null)) && terms.All(term => Means(term, pod, pod));
    }

    private bool Repelled(JsonObject pod, JsonObject node) => Required(pod, "podAntiAffinity").Any(term => placed.Any(other => Means(term, pod, other) && Together(NodeOf(other), node, term["topologyKey"]!.ToString())));

    private bool RepelledByThere(JsonObject pod, JsonObject node) => placed.Any(other => Required(other, "podAntiAffinity").Any(term => Means(term, other, pod) && Together(NodeOf(other), node, term["topologyKey"]!.ToString())));

    /// <summary>What each preference gives a node among those that fit, 0 to 100, before weights; by name.</summary>
    public Dictionary<string, double[]> Scores(JsonObject pod, IReadOnlyList<JsonObject> fitting)
    {
        double[] Each(Func<JsonObject, double> of) => [.. fitting.Select(of)];
        double Share(JsonObject node, string resource, long otherwise) => (On(node).Sum(other => Wanted(other, resource, otherwise)) + Wanted(pod, resource, otherwise)) / (double)Number(node["status"]!["allocatable"]![resource]);
        var preferredNodes = List(pod["spec"]?["affinity"]?["nodeAffinity"]?["preferredDuringSchedulingIgnoredDuringExecution"]).ToList();
        return new()
        {
            ["LeastAllocated"] = Each(node => 100 * (Math.Max(0, 1 - Share(node, "cpu", 100)) + Math.Max(0, 1 - Share(node, "memory", 200))) / 2),
            ["MostAllocated"] = Each(node => 100 * (Math.Min(1, Share(node, "cpu", 100)) + Math.Min(1, Share(node, "memory", 200))) / 2),
            ["BalancedAllocation"] = Each(node => 100 * (1 - (Math.Abs(Math.Min(1, Share(node, "cpu", 0)) - Math.Min(1, Share(node, "memory", 0))) / 2))),
            ["PreferNoSchedule"] = Reversed(Each(node => List(node["spec"]?["taints"]).Count(taint => taint["effect"]!.ToString() == "PreferNoSchedule" && !Tolerates(pod, taint)))),
            ["PreferredNodes"] = ByLargest(Each(node => preferredNodes.Where(term => Matches(term["preference"]!.AsObject(), node)).Sum(term => term["weight"]!.GetValue<int>()))),
            ["SpreadScore"] = Spreading(pod, fitting),
            ["ImageLocality"] = Each(node => Pulled(pod, node)),
            ["GatePeers"] = ByLargest(Each(node => Gates(pod, node))),
            ["PreferredPods"] = Stretched(Each(node => placed.Sum(other => Pull(pod, other, node)))),
        };
    }

    /// <summary>What one placed pod does to a node for the incoming one: by its wishes, and by the placed pod's own (required affinity counts 1).</summary>
    private int Pull(JsonObject pod, JsonObject other, JsonObject node)
    {
        bool At(JsonObject term) => Together(NodeOf(other), node, term["topologyKey"]!.ToString());
        int Wishes(JsonObject holder, JsonObject meant, string kind) => Preferred(holder, kind).Where(wish => wish["podAffinityTerm"]!.AsObject() is var term && At(term) && Means(term, holder, meant)).Sum(wish => wish["weight"]!.GetValue<int>());
        return Wishes(pod, other, "podAffinity") - Wishes(pod, other, "podAntiAffinity") + Wishes(other, pod, "podAffinity") - Wishes(other, pod, "podAntiAffinity") + Required(other, "podAffinity").Count(term => At(term) && Means(term, other, pod));
    }

    private static double[] ByLargest(double[] values) => values.Max() is > 0 and var most ? [.. values.Select(value => 100 * value / most)] : [.. values.Select(_ => 0.0)];
    private static double[] Reversed(double[] values) => [.. ByLargest(values).Select(value => 100 - value)];
    private static double[] Stretched(double[] values) => values.Max() == values.Min() ? [.. values.Select(_ => 0.0)] : [.. values.Select(value => 100 * (value - values.Min()) / (values.Max() - values.Min()))];
}
