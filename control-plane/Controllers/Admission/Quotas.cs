using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Admission;

/// <summary>ResourceQuota: what an object uses, which quotas it falls under, and whether there is room, in the words of the ResourceQuota plugin. Pure.</summary>
public static class Quotas
{
    private static readonly HashSet<ResourceKind> CountedByName = [Kinds.Service, Kinds.ConfigMap, Kinds.Secret, Kinds.ReplicationController, Kinds.ResourceQuota, Kinds.PersistentVolumeClaim];
    private static readonly string[] Required = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];

    /// <summary>Whether anything of a quota can be used by objects of a kind.</summary>
    public static bool Concerns(JsonObject quota, ResourceKind kind) => Hard(quota).Any(name => name == "count/" + kind || (CountedByName.Contains(kind) && name.Contains(kind.Plural, StringComparison.Ordinal))
        || (kind == Kinds.Pod && !name.StartsWith("count/", StringComparison.Ordinal)) || (kind == Kinds.PersistentVolumeClaim && name.EndsWith("requests.storage", StringComparison.Ordinal)));

    public static IReadOnlyList<string> Hard(JsonObject quota) => [.. (quota["spec"]?["hard"] as JsonObject ?? []).Select(pair => pair.Key)];

    /// <summary>What one object uses of a quota; nothing if it does not fall under it.</summary>
    public static Dictionary<string, decimal> Usage(JsonObject quota, ResourceKind kind, JsonObject document)
    {
        var usage = Usage(kind, document);
        if (!InScope(quota, kind, document)) return [];
        foreach (var name in usage.Keys.Except(Hard(quota)).ToList()) usage.Remove(name);
        return usage;
    }

    /// <summary>Kinds whose objects can come to use more, or less, while they are there. What a pod requests is settled when it is made.</summary>
    public static bool MayChange(ResourceKind kind) => kind == Kinds.Service || kind == Kinds.PersistentVolumeClaim;

    /// <summary>What an object uses more of a quota than before (negative: less), without what stays.</summary>
    /// <param name="before">As it was; null: it is made.</param>
    public static Dictionary<string, decimal> Difference(JsonObject quota, ResourceKind kind, JsonObject document, JsonObject? before)
    {
        var usage = Usage(quota, kind, document);
        if (before is null) return usage;
        Quantities.Add(usage, Usage(quota, kind, before).Select(pair => KeyValuePair.Create(pair.Key, -pair.Value)));
        return usage.Where(pair => pair.Value != 0).ToDictionary();
    }

    /// <summary>Why there is no room; null: there is.</summary>
    /// <param name="before">As it was; null: it is made.</param>
    /// <param name="used">What is used by now.</param>
    public static string? Refusal(JsonObject quota, ResourceKind kind, JsonObject document, JsonObject? before, IReadOnlyDictionary<string, decimal> used)
    {
        var wanted = Difference(quota, kind, document, before);
        if (kind == Kinds.Pod && before is null && InScope(quota, kind, document) && Unsaid(quota, document) is { Length: > 0 } unsaid) return $"failed quota: {quota.Name()}: must specify {unsaid}";
        var hard = Quantities.Of(quota["spec"]?["hard"]);
        var over = wanted.Where(pair => pair.Value > 0 && hard.TryGetValue(pair.Key, out var most) && used.GetValueOrDefault(pair.Key) + pair.Value > most).ToList();
        return over.Count == 0 ? null : $"exceeded quota: {quota.Name()}, requested: {Quantities.Text(over)}, used: {Quantities.Text(over.Select(pair => KeyValuePair.Create(pair.Key, used.GetValueOrDefault(pair.Key))))}, limited: {Quantities.Text(over.Select(pair => KeyValuePair.Create(pair.Key, hard[pair.Key])))}";
    }

    /// <summary>Everything that is used of a quota.</summary>
    public static Dictionary<string, decimal> Sum(JsonObject quota, IEnumerable<(ResourceKind Kind, JsonObject Document)> all)
    {
        var sum = Hard(quota).ToDictionary(name => name, _ => 0m);
        foreach (var (kind, document) in all) Quantities.Add(sum, Usage(quota, kind, document));
        return sum;
    }

    /// <summary>The status that says so.</summary>
    public static JsonObject Status(JsonObject quota, IReadOnlyDictionary<string, decimal> used) => new()
    {
        ["hard"] = quota["spec"]?["hard"]?.DeepClone() ?? new JsonObject(),
        ["used"] = new JsonObject(Hard(quota).Select(name => KeyValuePair.Create(name, (JsonNode?)Quantities.Text(used.GetValueOrDefault(name))))),
    };

    private static Dictionary<string, decimal> Usage(ResourceKind kind, JsonObject document)
    {
        var usage = new Dictionary<string, decimal> { ["count/" + kind] = 1 };
        if (CountedByName.Contains(kind)) usage[kind.Plural] = 1;
        if (kind == Kinds.Pod && !document.IsOver()) Pod(document, usage);
        if (kind == Kinds.Service) Service(document, usage);
        if (kind == Kinds.PersistentVolumeClaim) Claim(document, usage);
        return usage;
    }

    private static void Pod(JsonObject pod, Dictionary<string, decimal> usage)
    {
        usage["pods"] = 1;
        foreach (var (name, amount) in PodAmounts.Of(pod, "requests"))
        {
            usage["requests." + name] = amount;
            if (name is "cpu" or "memory" or "ephemeral-storage") usage[name] = amount;
        }
        foreach (var (name, amount) in PodAmounts.Of(pod, "limits")) usage["limits." + name] = amount;
    }

    private static void Service(JsonObject service, Dictionary<string, decimal> usage)
    {
        var type = service["spec"]?["type"]?.ToString();
        if (type == "LoadBalancer") usage["services.loadbalancers"] = 1;
        if (type is "LoadBalancer" or "NodePort") usage["services.nodeports"] = (service["spec"]?["ports"] as JsonArray)?.Count ?? 0;
    }

    private static void Claim(JsonObject claim, Dictionary<string, decimal> usage)
    {
        var storage = Quantities.Parse(claim["spec"]?["resources"]?["requests"]?["storage"]) ?? 0;
        usage["requests.storage"] = storage;
        if (claim["spec"]?["storageClassName"]?.ToString() is not { Length: > 0 } name) return;
        usage[name + ".storageclass.storage.k8s.io/requests.storage"] = storage;
        usage[name + ".storageclass.storage.k8s.io/persistentvolumeclaims"] = 1;
    }

    /// <summary>Which containers leave unsaid what the quota counts.</summary>
    private static string Unsaid(JsonObject quota, JsonObject pod)
    {
        var hard = Hard(quota);
        var missing = Required.Where(hard.Contains).Select(name => (Name: name, Of: PodAmounts.Containers(pod).Where(container => !Says(container, name)).Select(container => container.Text("name")).Order(StringComparer.Ordinal).ToList()));
        return string.Join("; ", missing.Where(entry => entry.Of.Count > 0).OrderBy(entry => entry.Name, StringComparer.Ordinal).Select(entry => $"{entry.Name} for: {string.Join(',', entry.Of)}"));
    }

    private static bool Says(JsonObject container, string name) => name.StartsWith("limits.", StringComparison.Ordinal) ? container["resources"]?["limits"]?[name[7..]] is not null
        : container["resources"]?["requests"]?[name.Replace("requests.", "", StringComparison.Ordinal)] is not null;

    private static bool InScope(JsonObject quota, ResourceKind kind, JsonObject document)
    {
        var scopes = (quota["spec"]?["scopes"] as JsonArray ?? []).Select(scope => (Name: scope!.ToString(), Operator: "Exists", Values: new List<string>()))
            .Concat((quota["spec"]?["scopeSelector"]?["matchExpressions"] as JsonArray ?? []).OfType<JsonObject>().Select(term => (Name: term.Text("scopeName") ?? "", Operator: term.Text("operator") ?? "Exists", Values: (term["values"] as JsonArray ?? []).Select(value => value!.ToString()).ToList()))).ToList();
        return scopes.Count == 0 || (kind == Kinds.Pod && scopes.All(scope => InScope(scope.Name, scope.Operator, scope.Values, document)));
    }

    private static bool InScope(string scope, string comparison, List<string> values, JsonObject pod)
    {
        bool timed = pod["spec"]?["activeDeadlineSeconds"] is not null, best = Manifests.QualityOfService.Of(pod["spec"]) == "BestEffort";
        var priority = pod["spec"]?["priorityClassName"]?.ToString() ?? "";
        return scope switch
        {
            "Terminating" => timed, "NotTerminating" => !timed, "BestEffort" => best, "NotBestEffort" => !best,
            "PriorityClass" => comparison switch { "In" => values.Contains(priority), "NotIn" => !values.Contains(priority), "DoesNotExist" => priority.Length == 0, _ => priority.Length > 0 },
            "CrossNamespacePodAffinity" => new[] { "podAffinity", "podAntiAffinity" }.SelectMany(kind => new[] { "requiredDuringSchedulingIgnoredDuringExecution", "preferredDuringSchedulingIgnoredDuringExecution" }
                .SelectMany(list => pod["spec"]?["affinity"]?[kind]?[list] as JsonArray ?? [])).Select(term => term?["podAffinityTerm"] ?? term).Any(term => term?["namespaces"] is JsonArray { Count: > 0 } || term?["namespaceSelector"] is not null),
            _ => false,
        };
    }
}
