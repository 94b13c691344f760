using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.CustomResources;

/// <summary>The status of every CustomResourceDefinition: whether its names are free, and since when it is served. Pure.</summary>
public static class DefinitionStatus
{
    public const string NamesAccepted = "NamesAccepted", Established = "Established", Terminating = "Terminating";

    /// <summary>Every definition with the status it should have. Whoever was accepted first keeps its names.</summary>
    /// <param name="definitions">All of them.</param>
    /// <param name="standard">Kinds that are there anyway.</param>
    /// <param name="time">Now, RFC 3339, for conditions that change.</param>
    public static IReadOnlyList<JsonObject> Decide(IEnumerable<JsonObject> definitions, IReadOnlyList<ResourceKind> standard, string time)
    {
        var plurals = new HashSet<(string Group, string Name)>();
        var kinds = new HashSet<(string Group, string Name)>();
        foreach (var kind in standard)
        {
            plurals.UnionWith(new[] { kind.Plural, kind.Singular }.Concat(kind.ShortNames).Select(name => (kind.Group, name)));
            kinds.UnionWith([(kind.Group, kind.Kind), (kind.Group, kind.ListKind)]);
        }
        return [.. definitions.OrderBy(definition => Definition.Is(definition, NamesAccepted) ? 0 : 1).ThenBy(definition => definition.Metadata().Text("creationTimestamp"), StringComparer.Ordinal)
            .ThenBy(definition => definition.Metadata().Text("name"), StringComparer.Ordinal).Select(definition => Decided(definition, plurals, kinds, time))];
    }

    private static JsonObject Decided(JsonObject definition, HashSet<(string, string)> plurals, HashSet<(string, string)> kinds, string time)
    {
        var made = (JsonObject)definition.DeepClone();
        var group = Definition.Group(made);
        var names = Fields.At(made, "spec.names") as JsonObject ?? [];
        var (plural, singular, kind, list) = (names.Text("plural") ?? "", names.Text("singular") ?? "", names.Text("kind") ?? "", names.Text("listKind") ?? "");
        var shorts = Definition.List(names, "shortNames");
        (string Reason, string Name)? taken = null;
        foreach (var (reason, name, held) in new[] { ("PluralConflict", plural, plurals), ("SingularConflict", singular, plurals), ("KindConflict", kind, kinds), ("ListKindConflict", list, kinds) }.Concat(shorts.Select(name => ("ShortNamesConflict", name, plurals))))
            if (taken is null && held.Contains((group, name))) taken = (reason, name);
        if (taken is null)
        {
            plurals.UnionWith(new[] { plural, singular }.Concat(shorts).Select(name => (group, name)));
            kinds.UnionWith([(group, kind), (group, list)]);
            Fields.Set(made, "status.acceptedNames", names.DeepClone());
            Set(made, NamesAccepted, "True", "NoConflicts", "no conflicts found", time);
            Set(made, Established, "True", "InitialNamesAccepted", "the initial names have been accepted", time);
        }
        else
        {
            if (Fields.At(made, "status.acceptedNames") is null) Fields.Set(made, "status.acceptedNames", new JsonObject { ["kind"] = "", ["plural"] = "" });
            Set(made, NamesAccepted, "False", taken.Value.Reason, $"\"{taken.Value.Name}\" is already in use", time);
            if (!Definition.Is(made, Established)) Set(made, Established, "False", "NotAccepted", "not all names are accepted", time);
        }
        if (made.Metadata()["deletionTimestamp"] is not null) Set(made, Terminating, "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress", time);
        StoredVersions(made);
        return made;
    }

    /// <summary>Versions that objects may still be stored at: every storage version there was.</summary>
    private static void StoredVersions(JsonObject definition)
    {
        var stored = (Fields.At(definition, "status.storedVersions") as JsonArray ?? []).Select(version => version?.ToString()).ToList();
        if (Definition.Versions(definition).FirstOrDefault(version => Definition.Truth(version, "storage"))?.Text("name") is { } storage && !stored.Contains(storage)) stored.Add(storage);
        Fields.Set(definition, "status.storedVersions", new JsonArray([.. stored.Select(version => (JsonNode?)version)]));
    }

    private static void Set(JsonObject definition, string type, string status, string reason, string message, string time)
    {
        if (Fields.At(definition, "status.conditions") is not JsonArray conditions) Fields.Set(definition, "status.conditions", conditions = []);
        var old = conditions.OfType<JsonObject>().FirstOrDefault(condition => condition.Text("type") == type);
        if (old?.Text("status") == status && old.Text("reason") == reason && old.Text("message") == message) return;
        var made = new JsonObject { ["type"] = type, ["status"] = status, ["lastTransitionTime"] = old?.Text("status") == status ? old.Text("lastTransitionTime") ?? time : time, ["reason"] = reason, ["message"] = message };
        if (old is null) conditions.Add(made);
        else conditions[conditions.IndexOf(old)] = made;
    }
}
