using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>CronJob: a Job for the latest time that has come, unless it is too late for it or one still runs and the policy forbids. Pure.</summary>
public static class CronJobPlan
{
    /// <summary>More missed times than this are told of; the latest is started all the same.</summary>
    private const int MostMissed = 100;

    public static IReadOnlyList<WorkloadAction> Decide(JsonObject cron, IEnumerable<JsonObject> jobs, DateTimeOffset now)
    {
        if (cron.IsDeleted()) return [];
        var actions = new List<WorkloadAction>();
        var spec = cron["spec"]!;
        var own = jobs.Where(job => job.OwnerUid() == cron.Uid()).OrderBy(job => job.Metadata().Text("creationTimestamp"), StringComparer.Ordinal).ThenBy(job => job.Name(), StringComparer.Ordinal).ToList();
        var status = (JsonObject)(cron["status"]?.DeepClone() ?? new JsonObject());
        var active = own.Where(job => JobPlan.Finished(job) is null && !job.IsDeleted()).ToList();
        if (own.Where(job => job.Condition("Complete")?.Text("status") == "True").Select(job => job["status"]?["completionTime"]?.ToString()).Max(StringComparer.Ordinal) is { } success) status["lastSuccessfulTime"] = success;
        History(own, "Complete", spec["successfulJobsHistoryLimit"].Int(3), actions);
        History(own, "Failed", spec["failedJobsHistoryLimit"].Int(1), actions);
        try
        {
            var schedule = CronSchedule.Parse(spec["schedule"]?.ToString() ?? "", spec["timeZone"]?.ToString());
            if (spec["suspend"]?.GetValue<bool>() != true) active = Start(cron, schedule, own, active, status, now, actions);
        }
        catch (FormatException exception)
        {
            actions.Add(new Report("Warning", "UnparseableSchedule", $"unparseable schedule: {exception.Message}"));
        }
        if (active.Count == 0) status.Remove("active");
        else status["active"] = new JsonArray([.. active.Select(job => (JsonNode)new JsonObject { ["apiVersion"] = "batch/v1", ["kind"] = "Job", ["namespace"] = job.Namespace(), ["name"] = job.Name(), ["uid"] = job.Uid() })]);
        PodTemplates.WriteStatus(Kinds.CronJob, cron, status, actions);
        return actions;
    }

    private static List<JsonObject> Start(JsonObject cron, CronSchedule schedule, List<JsonObject> own, List<JsonObject> active, JsonObject status, DateTimeOffset now, List<WorkloadAction> actions)
    {
        var spec = cron["spec"]!;
        if (schedule.Next(now) is { } next) actions.Add(new LookAgain(next));
        var since = Views.Time(status["lastScheduleTime"]?.ToString()) ?? Views.Time(cron.Metadata().Text("creationTimestamp")) ?? now;
        var deadline = spec["startingDeadlineSeconds"] is { } seconds ? TimeSpan.FromSeconds(seconds.Int()) : (TimeSpan?)null;
        if (deadline is { } allowed && now - allowed > since) since = now - allowed;
        if (schedule.Latest(since, now) is not { } start) return active;
        if (Missed(schedule, since, now)) actions.Add(new Report("Warning", "TooManyMissedTimes", "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"));
        var name = string.Create(CultureInfo.InvariantCulture, $"{cron.Name()}-{start.ToUnixTimeSeconds() / 60}");
        if (own.Any(job => job.Name() == name)) { status["lastScheduleTime"] = ObjectStamp.Time(start); return active; }
        if (active.Count > 0 && spec["concurrencyPolicy"]?.ToString() == "Forbid")
        {
            actions.Add(new Report("Normal", "JobAlreadyActive", "Not starting job because prior execution is running and concurrency policy is Forbid"));
            return active;
        }
        if (spec["concurrencyPolicy"]?.ToString() == "Replace")
        {
            actions.AddRange(active.Select(Delete));
            active = [];
        }
        actions.Add(new CreateObject(Kinds.Job, NewJob(cron, name, start)));
        actions.Add(new Report("Normal", "SuccessfulCreate", $"Created job {name}"));
        status["lastScheduleTime"] = ObjectStamp.Time(start);
        return active;
    }

    private static bool Missed(CronSchedule schedule, DateTimeOffset since, DateTimeOffset now)
    {
        int missed = 0;
        for (var time = schedule.Next(since); time <= now && missed <= MostMissed; time = schedule.Next(time.Value)) missed++;
        return missed > MostMissed;
    }

    private static void History(List<JsonObject> own, string end, int kept, List<WorkloadAction> actions)
    {
        var done = own.Where(job => job.Condition(end)?.Text("status") == "True").ToList();
        actions.AddRange(done.Take(Math.Max(0, done.Count - kept)).Select(Delete));
    }

    private static DeleteObject Delete(JsonObject job) => new(Kinds.Job, ObjectStamp.NameOf(job), job.Uid());

    private static JsonObject NewJob(JsonObject cron, string name, DateTimeOffset start)
    {
        var template = cron["spec"]!["jobTemplate"]!;
        var metadata = (JsonObject)(template["metadata"]?.DeepClone() ?? new JsonObject());
        metadata["name"] = name;
        metadata["namespace"] = cron.Namespace();
        metadata["ownerReferences"] = Views.Owner(Kinds.CronJob, cron);
        var spec = (JsonObject)template["spec"]!.DeepClone();
        if (spec["completions"] is null && spec["parallelism"] is null) spec["completions"] = 1;
        return new JsonObject { ["apiVersion"] = "batch/v1", ["kind"] = "Job", ["metadata"] = metadata, ["spec"] = spec }.Annotated("batch.kubernetes.io/cronjob-scheduled-timestamp", ObjectStamp.Time(start));
    }
}
