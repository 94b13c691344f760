using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Scheduler;
using Eyrie.Manifests;

namespace Eyrie.ControlPlane.Controllers.Scheduling;

/// <summary>From a Pod object to what the scheduler sees. Pure.</summary>
public static class PodReader
{
    /// <param name="pod">The Pod.</param>
    /// <param name="priority">Its priority, for pods whose spec has only a class name.</param>
    public static PodInfo Read(JsonObject pod, int priority = 0)
    {
        var spec = pod["spec"] as JsonObject ?? [];
        var labels = Labels(pod.Metadata()["labels"]);
        var affinity = spec["affinity"];
        var home = pod.Namespace();
        return new PodInfo
        {
            Uid = pod.Uid(), Namespace = home, Name = pod.Name(), Labels = labels, Owner = pod.OwnerUid(), Priority = spec["priority"].Int(priority), NeverPreempts = spec.Text("preemptionPolicy") == "Never",
            Created = Time(pod.Metadata().Text("creationTimestamp")), Started = Time(pod["status"]?["startTime"]?.ToString() ?? pod.Metadata().Text("creationTimestamp")), Terminating = pod.IsDeleted(), Node = pod.NodeName(), Nominated = pod["status"]?["nominatedNodeName"]?.ToString() ?? "",
            Gates = Objects(spec["schedulingGates"]).Select(gate => gate.Text("name") ?? "").ToList(),
            CalledGates = Named(spec, "gates", "service", home), ServedGates = Named(spec, "publish", "gate", home),
            Requests = PodRequests.Of(pod), ScoredRequests = PodRequests.Scored(pod), Extended = PodRequests.Extended(pod), HostPorts = Ports(spec), Images = Objects(spec["initContainers"]).Concat(Objects(spec["containers"])).Select(container => ImageNames.Tagged(container.Text("image") ?? "")).ToList(),
            NodeSelector = (spec["nodeSelector"] as JsonObject ?? []).Select(pair => Requirement.Equal(pair.Key, pair.Value?.ToString() ?? "")).ToList(),
            NodeTerms = affinity?["nodeAffinity"]?["requiredDuringSchedulingIgnoredDuringExecution"]?["nodeSelectorTerms"] is JsonArray terms ? Terms(terms) : null,
            PreferredNodes = Objects(affinity?["nodeAffinity"]?["preferredDuringSchedulingIgnoredDuringExecution"]).Select(term => new PreferredNodeTerm(term["weight"].Int(1), Term(term["preference"] as JsonObject ?? []))).ToList(),
            Tolerations = Objects(spec["tolerations"]).Select(Toleration).ToList(),
            Affinity = Required(affinity?["podAffinity"], home, labels), AntiAffinity = Required(affinity?["podAntiAffinity"], home, labels),
            PreferredPods = [.. Preferred(affinity?["podAffinity"], home, labels, 1), .. Preferred(affinity?["podAntiAffinity"], home, labels, -1)],
            Spread = Objects(spec["topologySpreadConstraints"]).Select(constraint => Spread(constraint, labels)).ToList(),
        };
    }

    /// <summary>What the containers' permissions name of gates.</summary>
    private static List<string> Named(JsonObject spec, string list, string field, string home) =>
        Objects(spec["containers"]).SelectMany(container => Objects((container["permissions"] as JsonObject)?[list])).Select(grant => grant.Text(field) ?? "").Select(name => name.Contains('/', StringComparison.Ordinal) ? name : $"{home}/{name}").ToList();

    public static Dictionary<string, string> Labels(JsonNode? labels) => (labels as JsonObject ?? []).ToDictionary(pair => pair.Key, pair => pair.Value?.ToString() ?? "");

    /// <summary>nodeSelectorTerms: of a pod, or of a PersistentVolume.</summary>
    public static IReadOnlyList<NodeTerm> Terms(JsonArray terms) => terms.OfType<JsonObject>().Select(Term).ToList();

    /// <summary>A LabelSelector: none selects nothing, an empty one everything.</summary>
    public static Selector Select(JsonNode? selector)
    {
        if (selector is not JsonObject map) return Selector.Nothing;
        return new Selector([.. (map["matchLabels"] as JsonObject ?? []).Select(pair => Requirement.Equal(pair.Key, pair.Value?.ToString() ?? "")), .. Objects(map["matchExpressions"]).Select(Line)]);
    }

    private static IEnumerable<JsonObject> Objects(JsonNode? list) => (list as JsonArray)?.OfType<JsonObject>() ?? [];

    private static NodeTerm Term(JsonObject term) => new(Objects(term["matchExpressions"]).Select(Line).ToList(), Objects(term["matchFields"]).Select(Line).ToList());

    private static Requirement Line(JsonObject line) => new(line.Text("key") ?? "", line.Text("operator") switch
    {
        "NotIn" => Comparison.NotIn, "Exists" => Comparison.Exists, "DoesNotExist" => Comparison.DoesNotExist, "Gt" => Comparison.Gt, "Lt" => Comparison.Lt, _ => Comparison.In,
    }, (line["values"] as JsonArray ?? []).Select(value => value?.ToString() ?? "").ToList());

    private static Toleration Toleration(JsonObject toleration) => new(toleration.Text("key") ?? "", toleration.Text("operator") == "Exists", toleration.Text("value") ?? "", toleration.Text("effect") ?? "");

    private static List<PodTerm> Required(JsonNode? affinity, string home, Dictionary<string, string> labels) =>
        Objects(affinity?["requiredDuringSchedulingIgnoredDuringExecution"]).Select(term => PodTerm(term, home, labels)).ToList();

    private static IEnumerable<(int, PodTerm)> Preferred(JsonNode? affinity, string home, Dictionary<string, string> labels, int sign) =>
        Objects(affinity?["preferredDuringSchedulingIgnoredDuringExecution"]).Select(term => (sign * term["weight"].Int(1), PodTerm(term["podAffinityTerm"] as JsonObject ?? [], home, labels)));

    private static PodTerm PodTerm(JsonObject term, string home, Dictionary<string, string> labels)
    {
        var names = (term["namespaces"] as JsonArray ?? []).Select(name => name?.ToString() ?? "").ToList();
        var namespaces = term["namespaceSelector"] is JsonObject selector ? Select(selector) : null;
        if (names.Count == 0 && namespaces is null) names.Add(home);
        return new PodTerm(term.Text("topologyKey") ?? "", WithKeys(Select(term["labelSelector"]), term, labels), names, namespaces);
    }

    private static SpreadConstraint Spread(JsonObject constraint, Dictionary<string, string> labels) => new(constraint["maxSkew"].Int(1), constraint.Text("topologyKey") ?? "", constraint.Text("whenUnsatisfiable") != "ScheduleAnyway",
        WithKeys(Select(constraint["labelSelector"]), constraint, labels), constraint["minDomains"].Int(1), constraint.Text("nodeAffinityPolicy") != "Ignore", constraint.Text("nodeTaintsPolicy") == "Honor");

    /// <summary>matchLabelKeys (mismatchLabelKeys): only pods with the same (another) value as this one.</summary>
    private static Selector WithKeys(Selector selector, JsonObject term, Dictionary<string, string> labels)
    {
        IEnumerable<Requirement> Lines(string list, Comparison comparison) => (term[list] as JsonArray ?? []).Select(key => key?.ToString() ?? "").Where(labels.ContainsKey).Select(key => new Requirement(key, comparison, [labels[key]]));
        List<Requirement> more = [.. Lines("matchLabelKeys", Comparison.In), .. Lines("mismatchLabelKeys", Comparison.NotIn)];
        return more.Count == 0 ? selector : new Selector([.. selector.Requirements, .. more]);
    }

    private static List<HostPort> Ports(JsonObject spec) => Objects(spec["containers"]).Concat(Objects(spec["initContainers"]).Where(container => container.Text("restartPolicy") == "Always")).SelectMany(container => Objects(container["ports"]))
        .Where(port => port["hostPort"].Int() > 0).Select(port => new HostPort(port.Text("hostIP") is { Length: > 0 } address ? address : "0.0.0.0", port.Text("protocol") ?? "TCP", port["hostPort"].Int())).ToList();

    private static DateTimeOffset Time(string? text) => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : DateTimeOffset.MinValue;
}
