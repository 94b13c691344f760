using System.Globalization;
using System.Text.Json.Nodes;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>The indexes of an indexed Job that have failed for good, and how often each has failed: a pod carries how many failed before it. Pure.</summary>
public sealed class JobIndexes
{
    public const string FailuresAnnotation = "batch.kubernetes.io/job-index-failure-count";

    private readonly Dictionary<int, (int Count, DateTimeOffset? Last)> _failures = [];

    /// <summary>Whether indexes fail by themselves: spec.backoffLimitPerIndex.</summary>
    public bool ByThemselves { get; }

    /// <summary>Those that will not be tried again.</summary>
    public SortedSet<int> Failed { get; }

    /// <param name="job">The Job.</param>
    /// <param name="failed">Its pods that failed, whether each counts, and whether the policy says that the index has failed with it. One that does not count still carries what failed before it.</param>
    public JobIndexes(JsonObject job, IEnumerable<(JsonObject Pod, bool Counts, bool Index)> failed)
    {
        var limit = job["spec"]!["backoffLimitPerIndex"];
        ByThemselves = limit is not null;
        Failed = JobProgress.Parse(job["status"]?["failedIndexes"]?.ToString());
        if (!ByThemselves) return;
        foreach (var (pod, counts, whole) in failed)
        {
            if (JobPlan.Index(pod) is not { } index) continue;
            int count = Before(pod) + (counts ? 1 : 0);
            if (count > Failures(index)) _failures[index] = (count, JobProgress.Ended(pod));
            if (whole || count > limit.Int()) Failed.Add(index);
        }
    }

    /// <summary>How often an index has failed.</summary>
    public int Failures(int index) => _failures.GetValueOrDefault(index).Count;

    /// <summary>When it failed last; null: never.</summary>
    public DateTimeOffset? FailedAt(int index) => _failures.GetValueOrDefault(index).Last;

    /// <summary>Whether a failed pod is the last of its index and the next is yet to be made: by it is known how often the index has failed.</summary>
    /// <param name="pod">The failed pod.</param>
    /// <param name="own">The Job's pods.</param>
    /// <param name="told">Indexes of which the status says that they have failed.</param>
    /// <param name="completed">Indexes that have succeeded.</param>
    public bool IsNeeded(JsonObject pod, IReadOnlyList<JsonObject> own, IReadOnlySet<int> told, IReadOnlySet<int> completed) => ByThemselves && JobPlan.Index(pod) is { } index && !told.Contains(index) && !completed.Contains(index)
        && !own.Any(other => JobTally.IsTracked(other) && JobPlan.Index(other) == index && Before(other) > Before(pod));

    private static int Before(JsonObject pod) => int.TryParse(pod.Annotation(FailuresAnnotation), CultureInfo.InvariantCulture, out int count) ? count : 0;
}
