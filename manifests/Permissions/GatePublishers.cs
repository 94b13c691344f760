using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>Which pods serve a gate, and whether they take a caller. Pure.</summary>
public static class GatePublishers
{
    /// <summary>null: whoever serves the gate takes the caller; otherwise why not. A gate of another namespace must name its callers, and so be there.</summary>
    /// <param name="context">The cluster; of <see cref="CompileContext.Nothing"/> nothing is known, and nobody refuses.</param>
    /// <param name="gate"><c>namespace/name</c>.</param>
    /// <param name="caller">Namespace of the calling pod.</param>
    /// <param name="labels">Its labels.</param>
    internal static string? Refusing(CompileContext context, string gate, string caller, JsonNode? labels)
    {
        if (ReferenceEquals(context, CompileContext.Nothing)) return null;
        var home = gate.Split('/')[0];
        var ceiling = NamespaceCeiling.Of(context, home);
        var most = ceiling?.Spec is { } spec ? Read(spec, home) : [];
        bool served = false;
        foreach (var pod in context.Pods.Where(pod => pod.NamespaceOf() == home && Publishes(pod, context)))
        {
            var declared = Declared(pod, context);
            if (!declared.OfType<CapabilityEntry.GateServe>().Any(entry => entry.Gate == gate)) continue;
            served = true;
            if (!Takes(declared, gate, caller, labels)) return $"pod {home}/{pod.NameOf()} does not accept this pod (`publish`)";
            if (ceiling is not null && !Takes(most, gate, caller, labels)) return $"pod {home}/{pod.NameOf()} does not accept this pod: {ceiling.Refusal(home)}";
        }
        return served || caller == home ? null : $"no pod of namespace {home} serves it, and only one that does can accept a pod of another namespace";
    }

    /// <summary>Whether declarations take a caller; those that name nobody for the gate take the pods of its own namespace.</summary>
    private static bool Takes(List<CapabilityEntry> declared, string gate, string caller, JsonNode? labels)
    {
        var named = Accepted(declared, gate);
        return named.Count == 0 ? caller == gate.Split('/')[0] : named.Any(entry => entry.Namespace == caller && entry.Pods.Selects(labels));
    }

    private static List<CapabilityEntry.GateAccept> Accepted(IEnumerable<CapabilityEntry> entries, string gate) => [.. entries.OfType<CapabilityEntry.GateAccept>().Where(entry => entry.Gate == gate)];

    /// <summary>Whether a ceiling lets a pod accept a caller of a gate: one that names none for it leaves the pods of the gate's own namespace.</summary>
    internal static bool IsWithin(Declaration ceiling, CapabilityEntry.GateAccept accept)
    {
        var most = Accepted(Entries(ceiling.Entries), accept.Gate);
        return most.Count == 0 ? accept.Namespace == accept.Gate.Split('/')[0] : most.Any(wide => Coverage.Covers(wide, accept));
    }

    /// <summary>Whom a container that serves gates and names no callers accepts, because its namespace's ceiling does.</summary>
    internal static IEnumerable<ExplainedEntry> TakenBy(Declaration ceiling, IReadOnlyList<ExplainedEntry> set)
    {
        var held = Entries(set).ToList();
        var unsaid = held.OfType<CapabilityEntry.GateServe>().Select(serve => serve.Gate).Where(gate => Accepted(held, gate).Count == 0).ToHashSet();
        return ceiling.Entries.Where(entry => CapabilityEntry.TryParse(entry.Entry, out var parsed) && parsed is CapabilityEntry.GateAccept accept && unsaid.Contains(accept.Gate)).Select(entry => entry with { Name = "" });
    }

    private static IEnumerable<CapabilityEntry> Entries(IEnumerable<ExplainedEntry> lines) => lines.Select(entry => CapabilityEntry.TryParse(entry.Entry, out var parsed) ? parsed : null).OfType<CapabilityEntry>();

    /// <summary>Whether a pod serves a gate of this name.</summary>
    public static bool Serves(JsonObject pod, string gate, CompileContext context) => pod.NamespaceOf() == gate.Split('/')[0] && Declared(pod, context).Any(entry => entry is CapabilityEntry.GateServe serve && serve.Gate == gate);

    /// <summary>Whether a pod has any gate to serve.</summary>
    public static bool Publishes(JsonObject pod, CompileContext context) => Permissions(pod).Any(permissions => permissions["publish"] is not null || Sets(pod, permissions, context).Any(set => set.At("publish") is not null));

    private static IEnumerable<JsonNode> Permissions(JsonObject pod) => pod.At("spec", "containers").Objects().Select(container => container["permissions"]).OfType<JsonObject>();

    private static IEnumerable<JsonNode?> Sets(JsonObject pod, JsonNode permissions, CompileContext context) => permissions["sets"] is JsonArray names
        ? context.PermissionSets.Where(set => set.NamespaceOf() == pod.NamespaceOf() && names.Any(name => name.Word() == set.NameOf())).Select(set => set.At("spec")) : [];

    private static List<CapabilityEntry> Declared(JsonObject pod, CompileContext context) => [.. Permissions(pod).SelectMany(permissions => Sets(pod, permissions, context).Prepend(permissions)).SelectMany(source => Read(source, pod.NamespaceOf()))];

    private static List<CapabilityEntry> Read(JsonNode? source, string home) => source.At("publish") is not JsonArray publish ? []
        : [.. Entries(new DeclarationReader(home, "", []).Read(new JsonObject { ["publish"] = publish.DeepClone() }, "").Entries)];
}
