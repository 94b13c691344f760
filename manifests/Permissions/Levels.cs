using System.Text.Json.Nodes;

namespace Eyrie.Manifests.Permissions;

/// <summary>
/// What becomes of a use that no grant allows, by the label of the namespace: <c>enforce</c> refuses it, <c>audit</c> lets it through and records it, <c>off</c> lets it through. A record of a workload is an audit of
/// its pods. None of them goes beyond the namespace's ceiling, and none takes a grant away. Pure.
/// </summary>
public static class Levels
{
    public const string Label = "eyrie.dev/permissions";

    /// <summary>What holds for a pod; null: what it was granted, and no more.</summary>
    internal static Level? Of(JsonObject pod, CompileContext context, Declaration? bound, List<PermissionError> errors)
    {
        var home = pod.NamespaceOf();
        var level = context.Namespaces.FirstOrDefault(item => item.NameOf() == home).At("metadata", "labels").At(Label);
        var source = new SourceLocation($"metadata.labels[{Label}]", Object: "namespace/" + home);
        bool audited = level.Word() == "audit", off = level.Word() == "off";
        if (level is not null && !audited && !off && level.Word() != "enforce") errors.Add(new PermissionError(source, $"{level.ToJsonString()} is no level; known are enforce, audit, off"));
        if (context.PermissionRecords.FirstOrDefault(record => record.NamespaceOf() == home && PermissionRecord.Runs(record) && PermissionRecord.Of(record).Has(pod)) is { } running)
            (audited, source) = (true, new SourceLocation("spec.workload", Object: $"permissionrecord/{home}/{running.NameOf()}"));
        return audited || off ? new Level(audited, source, bound) : null;
    }
}

/// <summary>A level that goes beyond what is granted.</summary>
/// <param name="Audited">It is recorded; otherwise nothing is.</param>
/// <param name="Source">Who says so.</param>
/// <param name="Bound">The namespace's ceiling; null: there is none.</param>
internal sealed record Level(bool Audited, SourceLocation Source, Declaration? Bound)
{
    private static readonly CapabilityEntry[] Everything = [new CapabilityEntry.ConnectAny(), new CapabilityEntry.ListenAny(), new CapabilityEntry.Files("/", true)];

    /// <summary>Entries beyond those that every container of the pod was granted: everything, or what the ceiling allows of it.</summary>
    public IEnumerable<ExplainedEntry> OfPod() => Explained(Bound is null ? Everything
        : Named().Where(entry => entry is CapabilityEntry.ConnectService or CapabilityEntry.ConnectPods or CapabilityEntry.ConnectRange or CapabilityEntry.ConnectHost or CapabilityEntry.Listen or CapabilityEntry.Files { Writable: true }).Distinct());

    /// <summary>
    /// Entries beyond those of one container that narrow what is open without: the programs that it may execute, and, where that is recorded, the number of its processes. A limit that
    /// is not recorded stays: it is no permission but a share of the node.
    /// </summary>
    /// <param name="granted">What the container was granted.</param>
    public IEnumerable<ExplainedEntry> OfContainer(IReadOnlyList<ExplainedEntry> granted)
    {
        var held = granted.Select(entry => CapabilityEntry.TryParse(entry.Entry, out var parsed) ? parsed : null).OfType<CapabilityEntry>().ToList();
        var beyond = new List<CapabilityEntry>();
        if (held.OfType<CapabilityEntry.Execute>().Any())
            beyond.AddRange(Named().OfType<CapabilityEntry.Execute>().DefaultIfEmpty(new CapabilityEntry.Execute("/")).Where(program => !held.Contains(program)).Distinct());
        var most = Bound?.Processes?.Limit ?? ProcessLimit.Of(Declaration.DefaultProcesses, null)!;
        if (Audited && held.OfType<CapabilityEntry.Quota>().FirstOrDefault() is { } quota && !most.IsWithin(quota.Limit)) beyond.Add(quota with { Limit = most });
        return Explained(beyond);
    }

    private IEnumerable<CapabilityEntry> Named() => Bound?.Entries.Select(entry => CapabilityEntry.TryParse(entry.Entry, out var parsed) ? parsed : null).OfType<CapabilityEntry>() ?? [];

    private IEnumerable<ExplainedEntry> Explained(IEnumerable<CapabilityEntry> entries) => entries.Select(entry => new ExplainedEntry((Audited ? new CapabilityEntry.Audit(entry) : entry).ToString(), Source));
}
