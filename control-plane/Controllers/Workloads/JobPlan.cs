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
        if (job.IsDeleted()) return [];
        if (job["spec"]!["selector"] is null) return [new UpdateObject(Kinds.Job, WithSelector(job))];
        var own = pods.Where(pod => pod.OwnerUid() == job.Uid()).ToList();
        if (Finished(job) is { } since) return AfterFinish(job, own, since, now);
        var progress = JobProgress.Of(job, own);
        var actions = new List<WorkloadAction>();
        var status = (JsonObject)(job["status"]?.DeepClone() ?? new JsonObject());
        bool suspended = job["spec"]!["suspend"]?.GetValue<bool>() == true;
        Suspension(job, status, suspended, now, actions);
        if (!suspended && status["startTime"] is null) status["startTime"] = ObjectStamp.Time(now);
        var end = suspended ? null : progress.End(job, Views.Time(status["startTime"]?.ToString()), now);
        int active = progress.Active.Count;
        if (end is not null || suspended)
        {
            actions.AddRange(progress.Active.Select(Delete));
            active = 0;
        }
        else active += Start(job, progress, own, now, actions);
        if (end is null && !suspended && job["spec"]!["activeDeadlineSeconds"].Int() is > 0 and var seconds && Views.Time(status["startTime"]?.ToString()) is { } started) actions.Add(new LookAgain(started.AddSeconds(seconds)));
        Count(status, progress, active);
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
        foreach (var pod in progress.Active.Skip(parallelism)) actions.Add(Delete(pod));
        if (progress.Active.Count > parallelism) return parallelism - progress.Active.Count;
        int wanted = spec["completions"] is null ? progress.Succeeded > 0 ? 0 : parallelism - progress.Active.Count : Math.Min(parallelism - progress.Active.Count, spec["completions"].Int() - progress.Succeeded - progress.Active.Count);
        if (wanted <= 0) return 0;
        if (BackOff(own, now) is { } until) { actions.Add(new LookAgain(until)); return 0; }
        var indexes = progress.Indexed ? progress.Missing.Take(wanted).Select(index => (int?)index) : Enumerable.Repeat<int?>(null, wanted);
        int before = actions.Count;
        actions.AddRange(indexes.Select(index => new CreateObject(Kinds.Pod, NewPod(job, index))));
        return actions.Count - before;
    }

    /// <summary>After failures in a row the next try waits: 10 s, doubled up to six minutes.</summary>
    private static DateTimeOffset? BackOff(List<JsonObject> own, DateTimeOffset now)
    {
        var lastSuccess = own.Where(pod => pod.Phase() == "Succeeded").Select(JobProgress.Ended).Max();
        var failures = own.Where(pod => pod.Phase() == "Failed").Select(JobProgress.Ended).Where(ended => lastSuccess is null || ended > lastSuccess).ToList();
        if (failures.Count == 0 || failures.Max() is not { } last) return null;
        var until = last + TimeSpan.FromTicks(Math.Min(LongestBackOff.Ticks, FirstBackOff.Ticks << Math.Min(failures.Count - 1, 8)));
        return until > now ? until : null;
    }

    private static JsonObject NewPod(JsonObject job, int? index)
    {
        var pod = PodTemplates.NewPod(Kinds.Job, job, job["spec"]!["template"]!);
        if (index is null) return pod;
        var text = index.Value.ToString(CultureInfo.InvariantCulture);
        pod.Annotated(IndexAnnotation, text).Labelled(IndexAnnotation, text);
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

    private static void Count(JsonObject status, JobProgress progress, int active)
    {
        void Set(string name, int number) { if (number > 0) status[name] = number; else status.Remove(name); }
        Set("active", active);
        Set("succeeded", progress.Succeeded);
        Set("failed", progress.Failed);
        status["ready"] = active == 0 ? 0 : progress.Active.Count(pod => pod.IsReady());
        if (progress.Indexed) status["completedIndexes"] = JobProgress.Print(progress.Completed);
    }

    private static void Finish(JsonObject status, JobEnd end, DateTimeOffset now, List<WorkloadAction> actions)
    {
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
        var actions = new List<WorkloadAction>(own.Where(pod => !pod.IsOver() && !pod.IsDeleted()).Select(Delete));
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
