using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>The PermissionSet beyond which nobody of a namespace is granted anything, as others than the pod itself look at it. Pure.</summary>
/// <param name="Name">Of the PermissionSet.</param>
/// <param name="Spec">What it declares; null: it is not there, and allows nothing.</param>
internal sealed record NamespaceCeiling(string Name, JsonNode? Spec)
{
    /// <returns>null: the namespace has none.</returns>
    public static NamespaceCeiling? Of(CompileContext context, string home) =>
        context.Namespaces.FirstOrDefault(item => item.NameOf() == home).At("metadata", "annotations").At(Surroundings.Ceiling).Word() is not { Length: > 0 } name ? null
            : new NamespaceCeiling(name, context.PermissionSets.FirstOrDefault(set => set.NamespaceOf() == home && set.NameOf() == name).At("spec"));

    /// <summary>Why a peer does not take a caller whom it would take by its own word.</summary>
    public string Refusal(string home) => $"the ceiling of namespace {home}, PermissionSet \"{Name}\", does not let it";
}
