using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Eyrie.Manifests.Permissions;

/// <summary>A workload of one namespace.</summary>
public sealed partial record WorkloadName(string Kind, string Namespace, string Name)
{
    public override string ToString() => $"{Kind.ToLowerInvariant()}/{Name}";

    /// <summary>Whether a pod is this workload's: itself, made by it, or by what it made (the ReplicaSet of a Deployment, the Job of a CronJob).</summary>
    public bool Has(JsonObject pod)
    {
        if (pod.NamespaceOf() != Namespace) return false;
        if (Kind == "Pod") return pod.NameOf() == Name;
        var owners = pod.At("metadata", "ownerReferences").Objects();
        var hash = pod.At("metadata", "labels").At("pod-template-hash").Word();
        return owners.Any(owner => (Kind, owner["kind"].Word()) switch
        {
            ("Deployment", "ReplicaSet") => hash is { Length: > 0 } && owner["name"].Word() == $"{Name}-{hash}",
            ("CronJob", "Job") => owner["name"].Word() is { } job && job.StartsWith(Name + "-", StringComparison.Ordinal) && Number().IsMatch(job[(Name.Length + 1)..]),
            var (kind, owning) => kind == owning && owner["name"].Word() == Name,
        });
    }

    [GeneratedRegex(@"^\d+\z")]
    private static partial Regex Number();
}

/// <summary>The kind PermissionRecord: for how long a workload runs in audit, and what it was seen to use.</summary>
public static class PermissionRecord
{
    public const string Recording = "Recording", Ended = "Ended";

    public static readonly IReadOnlyList<string> Workloads = ["CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "ReplicationController", "StatefulSet"];

    /// <summary>The one record that a workload has.</summary>
    public static string NameFor(WorkloadName workload) => $"{workload.Kind.ToLowerInvariant()}-{workload.Name}";

    public static WorkloadName Of(JsonObject record) => new(record.At("spec").At("workload", "kind").Word() ?? "", record.NamespaceOf(), record.At("spec").At("workload", "name").Word() ?? "");

    public static bool Runs(JsonObject record) => record.At("status", "phase").Word() != Ended;

    /// <summary>When it ends by itself.</summary>
    public static DateTimeOffset? Until(JsonObject record) => record.At("spec", "until").Word() is { } text && DateTimeOffset.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var time) ? time : null;

    /// <summary>What is wrong with a record, with the field.</summary>
    public static IEnumerable<PermissionError> Check(JsonObject record)
    {
        var workload = Of(record);
        if (!Workloads.Contains(workload.Kind)) yield return new PermissionError(new SourceLocation("spec.workload.kind"), $"\"{workload.Kind}\" has no pods; known are {string.Join(", ", Workloads)}");
        if (workload.Name.Length == 0) yield return new PermissionError(new SourceLocation("spec.workload.name"), "must be the name of a workload of this namespace");
        if (Until(record) is null) yield return new PermissionError(new SourceLocation("spec.until"), "must be the time when the record ends, such as 2026-01-31T12:00:00Z");
    }
}
