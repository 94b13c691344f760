using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Schemas;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Apply;

/// <summary>The rules of managed fields: what a write gives to its manager and takes from others, and what server-side apply makes of an object. Pure: the time is an argument.</summary>
public static class Ownership
{
    /// <summary>Fields that belong to nobody: what names the object, and what the system keeps.</summary>
    private static readonly string[] Unowned = ["name", "namespace", "generateName", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "managedFields"];

    private const int MostUpdaters = 10;

    /// <summary>The part of a document that may have managers: not its name, and of spec and status only what the path of the write reaches.</summary>
    private static JsonObject Owned(JsonObject document, string subresource, bool statusApart)
    {
        var made = new JsonObject();
        foreach (var (name, value) in document)
        {
            if (name is "apiVersion" or "kind") continue;
            if (subresource == "status" ? name is not ("status" or "metadata") : statusApart && name == "status") continue;
            made[name] = value?.DeepClone();
        }
        if (made["metadata"] is JsonObject metadata)
        {
            foreach (var name in Unowned) metadata.Remove(name);
            if (subresource == "status" || metadata.Count == 0) made.Remove("metadata");
        }
        return made;
    }

    /// <summary>A create, update or patch: what it changed is its manager's from now on and nobody else's; what it removed is nobody's.</summary>
    /// <param name="kind">Kind of both documents.</param>
    /// <param name="schema">Its schema.</param>
    /// <param name="stored">What was there; null: nothing.</param>
    /// <param name="document">What will be; gets managedFields.</param>
    /// <param name="manager">Who writes.</param>
    /// <param name="time">Now, RFC 3339.</param>
    public static void Record(ResourceKind kind, Schema schema, JsonObject? stored, JsonObject document, Manager manager, string time)
    {
        // A client that sends an empty list asks to forget the managers.
        bool reset = document.Metadata()["managedFields"] is JsonArray { Count: 0 } || (document.Metadata()["managedFields"] is JsonArray { Count: 1 } one && one[0] is JsonObject { Count: 0 });
        var fields = reset ? new ManagedFields() : ManagedFields.Of(stored);
        if (reset) { document.Metadata().Remove("managedFields"); return; }
        var (changed, removed) = Structure.Compare(schema, stored is null ? new JsonObject() : Owned(stored, manager.Subresource, kind.HasStatus), Owned(document, manager.Subresource, kind.HasStatus));
        if (!changed.IsEmpty || !removed.IsEmpty)
        {
            foreach (var other in fields.Managers.Where(other => other != manager).ToList()) fields.Set(other, fields[other].Except(changed).ExceptBelow(removed), kind.ApiVersion, time);
            fields.Set(manager, fields[manager].ExceptBelow(removed).Union(changed), kind.ApiVersion, time);
            Collapse(fields, kind, time);
        }
        fields.Write(document);
    }

    /// <summary>Many managers that updated long ago become one, so that the list does not grow without end.</summary>
    private static void Collapse(ManagedFields fields, ResourceKind kind, string time)
    {
        var updaters = fields.Managers.Where(manager => manager.Operation == ManagedFields.Update && manager.Subresource.Length == 0).ToList();
        if (updaters.Count <= MostUpdaters) return;
        var ancient = new Manager("ancient-changes", ManagedFields.Update, "");
        foreach (var old in updaters.Take(updaters.Count - MostUpdaters + 1).Where(old => old != ancient))
        {
            fields.Set(ancient, fields[ancient].Union(fields[old]), kind.ApiVersion, time);
            fields.Set(old, FieldSet.Empty, kind.ApiVersion, time);
        }
    }

    /// <summary>
    /// Server-side apply: what is applied is laid over what is there; fields that this manager applied before and does not any more go, unless another manages them.
    /// </summary>
    /// <returns>The merged document with its managers. When nothing but time would differ, as it was.</returns>
    /// <exception cref="StatusException">409: others manage fields that would change, and it is not forced.</exception>
    public static JsonObject Apply(ResourceKind kind, Schema schema, JsonObject? stored, JsonObject applied, Manager manager, bool force, string time)
    {
        var live = stored ?? new JsonObject { ["apiVersion"] = kind.ApiVersion, ["kind"] = kind.Kind };
        var fields = ManagedFields.Of(stored);
        if (stored is not null && fields.IsEmpty)
            fields.Set(new Manager(ManagedFields.BeforeFirstApply, ManagedFields.Update, ""), Structure.SetOf(schema, Owned(stored, "", kind.HasStatus)), kind.ApiVersion, stored.Metadata().Text("creationTimestamp") ?? time);
        var mine = Owned(applied, manager.Subresource, kind.HasStatus);
        var wanted = mine.Count == 0 ? FieldSet.Empty : Structure.SetOf(schema, mine);
        var merged = (JsonObject)Structure.Merge(schema, live, Reached(applied, mine))!;
        var others = fields.Managers.Where(other => other != manager).ToList();
        var (changed, _) = Structure.Compare(schema, Owned(live, manager.Subresource, kind.HasStatus), Owned(merged, manager.Subresource, kind.HasStatus));
        var conflicts = others.Select(other => (Manager: other, Fields: fields[other].Intersection(changed))).Where(conflict => !conflict.Fields.IsEmpty).ToList();
        if (conflicts.Count > 0 && !force) throw Conflict(conflicts, fields);
        foreach (var conflict in conflicts) fields.Set(conflict.Manager, fields[conflict.Manager].Except(conflict.Fields), kind.ApiVersion, time);
        var kept = others.Aggregate(wanted.WithParents(), (all, other) => all.Union(fields[other].WithParents()));
        merged = (JsonObject)Structure.Remove(schema, merged, fields[manager].WithParents().Except(kept))!;
        fields.Set(manager, wanted, kind.ApiVersion, time);
        fields.Write(merged);
        return merged;
    }

    /// <summary>What an apply lays over the object: the fields it may own, and the object's name.</summary>
    private static JsonObject Reached(JsonObject applied, JsonObject owned)
    {
        var made = (JsonObject)owned.DeepClone();
        foreach (var name in new[] { "apiVersion", "kind" }) made[name] = applied[name]?.DeepClone();
        foreach (var name in new[] { "name", "namespace" })
            if (applied.Metadata()[name] is { } value) made.Metadata()[name] = value.DeepClone();
        return made;
    }

    private static StatusException Conflict(List<(Manager Manager, FieldSet Fields)> conflicts, ManagedFields fields)
    {
        var causes = conflicts.SelectMany(conflict => conflict.Fields.Paths().Select(path => (conflict.Manager, Path: path))).ToList();
        string By(Manager manager) => $"\"{manager.Name}\"" + (manager.Operation == ManagedFields.Update ? " using " + fields.ApiVersionOf(manager) : "") + (fields.TimeOf(manager) is { } at && manager.Operation == ManagedFields.Update ? " at " + at : "");
        var lines = causes.Count == 1 ? $"conflict with {By(causes[0].Manager)}: {causes[0].Path}"
            : $"conflicts with {string.Join(" and ", conflicts.Select(conflict => By(conflict.Manager) + ":\n" + string.Join('\n', conflict.Fields.Paths().Select(path => "- " + path))))}";
        return new StatusException(409, "Conflict", $"Apply failed with {causes.Count} conflict{(causes.Count == 1 ? "" : "s")}: {lines}")
        {
            Details = new JsonObject { ["causes"] = new JsonArray([.. causes.Select(cause => new JsonObject { ["reason"] = "FieldManagerConflict", ["message"] = "conflict with " + By(cause.Manager), ["field"] = cause.Path })]) },
        };
    }
}
