using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>Job: pods until enough have succeeded, or too many failed, or its time is over; then it is finished for good, and goes after its TTL. Pure.</summary>
public static class JobPlan
{
    private const string IndexAnnotation = "batch.kubernetes.io/job-completion-index", NameLabel = "batch.kubernetes.io/job-name", UidLabel = "batch.kubernetes.io/controller-uid";
    private static readonly TimeSpan FirstBackOff = TimeSpan.FromSeconds(10), LongestBackOff = TimeSpan.FromMinutes(6);

    public static IReadOnlyList<WorkloadAction> Decide(JsonObject job, IEnumerable<JsonObject> pods, DateTimeOffset now)
    {
        if (job.IsDeleted()) return [.. pods.Where(pod => pod.OwnerUid() == job.Uid() && JobTally.IsTracked(pod)).Select(JobTally.Release)];
        if (job["spec"]!["selector"] is null) return [new UpdateObject(Kinds.Job, WithSelector(job))];
        var own = pods.Where(pod => pod.OwnerUid() == job.Uid()).ToList();
        if (Finished(job) is { } since) return AfterFinish(job, own, since, now);
        var progress = JobProgress.Of(job, own);
        var actions = new List<WorkloadAction>();
        var status = (JsonObject)(job["status"]?.DeepClone() ?? new JsonObject());
        bool suspended = job["spec"]!["suspend"]?.GetValue<bool>() == true;
        Suspension(job, status, suspended, now, actions);
        if (!suspended && status["startTime"] is null) status["startTime"] = ObjectStamp.Time(now);
        var end = suspended ? progress.FailedByPolicy : progress.End(job, Views.Time(status["startTime"]?.ToString()), now);
        int active = progress.Active.Count;
        if (end is not null || suspended)
        {
            actions.AddRange(progress.Active.Select(JobTally.Release));
            active = 0;
        }
        else active += Start(job, progress, own, now, actions);
        if (end is null && !suspended && job["spec"]!["activeDeadlineSeconds"].Int() is > 0 and var seconds && Views.Time(status["startTime"]?.ToString()) is { } started) actions.Add(new LookAgain(started.AddSeconds(seconds)));
        // A pod goes in two steps: what has no finalizer any more is not counted, whenever it ends.
        actions.AddRange(own.Where(pod => !pod.IsOver() && !pod.IsDeleted() && !JobTally.IsTracked(pod)).Select(Delete));
        actions.AddRange(progress.Tally.Released.Select(JobTally.Release));
        Count(status, progress, active, end is not null);
        if (end is not null) Finish(status, end, now, actions);
        PodTemplates.WriteStatus(Kinds.Job, job, status, actions);
        return actions;
    }

    /// <summary>When it finished; null: it has not.</summary>
    public static DateTimeOffset? Finished(JsonObject job) => new[] { "Complete", "Failed" }.Select(job.Condition).FirstOrDefault(condition => condition?.Text("status") == "True") is { } done ? Views.Time(done.Text("lastTransitionTime")) : null;

    private static int Start(JsonObject job, JobProgress progress, List<JsonObject> own, DateTimeOffset now, List<WorkloadAction> actions)
    {
        var spec = job["spec"]!;
        int parallelism = spec["parallelism"].Int(1);
        actions.AddRange(progress.Active.Skip(parallelism).Select(JobTally.Release));
        if (progress.Active.Count > parallelism) return parallelism - progress.Active.Count;
        int letGo = own.Count(pod => !pod.IsOver() && !pod.IsDeleted() && !JobTally.IsTracked(pod)); // they run until they are deleted, which this decision does
        int there = progress.Active.Count + letGo + (JobProgress.AwaitsEnd(job) ? progress.Terminating : 0);
        int wanted = spec["completions"] is null ? progress.Succeeded > 0 ? 0 : parallelism - there : Math.Min(parallelism - there, spec["completions"].Int() - progress.Succeeded - progress.Indexes.Failed.Count - there);
        if (wanted <= 0) return 0;
        if (!progress.Indexes.ByThemselves && BackOff(own, now) is { } until) { actions.Add(new LookAgain(until)); return 0; }
        var indexes = progress.Indexed ? Ready(progress, now, actions).Take(wanted).Select(index => (int?)index) : Enumerable.Repeat<int?>(null, wanted);
        var made = indexes.Select(index => new CreateObject(Kinds.Pod, NewPod(job, index, progress.Indexes))).ToList();
        actions.AddRange(made);
        return made.Count;
    }

    /// <summary>Indexes to be tried now; where they fail by themselves, each waits for itself.</summary>
    private static List<int> Ready(JobProgress progress, DateTimeOffset now, List<WorkloadAction> actions)
    {
        var ready = new List<int>();
        foreach (int index in progress.Missing)
        {
            var until = progress.Indexes.FailedAt(index) is { } failed ? failed + Wait(progress.Indexes.Failures(index)) : now;
            if (until <= now) ready.Add(index);
            else actions.Add(new LookAgain(until));
        }
        return ready;
    }

    private static TimeSpan Wait(int failures) => TimeSpan.FromTicks(Math.Min(LongestBackOff.Ticks, FirstBackOff.Ticks << Math.Min(failures - 1, 8)));

    /// <summary>After failures in a row the next try waits: 10 s, doubled up to six minutes.</summary>
    private static DateTimeOffset? BackOff(List<JsonObject> own, DateTimeOffset now)
    {
        var lastSuccess = own.Where(pod => pod.Phase() == "Succeeded").Select(JobProgress.Ended).Max();
        var failures = own.Where(pod => pod.Phase() == "Failed").Select(JobProgress.Ended).Where(ended => lastSuccess is null || ended > lastSuccess).ToList();
        if (failures.Count == 0 || failures.Max() is not { } last) return null;
        var until = last + Wait(failures.Count);
        return until > now ? until : null;
    }

    private static JsonObject NewPod(JsonObject job, int? index, JobIndexes indexes)
    {
        var pod = PodTemplates.NewPod(Kinds.Job, job, job["spec"]!["template"]!);
        pod.Metadata()["finalizers"] = new JsonArray([.. (pod.Metadata()["finalizers"] as JsonArray ?? []).Select(finalizer => finalizer?.DeepClone()), Finalizers.JobTracking]);
        if (index is null) return pod;
        var text = index.Value.ToString(CultureInfo.InvariantCulture);
        pod.Annotated(IndexAnnotation, text).Labelled(IndexAnnotation, text);
        if (indexes.ByThemselves) pod.Annotated(JobIndexes.FailuresAnnotation, indexes.Failures(index.Value).ToString(CultureInfo.InvariantCulture));
        pod.Metadata()["generateName"] = $"{job.Name()}-{text}-";
        pod["spec"]!["hostname"] = $"{job.Name()}-{text}";
        foreach (var container in (pod["spec"]!["containers"] as JsonArray ?? []).Concat(pod["spec"]!["initContainers"] as JsonArray ?? []).OfType<JsonObject>())
        {
            if (container["env"] is not JsonArray environment) container["env"] = environment = [];
            environment.Add(new JsonObject { ["name"] = "JOB_COMPLETION_INDEX", ["value"] = text });
        }
        return pod;
    }

    public static int? Index(JsonObject pod) => int.TryParse(pod.Annotation(IndexAnnotation), CultureInfo.InvariantCulture, out int index) ? index : null;

    private static DeleteObject Delete(JsonObject pod) => new(Kinds.Pod, ObjectStamp.NameOf(pod), pod.Uid());

    private static void Suspension(JsonObject job, JsonObject status, bool suspended, DateTimeOffset now, List<WorkloadAction> actions)
    {
        bool before = job.Condition("Suspended")?.Text("status") == "True";
        if (suspended == before) return;
        if (suspended) status.Remove("startTime");
        Condition(status, "Suspended", suspended ? "True" : "False", suspended ? "JobSuspended" : "JobResumed", suspended ? "Job suspended" : "Job resumed", now);
        actions.Add(new Report("Normal", suspended ? "Suspended" : "Resumed", suspended ? "Job suspended" : "Job resumed"));
    }

    /// <param name="over">The Job has come to its end: nothing is open any more.</param>
    private static void Count(JsonObject status, JobProgress progress, int active, bool over)
    {
        void Set(string name, int number) { if (number > 0) status[name] = number; else status.Remove(name); }
        Set("active", active);
        Set("succeeded", progress.Indexed || over ? progress.Succeeded : progress.Tally.Counted.Succeeded);
        Set("failed", over ? progress.Tally.Failed : progress.Tally.Counted.Failed);
        Set("terminating", progress.Terminating);
        if (!over && progress.Tally.Uncounted is { } uncounted) status["uncountedTerminatedPods"] = uncounted;
        else status.Remove("uncountedTerminatedPods");
        status["ready"] = active == 0 ? 0 : progress.Active.Count(pod => pod.IsReady());
        if (progress.Indexed) status["completedIndexes"] = JobProgress.Print(progress.Completed);
        if (progress.Indexes.ByThemselves) status["failedIndexes"] = JobProgress.Print(progress.Indexes.Failed);
    }

    private static void Finish(JsonObject status, JobEnd end, DateTimeOffset now, List<WorkloadAction> actions)
    {
        if (end.Reason == "SuccessPolicy") Condition(status, "SuccessCriteriaMet", "True", end.Reason, end.Message, now);
        Condition(status, end.Succeeded ? "Complete" : "Failed", "True", end.Reason, end.Message, now);
        if (end.Succeeded) status["completionTime"] = ObjectStamp.Time(now);
        actions.Add(new Report(end.Succeeded ? "Normal" : "Warning", end.Succeeded ? "Completed" : end.Reason, end.Message));
    }

    private static void Condition(JsonObject status, string type, string word, string reason, string message, DateTimeOffset now)
    {
        var time = ObjectStamp.Time(now);
        var kept = (status["conditions"] as JsonArray ?? []).OfType<JsonObject>().Where(condition => condition.Text("type") != type).Select(condition => condition.DeepClone());
        status["conditions"] = new JsonArray([.. kept, new JsonObject { ["type"] = type, ["status"] = word, ["reason"] = reason, ["message"] = message, ["lastProbeTime"] = time, ["lastTransitionTime"] = time }]);
    }

    private static IReadOnlyList<WorkloadAction> AfterFinish(JsonObject job, List<JsonObject> own, DateTimeOffset since, DateTimeOffset now)
    {
        var actions = new List<WorkloadAction>(own.Where(JobTally.IsTracked).Select(JobTally.Release));
        actions.AddRange(own.Where(pod => !pod.IsOver() && !pod.IsDeleted() && !JobTally.IsTracked(pod)).Select(Delete));
        if (job["spec"]!["ttlSecondsAfterFinished"] is not { } ttl) return actions;
        var goes = since.AddSeconds(ttl.Int());
        actions.Add(goes <= now ? new DeleteObject(Kinds.Job, ObjectStamp.NameOf(job), job.Uid()) : new LookAgain(goes));
        return actions;
    }

    /// <summary>The selector that Kubernetes generates: by the Job's uid.</summary>
    private static JsonObject WithSelector(JsonObject job)
    {
        var copy = (JsonObject)job.DeepClone();
        copy["spec"]!["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { [UidLabel] = job.Uid() } };
        var template = copy["spec"]!["template"]!.AsObject();
        foreach (var (name, value) in new[] { (UidLabel, job.Uid()), (NameLabel, job.Name()), ("controller-uid", job.Uid()), ("job-name", job.Name()) }) template.Labelled(name, value);
        return copy;
    }
}
