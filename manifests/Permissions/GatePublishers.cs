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
        bool served = false;
        foreach (var pod in context.Pods.Where(pod => pod.NamespaceOf() == home && Publishes(pod, context)))
        {
            var declared = Declared(pod, context);
            if (!declared.OfType<CapabilityEntry.GateServe>().Any(entry => entry.Gate == gate)) continue;
            served = true;
            var accepted = declared.OfType<CapabilityEntry.GateAccept>().Where(entry => entry.Gate == gate).ToList();
            bool taken = accepted.Count == 0 ? caller == home : accepted.Any(entry => entry.Namespace == caller && entry.Pods.Selects(labels));
            if (!taken) return $"pod {home}/{pod.NameOf()} does not accept this pod (`publish`)";
        }
        return served || caller == home ? null : $"no pod of namespace {home} serves it, and only one that does can accept a pod of another namespace";
    }

    /// <summary>Whether a pod serves a gate of this name.</summary>
    public static bool Serves(JsonObject pod, string gate, CompileContext context) => pod.NamespaceOf() == gate.Split('/')[0] && Declared(pod, context).Any(entry => entry is CapabilityEntry.GateServe serve && serve.Gate == gate);

    /// <summary>Whether a pod has any gate to serve.</summary>
    public static bool Publishes(JsonObject pod, CompileContext context) => Permissions(pod).Any(permissions => permissions["publish"] is not null || Sets(pod, permissions, context).Any(set => set.At("publish") is not null));

    private static IEnumerable<JsonNode> Permissions(JsonObject pod) => pod.At("spec", "containers").Objects().Select(container => container["permissions"]).OfType<JsonObject>();

    private static IEnumerable<JsonNode?> Sets(JsonObject pod, JsonNode permissions, CompileContext context) => permissions["sets"] is JsonArray names
        ? context.PermissionSets.Where(set => set.NamespaceOf() == pod.NamespaceOf() && names.Any(name => name.Word() == set.NameOf())).Select(set => set.At("spec")) : [];

    private static List<CapabilityEntry> Declared(JsonObject pod, CompileContext context) =>
    [
        .. Permissions(pod).SelectMany(permissions => Sets(pod, permissions, context).Prepend(permissions)).Where(source => source.At("publish") is JsonArray)
            .SelectMany(source => new DeclarationReader(pod.NamespaceOf(), "", []).Read(new JsonObject { ["publish"] = source.At("publish")!.DeepClone() }, "").Entries)
            .Select(entry => CapabilityEntry.TryParse(entry.Entry, out var parsed) ? parsed : null).OfType<CapabilityEntry>(),
    ];
}
