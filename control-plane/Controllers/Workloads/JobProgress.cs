using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>How a Job ends.</summary>
public sealed record JobEnd(bool Succeeded, string Reason, string Message);

/// <summary>What a Job's pods have come to; what was counted stays counted when pods are gone (<see cref="JobTally"/>). Pure.</summary>
/// <param name="Active">Pods that run or will; the oldest first.</param>
/// <param name="Terminating">Pods that are being deleted and have not ended.</param>
/// <param name="Completed">Indexes that have succeeded.</param>
/// <param name="FailedByPolicy">A failure that ends the Job; null: none.</param>
/// <param name="Restarts">Of containers of active pods.</param>
public sealed record JobProgress(List<JsonObject> Active, int Terminating, JobTally Tally, bool Indexed, SortedSet<int> Completed, JobIndexes Indexes, JobEnd? FailedByPolicy, int Restarts)
{
    private SortedSet<int> _busy = [];

    /// <summary>Indexes that no pod has done or does, and that have not failed for good.</summary>
    public IEnumerable<int> Missing => Enumerable.Range(0, Completions).Where(index => !Completed.Contains(index) && !_busy.Contains(index) && !Indexes.Failed.Contains(index));

    public int Succeeded => Indexed ? Completed.Count : Tally.Succeeded;

    private int Completions { get; init; }

    public static JobProgress Of(JsonObject job, List<JsonObject> own)
    {
        var spec = job["spec"]!;
        bool indexed = spec["completionMode"]?.ToString() == "Indexed";
        var lost = (job["status"]?["uncountedTerminatedPods"]?["failed"] as JsonArray ?? []).Select(uid => uid!.ToString()).ToHashSet(); // failed, also those that were deleted and say something else in the end
        var policies = own.Where(pod => pod.Phase() == "Failed").ToDictionary(pod => pod.Uid(), pod => PodFailurePolicy.Of(job, pod));
        PodEnd End(JsonObject pod) => lost.Contains(pod.Uid()) ? PodEnd.Failed : pod.Phase() switch
        {
            "Succeeded" => PodEnd.Succeeded,
            "Failed" => policies[pod.Uid()].Action == "Ignore" ? PodEnd.Ignored : PodEnd.Failed,
            _ => pod.IsDeleted() && (!AwaitsEnd(job) || pod.Metadata()["deletionGracePeriodSeconds"].Int() == 0) ? PodEnd.Failed : PodEnd.None,
        };
        var completed = Parse(job["status"]?["completedIndexes"]?.ToString());
        foreach (var pod in own.Where(pod => pod.Phase() == "Succeeded" && JobTally.IsTracked(pod) && !lost.Contains(pod.Uid())))
            if (JobPlan.Index(pod) is { } index && index < spec["completions"].Int()) completed.Add(index);
        var failed = own.Where(pod => JobTally.IsTracked(pod) && End(pod) == PodEnd.Failed).ToList(); // what the Job has let go is nothing to it any more
        var indexes = new JobIndexes(job, own.Where(pod => JobTally.IsTracked(pod) && End(pod) is (PodEnd.Failed or PodEnd.Ignored)).Select(pod => (pod, End(pod) == PodEnd.Failed, policies.GetValueOrDefault(pod.Uid()).Action == "FailIndex")));
        var told = Parse(job["status"]?["failedIndexes"]?.ToString());
        var fatal = failed.Select(pod => policies.GetValueOrDefault(pod.Uid())).FirstOrDefault(policy => policy.Action == "FailJob");
        var active = own.Where(pod => End(pod) == PodEnd.None && !pod.IsDeleted() && JobTally.IsTracked(pod)).OrderBy(pod => pod.Metadata().Text("creationTimestamp"), StringComparer.Ordinal).ThenBy(pod => pod.Name(), StringComparer.Ordinal).ToList();
        int restarts = spec["template"]?["spec"]?["restartPolicy"]?.ToString() == "OnFailure" ? active.Sum(Words.Restarts) : 0;
        return new JobProgress(active, own.Count(pod => pod.IsDeleted() && !pod.IsOver()), JobTally.Of(job, own, End, pod => End(pod) is (PodEnd.Failed or PodEnd.Ignored) && indexes.IsNeeded(pod, own, told, completed)), indexed, completed, indexes,
            fatal.Action is null ? null : new JobEnd(false, "PodFailurePolicy", fatal.Message), restarts)
        {
            _busy = [.. active.Select(JobPlan.Index).OfType<int>(), .. AwaitsEnd(job) ? own.Where(pod => pod.IsDeleted() && End(pod) == PodEnd.None).Select(JobPlan.Index).OfType<int>() : []], Completions = spec["completions"].Int(),
        };
    }

    /// <summary>Whether a pod that is being deleted is replaced only when it has ended: podReplacementPolicy, which a pod failure policy implies.</summary>
    public static bool AwaitsEnd(JsonObject job) => job["spec"]?["podReplacementPolicy"]?.ToString() is { } said ? said == "Failed" : job["spec"]?["podFailurePolicy"] is not null;

    /// <summary>Whether it is over now.</summary>
    public JobEnd? End(JsonObject job, DateTimeOffset? started, DateTimeOffset now)
    {
        var spec = job["spec"]!;
        if (FailedByPolicy is not null) return FailedByPolicy;
        int limit = spec["backoffLimit"] is { } said ? said.Int() : Indexes.ByThemselves ? int.MaxValue : 6;
        if (Tally.Failed > limit || (Restarts > 0 && Restarts > limit)) return new JobEnd(false, "BackoffLimitExceeded", "Job has reached the specified backoff limit");
        if (spec["activeDeadlineSeconds"].Int() is > 0 and var seconds && started is { } since && since.AddSeconds(seconds) <= now) return new JobEnd(false, "DeadlineExceeded", "Job was active longer than specified deadline");
        if (spec["maxFailedIndexes"] is { } most && Indexes.Failed.Count > most.Int()) return new JobEnd(false, "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes");
        if (JobSuccessPolicy.Met(job, Completed) is { } met) return new JobEnd(true, "SuccessPolicy", met);
        if (Indexes.Failed.Count > 0 && Completed.Union(Indexes.Failed).Count() >= Completions) return new JobEnd(false, "FailedIndexes", "Job has failed indexes");
        bool done = spec["completions"] is { } completions ? Succeeded >= completions.Int() : Succeeded > 0 && Active.Count == 0;
        return done ? new JobEnd(true, "CompletionsReached", "Reached expected number of succeeded pods") : null;
    }

    public static DateTimeOffset? Ended(JsonObject pod) => (pod["status"]?["containerStatuses"] as JsonArray ?? []).Select(status => Views.Time(status?["state"]?["terminated"]?["finishedAt"]?.ToString())).Max() ?? Views.Time(pod.Metadata().Text("creationTimestamp"));

    /// <summary>1,3-5,7 as Kubernetes writes it.</summary>
    public static string Print(SortedSet<int> indexes)
    {
        var parts = new List<string>();
        int? first = null, last = null;
        void Close() { if (first is not null) parts.Add(first == last ? $"{first}" : last == first + 1 ? $"{first},{last}" : $"{first}-{last}"); }
        foreach (int index in indexes)
        {
            if (last is not null && index == last + 1) { last = index; continue; }
            Close();
            (first, last) = (index, index);
        }
        Close();
        return string.Join(',', parts);
    }

    public static SortedSet<int> Parse(string? text)
    {
        var indexes = new SortedSet<int>();
        foreach (var part in (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var ends = part.Split('-').Select(end => int.Parse(end, CultureInfo.InvariantCulture)).ToArray();
            for (int i = ends[0]; i <= ends[^1]; i++) indexes.Add(i);
        }
        return indexes;
    }
}
