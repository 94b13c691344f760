using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using k8s.Models;

namespace Eyrie.ControlPlane.Api;

/// <summary>Which fields of a document its schema does not know. Eyrie's own additions are known; maps and opaque objects take anything.</summary>
public static class UnknownFields
{
    public static IReadOnlyList<string> Find(ResourceKind kind, JsonObject document)
    {
        var found = new List<string>();
        if (Schemas.ModelOf(kind) is { } model) Walk(model, document, "", found);
        return found;
    }

    /// <summary>Removes what is unknown (fields named by <see cref="Find"/>), as a structural schema prunes.</summary>
    public static void Prune(ResourceKind kind, JsonObject document)
    {
        if (Schemas.ModelOf(kind) is { } model) Walk(model, document, "", null);
    }

    private static void Walk(Type model, JsonObject document, string path, List<string>? found)
    {
        foreach (var (name, value) in document.ToList())
        {
            var at = path.Length == 0 ? name : $"{path}.{name}";
            if (model == typeof(V1Container) && name == "permissions") continue; // its own checks are the permission compiler's
            if (Schemas.FieldOf(model, name) is not { } type)
            {
                if (found is null) document.Remove(name);
                else found.Add(at);
                continue;
            }
            if (Schemas.ElementOf(type) is { } element && Schemas.IsModel(element) && value is JsonArray items)
                for (int i = 0; i < items.Count; i++)
                    if (items[i] is JsonObject item) Walk(element, item, $"{at}[{i}]", found);
            if (Schemas.IsModel(type) && value is JsonObject inner) Walk(type, inner, at, found);
        }
    }
}
