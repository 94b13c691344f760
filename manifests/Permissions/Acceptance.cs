using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>
/// Who may connect to a pod: whom its containers' <c>accept</c> names, that of their PermissionSets and of the namespace's defaults, and the NetworkPolicies that select it, together; and of those nobody
/// whom the namespace's ceiling does not name. It takes effect in the sets of those who connect. Pure.
/// </summary>
/// <param name="context">The cluster.</param>
public sealed class Acceptance(CompileContext context)
{
    private readonly NetworkPolicies _policies = new(context);
    private readonly Dictionary<string, (JsonNode? Defaults, List<CapabilityEntry.Accept> Most)> _homes = [];

    /// <summary>Whether only those connect whom something names.</summary>
    public bool IsClosed(JsonObject pod) => Says(pod) || Most(pod.NamespaceOf()).Count > 0;

    /// <summary>Those who may, however many they are; null: everybody who was granted the connection.</summary>
    /// <param name="pod">The pod, or namespace and labels of one that is not there yet.</param>
    public IReadOnlyList<CapabilityEntry.Accept>? Of(JsonObject pod)
    {
        var most = Most(pod.NamespaceOf());
        return Own(pod) is not { } named ? most.Count > 0 ? most : null : [.. named.Where(rule => most.Count == 0 || most.Any(wide => Coverage.Covers(wide, rule)))];
    }

    /// <summary>null: the pod takes the caller; otherwise why not.</summary>
    /// <param name="pod">See <see cref="Of"/>.</param>
    /// <param name="takes">Whether a rule lets the caller in.</param>
    internal string? Refusing(JsonObject pod, Func<CapabilityEntry.Accept, bool> takes)
    {
        if (Of(pod) is not { } accepted || accepted.Any(takes)) return null;
        var home = pod.NamespaceOf();
        return (Own(pod)?.Any(takes) ?? true) && NamespaceCeiling.Of(context, home) is { } ceiling ? ": " + ceiling.Refusal(home) : " (NetworkPolicy ingress, or `accept`)";
    }

    /// <summary>Those whom the pod and its policies name; null: nothing says who may connect.</summary>
    private List<CapabilityEntry.Accept>? Own(JsonObject pod)
    {
        var home = pod.NamespaceOf();
        return !Says(pod) ? null : [.. Rules(_policies.Of(home, pod.At("metadata", "labels"))).Concat(Declared(pod).SelectMany(declaration => Read(declaration, home)))];
    }

    /// <summary>Whether the pod, or a policy that selects it, says who may connect, be it nobody.</summary>
    internal bool Says(JsonObject pod) => Declared(pod).Any(declaration => declaration.At("accept") is JsonArray) || _policies.Isolates(pod.NamespaceOf(), pod.At("metadata", "labels"));

    /// <summary>Whom a namespace's ceiling names; empty: it says nothing of it.</summary>
    private List<CapabilityEntry.Accept> Most(string home) => Home(home).Most;

    private IEnumerable<JsonNode?> Declared(JsonObject pod)
    {
        var home = pod.NamespaceOf();
        foreach (var permissions in pod.At("spec", "containers").Objects().Select(container => container["permissions"]))
        {
            yield return permissions;
            foreach (var name in permissions.At("sets") as JsonArray ?? []) yield return Set(home, name.Word());
        }
        if (pod.At("spec") is not null) yield return Home(home).Defaults;
    }

    /// <summary>What a namespace gives all of its pods, and how far it lets them go.</summary>
    private (JsonNode? Defaults, List<CapabilityEntry.Accept> Most) Home(string home)
    {
        if (_homes.TryGetValue(home, out var known)) return known;
        if (context.PermissionSets.Count == 0) return _homes[home] = (null, []);
        var annotations = context.Namespaces.FirstOrDefault(item => item.NameOf() == home).At("metadata", "annotations");
        return _homes[home] = (Set(home, annotations.At(Surroundings.Defaults).Word()), Read(NamespaceCeiling.Of(context, home)?.Spec, home));
    }

    private JsonNode? Set(string home, string? name) => name is null ? null : context.PermissionSets.FirstOrDefault(set => set.NamespaceOf() == home && set.NameOf() == name).At("spec");

    private static List<CapabilityEntry.Accept> Read(JsonNode? declaration, string home) => declaration.At("accept") is JsonArray accept
        ? [.. Rules(new DeclarationReader(home, "", []).Read(new JsonObject { ["accept"] = accept.DeepClone() }, "").Entries)] : [];

    private static IEnumerable<CapabilityEntry.Accept> Rules(IEnumerable<ExplainedEntry> entries) => entries.Select(entry => CapabilityEntry.TryParse(entry.Entry, out var parsed) ? parsed : null).OfType<CapabilityEntry.Accept>();
}
