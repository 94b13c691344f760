using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Apply;

/// <summary>Who manages which fields of an object: one entry of metadata.managedFields.</summary>
public sealed record Manager(string Name, string Operation, string Subresource);

/// <summary>metadata.managedFields, read and written.</summary>
public sealed class ManagedFields
{
    public const string Apply = "Apply", Update = "Update", BeforeFirstApply = "before-first-apply";

    private readonly Dictionary<Manager, (FieldSet Fields, string ApiVersion, string? Time)> _entries = [];

    public IEnumerable<Manager> Managers => _entries.Keys;

    public bool IsEmpty => _entries.Count == 0;

    public FieldSet this[Manager manager] => _entries.TryGetValue(manager, out var entry) ? entry.Fields : FieldSet.Empty;

    public string ApiVersionOf(Manager manager) => _entries[manager].ApiVersion;

    public string? TimeOf(Manager manager) => _entries[manager].Time;

    public static ManagedFields Of(JsonObject? document)
    {
        var made = new ManagedFields();
        foreach (var entry in (document?.Metadata()["managedFields"] as JsonArray ?? []).OfType<JsonObject>())
        {
            var manager = new Manager(entry.Text("manager") ?? "", entry.Text("operation") ?? Update, entry.Text("subresource") ?? "");
            made._entries[manager] = (FieldSet.Parse(entry["fieldsV1"]), entry.Text("apiVersion") ?? "", entry.Text("time"));
        }
        return made;
    }

    /// <summary>Sets what a manager manages; nothing left removes it. The time stays when the fields do.</summary>
    public void Set(Manager manager, FieldSet fields, string apiVersion, string time)
    {
        if (fields.IsEmpty) _entries.Remove(manager);
        else if (!_entries.TryGetValue(manager, out var old) || !old.Fields.Equals(fields)) _entries[manager] = (fields, apiVersion, time);
    }

    public void Write(JsonObject document)
    {
        if (IsEmpty) { document.Metadata().Remove("managedFields"); return; }
        document.Metadata()["managedFields"] = new JsonArray([.. _entries.OrderBy(entry => entry.Key.Operation == Apply ? 0 : 1).ThenBy(entry => entry.Value.Time, StringComparer.Ordinal).ThenBy(entry => entry.Key.Name, StringComparer.Ordinal).Select(entry =>
        {
            var made = new JsonObject
            {
                ["manager"] = entry.Key.Name, ["operation"] = entry.Key.Operation, ["apiVersion"] = entry.Value.ApiVersion, ["time"] = entry.Value.Time, ["fieldsType"] = "FieldsV1", ["fieldsV1"] = entry.Value.Fields.ToJson(),
            };
            if (entry.Key.Subresource.Length > 0) made["subresource"] = entry.Key.Subresource;
            return made;
        })]);
    }
}
