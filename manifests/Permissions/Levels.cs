using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>
/// What becomes of a use that no grant allows, by the label of the namespace: <c>enforce</c> refuses it, <c>audit</c> lets it through and records it, <c>off</c> lets it through. A record of a workload is an audit of
/// its pods. None of them goes beyond the namespace's ceiling, and none takes a grant away. Pure.
/// </summary>
public static class Levels
{
    public const string Label = "eyrie.dev/permissions";

    private static readonly CapabilityEntry[] Everything = [new CapabilityEntry.ConnectAny(), new CapabilityEntry.ListenAny(), new CapabilityEntry.Files("/", true)];

    /// <summary>Entries beyond what the pod was granted, with where they come from.</summary>
    internal static IEnumerable<ExplainedEntry> Beyond(JsonObject pod, CompileContext context, Declaration? bound, List<PermissionError> errors)
    {
        var home = pod.NamespaceOf();
        var level = context.Namespaces.FirstOrDefault(item => item.NameOf() == home).At("metadata", "labels").At(Label);
        var source = new SourceLocation($"metadata.labels[{Label}]", Object: "namespace/" + home);
        bool audited = level.Word() == "audit", off = level.Word() == "off";
        if (level is not null && !audited && !off && level.Word() != "enforce") errors.Add(new PermissionError(source, $"{level.ToJsonString()} is no level; known are enforce, audit, off"));
        if (context.PermissionRecords.FirstOrDefault(record => record.NamespaceOf() == home && PermissionRecord.Runs(record) && PermissionRecord.Of(record).Has(pod)) is { } running)
            (audited, source) = (true, new SourceLocation("spec.workload", Object: $"permissionrecord/{home}/{running.NameOf()}"));
        if (!audited && !off) return [];
        return Within(bound).Select(entry => new ExplainedEntry((audited ? new CapabilityEntry.Audit(entry) : entry).ToString(), source));
    }

    /// <summary>Everything, or what the ceiling allows of it.</summary>
    private static IEnumerable<CapabilityEntry> Within(Declaration? bound) => bound is null ? Everything
        : bound.Entries.Select(entry => CapabilityEntry.TryParse(entry.Entry, out var parsed) ? parsed : null).OfType<CapabilityEntry>()
            .Where(entry => entry is CapabilityEntry.ConnectService or CapabilityEntry.ConnectPods or CapabilityEntry.ConnectRange or CapabilityEntry.ConnectHost or CapabilityEntry.Listen or CapabilityEntry.Files { Writable: true }).Distinct();
}
