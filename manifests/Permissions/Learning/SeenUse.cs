using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions.Learning;

/// <summary>One kind of use, as often as it was seen.</summary>
/// <param name="Container">Name of the container.</param>
/// <param name="Verdict"><c>granted</c>, <c>audited</c> (let through by the audit alone) or <c>denied</c>.</param>
/// <param name="Operation">connect, listen, write; execute (a program or its interpreter), load (code that a running program maps, such as a library), fork (so many processes and threads at once); call, signal.</param>
/// <param name="Entry">The narrowest entry that allows it.</param>
/// <param name="Target">An address and port, or a path; of fork the number that there certainly were no more than, 0: not known.</param>
/// <param name="Program">Thread name, a space, executable; empty: unknown.</param>
/// <param name="Count">At least 1.</param>
public sealed record SeenUse(string Container, string Verdict, string Operation, string Entry, string Target, string Program, long Count)
{
    public JsonObject ToJson() => new()
    {
        ["container"] = Container, ["verdict"] = Verdict, ["operation"] = Operation, ["entry"] = Entry, ["target"] = Target, ["program"] = Program, ["count"] = Count,
    };

    public static SeenUse From(JsonObject use) => new(use["container"].Word() ?? "", use["verdict"].Word() ?? "", use["operation"].Word() ?? "", use["entry"].Word() ?? "", use["target"].Word() ?? "", use["program"].Word() ?? "", use["count"].Whole() ?? 1);

    /// <summary>
    /// Named as a manifest would: an address of a pod becomes the Service that leads to it at that port or else the pod's labels, a name that the network server printed for pods is theirs.
    /// </summary>
    public SeenUse Resolved(CompileContext cluster)
    {
        if (Entry.Split(' ') is ["connect", var protocol, "service", var pods, var number] && !CapabilityEntry.TryParse(Entry, out _)) return this with { Entry = $"connect {protocol} pods {pods} {number}" };
        if (!CapabilityEntry.TryParse(Entry, out var entry) || entry is not CapabilityEntry.ConnectRange { Network.PrefixLength: 32 } range || range.Ports.Count != 1) return this;
        var pod = cluster.Pods.FirstOrDefault(pod => pod.At("status", "podIP").Word() == range.Network.BaseAddress.ToString() && pod.At("status", "phase").Word() is "Running" or "Pending");
        if (pod is null) return this;
        int port = range.Ports.Ports.First();
        var labels = pod.At("metadata", "labels");
        var service = cluster.Services.Where(service => service.NamespaceOf() == pod.NamespaceOf() && service.At("spec", "selector") is JsonObject { Count: > 0 } selector && LabelSelector.Of(Pairs(selector)).Selects(labels))
            .SelectMany(service => service.At("spec", "ports").Objects().Where(item => (item["protocol"].Word() ?? "TCP").Equals(range.Protocol.ToString(), StringComparison.OrdinalIgnoreCase) && (item["targetPort"].Whole() ?? (item["targetPort"] is null ? item["port"].Whole() : null)) == port).Select(item => (service, Port: item["port"].Whole())))
            .FirstOrDefault();
        if (service is { service: { } found, Port: { } at }) return this with { Entry = new CapabilityEntry.ConnectService($"{found.NamespaceOf()}/{found.NameOf()}", (int)at, range.Protocol).ToString() };
        var own = Pairs(labels as JsonObject ?? []).Where(label => !Generated.Contains(label.Key)).ToList();
        return own.Count == 0 ? this : this with { Entry = new CapabilityEntry.ConnectPods(pod.NamespaceOf(), LabelSelector.Of(own), port, range.Protocol).ToString() };
    }

    /// <summary>Labels that controllers give single pods: the next pod has others.</summary>
    private static readonly string[] Generated = ["pod-template-hash", "controller-revision-hash", "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name", "pod-template-generation", "batch.kubernetes.io/job-completion-index"];

    private static IEnumerable<KeyValuePair<string, string>> Pairs(JsonObject labels) => labels.Select(label => KeyValuePair.Create(label.Key, label.Value.Word() ?? ""));
}

/// <summary>The uses in a record's status: each kind once. Pure.</summary>
public static class RecordedUses
{
    /// <summary>Kinds that find room in one record.</summary>
    public const int Most = 1_000;

    public static IReadOnlyList<SeenUse> Of(JsonObject record) => [.. record.At("status", "uses").Objects().Select(SeenUse.From)];

    /// <summary>Uses that no report told apart.</summary>
    public static long Dropped(JsonObject record) => record.At("status", "dropped").Whole() ?? 0;

    /// <summary>The status with more uses in it.</summary>
    public static JsonObject With(JsonNode? status, IEnumerable<SeenUse> more)
    {
        var made = (JsonObject)(status?.DeepClone() ?? new JsonObject());
        var uses = new List<SeenUse>(made["uses"].Objects().Select(SeenUse.From));
        var places = uses.Select((use, place) => (Key: use with { Count = 0 }, place)).ToDictionary(pair => pair.Key, pair => pair.place);
        long dropped = made["dropped"].Whole() ?? 0;
        foreach (var use in more)
        {
            var key = use with { Count = 0 };
            if (places.TryGetValue(key, out int place)) uses[place] = uses[place] with { Count = uses[place].Count + use.Count };
            else if (uses.Count >= Most) dropped += use.Count;
            else
            {
                places[key] = uses.Count;
                uses.Add(use);
            }
        }
        made["uses"] = new JsonArray([.. uses.Select(use => (JsonNode)use.ToJson())]);
        if (dropped > 0) made["dropped"] = dropped;
        return made;
    }
}
