using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>How a Job ends.</summary>
public sealed record JobEnd(bool Succeeded, string Reason, string Message);

/// <summary>What a Job's pods have come to; what the status counted already stays counted when pods are gone. Pure.</summary>
public sealed record JobProgress(List<JsonObject> Active, int Succeeded, int Failed, bool Indexed, SortedSet<int> Completed, JobEnd? FailedByPolicy, int Restarts)
{
    private SortedSet<int> _busy = [];

    /// <summary>Indexes that no pod has done or does.</summary>
    public IEnumerable<int> Missing => Enumerable.Range(0, Completions).Where(index => !Completed.Contains(index) && !_busy.Contains(index));

    private int Completions { get; init; }

    public static JobProgress Of(JsonObject job, List<JsonObject> own)
    {
        var spec = job["spec"]!;
        bool indexed = spec["completionMode"]?.ToString() == "Indexed";
        var active = own.Where(pod => !pod.IsOver() && !pod.IsDeleted()).OrderBy(pod => pod.Metadata().Text("creationTimestamp"), StringComparer.Ordinal).ThenBy(pod => pod.Name(), StringComparer.Ordinal).ToList();
        var completed = Parse(job["status"]?["completedIndexes"]?.ToString());
        foreach (var pod in own.Where(pod => pod.Phase() == "Succeeded"))
            if (JobPlan.Index(pod) is { } index) completed.Add(index);
        int failed = 0;
        JobEnd? end = null;
        foreach (var pod in own.Where(pod => pod.Phase() == "Failed"))
        {
            var (action, message) = PodFailurePolicy.Of(job, pod);
            if (action == "FailJob") end ??= new JobEnd(false, "PodFailurePolicy", message);
            if (action != "Ignore") failed++;
        }
        int succeeded = indexed ? completed.Count(index => index < spec["completions"].Int()) : Math.Max(job["status"]?["succeeded"].Int() ?? 0, own.Count(pod => pod.Phase() == "Succeeded"));
        int restarts = spec["template"]?["spec"]?["restartPolicy"]?.ToString() == "OnFailure" ? active.Sum(Words.Restarts) : 0;
        return new JobProgress(active, succeeded, Math.Max(failed, job["status"]?["failed"].Int() ?? 0), indexed, completed, end, restarts)
        {
            _busy = [.. active.Select(JobPlan.Index).OfType<int>()], Completions = spec["completions"].Int(),
        };
    }

    /// <summary>Whether it is over now.</summary>
    public JobEnd? End(JsonObject job, DateTimeOffset? started, DateTimeOffset now)
    {
        var spec = job["spec"]!;
        if (FailedByPolicy is not null) return FailedByPolicy;
        if (Failed > spec["backoffLimit"].Int(6) || (Restarts > 0 && Restarts > spec["backoffLimit"].Int(6))) return new JobEnd(false, "BackoffLimitExceeded", "Job has reached the specified backoff limit");
        bool done = spec["completions"] is { } completions ? Succeeded >= completions.Int() : Succeeded > 0 && Active.Count == 0;
        if (done) return new JobEnd(true, "CompletionsReached", "Reached expected number of succeeded pods");
        if (spec["activeDeadlineSeconds"].Int() is > 0 and var seconds && started is { } since && since.AddSeconds(seconds) <= now) return new JobEnd(false, "DeadlineExceeded", "Job was active longer than specified deadline");
        return null;
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
