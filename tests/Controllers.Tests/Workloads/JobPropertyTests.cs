using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Controllers.Tests.Workloads;

/// <summary>Jobs whose pods succeed, fail, are disrupted and deleted by chance, while the Job is suspended, resumed and resized. What really happened is counted beside, pod by pod.</summary>
[Collection(nameof(Alone))]
public sealed class JobPropertyTests
{
    private const string Policy = """
        ,"podFailurePolicy":{"rules":[
            {"action":"Ignore","onPodConditions":[{"type":"DisruptionTarget","status":"True"}]},
            {"action":"Ignore","onExitCodes":{"operator":"In","values":[42]}},
            {"action":"FailJob","onExitCodes":{"operator":"In","values":[13]}}]}
        """;

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    [Fact]
    public void A_job_keeps_its_parallelism_its_completions_its_limit_and_its_policy() => Gen.Int[0, int.MaxValue - 1].Sample(seed =>
    {
        var chance = new Random(seed);
        int parallelism = chance.Next(1, 4), completions = chance.Next(1, 6), limit = chance.Next(0, 4);
        bool indexed = chance.Next(2) == 0, byIndex = indexed && chance.Next(3) == 0, policy = chance.Next(3) == 0;
        var world = new PlannedWorld(seed, Kinds.Job, "{\"parallelism\":" + Text(parallelism) + ",\"completions\":" + Text(completions) + ",\"completionMode\":\"" + (indexed ? "Indexed" : "NonIndexed") + "\""
            + (byIndex ? ",\"backoffLimitPerIndex\":" + Text(limit) : ",\"backoffLimit\":" + Text(limit)) + (policy ? Policy : "") + ",\"template\":" + PlannedWorld.Template + "}");
        world.Apply(world.Decide()); // the selector
        var counted = new HashSet<string>();
        var (succeeded, failed, fatal) = (new Dictionary<string, int?>(), new Dictionary<string, int?>(), false);
        var since = new Dictionary<int, int>(); // failures by index: a pod carries how often its index failed before it: one that the Job lets go takes that with it, as in Kubernetes
        for (int step = 0; step < 60 && JobPlan.Finished(world.Owner) is null; step++)
        {
            // What has happened, by hand: each pod once, unless the Job had let it go before.
            foreach (var pod in world.Pods.Where(pod => JobTally.IsTracked(pod) && !counted.Contains(pod.Uid())))
            {
                bool over = pod.IsOver(), taken = pod.IsDeleted() && (!policy || pod.Metadata()["deletionGracePeriodSeconds"].Int() == 0);
                if (!over && !taken) continue;
                counted.Add(pod.Uid());
                int code = pod["status"]?["containerStatuses"]?[0]?["state"]?["terminated"]?["exitCode"].Int() ?? 0;
                if (pod.Phase() == "Succeeded") succeeded[pod.Uid()] = JobPlan.Index(pod);
                else if (policy && pod.Phase() == "Failed" && (code == 42 || pod.Condition("DisruptionTarget") is not null)) continue;
                else
                {
                    failed[pod.Uid()] = JobPlan.Index(pod);
                    if (JobPlan.Index(pod) is { } index) since[index] = since.GetValueOrDefault(index) + 1;
                    fatal |= policy && pod.Phase() == "Failed" && code == 13;
                }
            }
            var spec = world.Owner["spec"]!;
            var actions = world.Decide();
            foreach (var pod in actions.OfType<UpdateObject>().Where(update => update.Kind == Kinds.Pod && !JobTally.IsTracked(update.Document) && !counted.Contains(update.Document.Uid())).Select(update => update.Document))
                if (JobPlan.Index(pod) is { } index) since.Remove(index);
            List<JsonObject> made = [.. actions.OfType<CreateObject>().Select(create => create.Document)];
            var end = actions.OfType<UpdateObjectStatus>().Select(status => status.Document).FirstOrDefault(job => JobPlan.Finished(job) is not null)?["status"]!["conditions"]!.AsArray().Last()!["reason"]!.ToString();
            string Say(string what) => $"seed {seed}, step {step}: {what}: {made.Count} made ({string.Join(' ', made.Select(JobPlan.Index))}), ends {end}; {succeeded.Count} succeeded, {failed.Count} failed; {spec.ToJsonString()} {world.Owner["status"]?.ToJsonString()}; {string.Join(' ', world.Pods.Select(pod => $"{pod.Name()}:{JobPlan.Index(pod)}:{pod.Phase()}{(pod.IsDeleted() ? ":going" : "")}:{pod.Annotation(JobIndexes.FailuresAnnotation)}{(JobTally.IsTracked(pod) ? "" : ":let go")}"))}";
            int done = indexed ? succeeded.Values.Distinct().Count() : succeeded.Count;
            Assert.True(made.Count == 0 || world.Live.Count + made.Count <= spec["parallelism"].Int(), Say("more than parallelism"));
            Assert.True(made.Count == 0 || done + world.Live.Count + made.Count <= completions, Say("more than completions"));
            Assert.True(made.Count == 0 || spec["suspend"]?.GetValue<bool>() != true, Say("made while suspended"));
            Assert.True(made.Count == 0 || byIndex || failed.Count <= limit, Say("beyond the back-off limit"));
            if (indexed)
            {
                var busy = world.Live.Where(pod => JobTally.IsTracked(pod)).Concat(made).Select(pod => JobPlan.Index(pod)).ToList();
                Assert.True(busy.Distinct().Count() == busy.Count && made.All(pod => JobPlan.Index(pod) is { } index && index < completions && !succeeded.ContainsValue(index)), Say("an index twice"));
                if (byIndex) Assert.True(made.All(pod => since.GetValueOrDefault(JobPlan.Index(pod)!.Value) <= limit), Say("an index beyond its limit"));
            }
            Assert.True(end is null || end == (fatal ? "PodFailurePolicy" : !byIndex && failed.Count > limit ? "BackoffLimitExceeded" : done >= completions ? "CompletionsReached" : "FailedIndexes"), Say("the wrong end"));
            Assert.True(end is not null || (!fatal && (byIndex || failed.Count <= limit) && done < completions) || spec["suspend"]?.GetValue<bool>() == true, Say("no end"));
            world.Apply(actions);
            world.Now = world.Now.AddSeconds(world.Chance.Next(1, 400));
            foreach (var pod in world.Pods.Where(pod => !pod.IsOver()))
                switch (world.Chance.Next(8))
                {
                    case 0 when pod.NodeName().Length == 0 && !pod.IsDeleted():
                        var placed = (JsonObject)pod.DeepClone();
                        placed["spec"]!["nodeName"] = "n0";
                        world.Set(placed, "Running", true);
                        break;
                    case 1 or 2 when pod.NodeName().Length > 0: world.Set(pod, "Succeeded"); break;
                    case 3 when pod.NodeName().Length > 0:
                        int[] codes = [1, 42, 13];
                        world.Set(pod, "Failed", code: codes[world.Chance.Next(world.Chance.Next(3) == 0 ? 3 : 2)], more: world.Chance.Next(4) == 0 ? """,{"type":"DisruptionTarget","status":"True"}""" : "");
                        break;
                    case 4 when pod.IsDeleted(): world.Store.End(pod); break;
                    case 5 when world.Chance.Next(4) == 0: world.Store.Delete(Kinds.Pod, pod); break; // somebody's hand
                }
            foreach (var pod in world.Pods.Where(pod => pod.IsOver() && pod.IsDeleted())) world.Store.End(pod);
            if (world.Chance.Next(10) == 0) world.Change(changed => changed["suspend"] = world.Chance.Next(2) == 0);
            if (world.Chance.Next(12) == 0) world.Change(changed => changed["parallelism"] = world.Chance.Next(1, 4));
        }
        if (JobPlan.Finished(world.Owner) is null) return;
        int Told(string name) => world.Owner["status"]![name].Int();
        Assert.True(Told("failed") == failed.Count && Told("succeeded") == (indexed ? succeeded.Values.Distinct().Count() : succeeded.Count), $"seed {seed}: {failed.Count} failed and {succeeded.Count} succeeded; told {world.Owner["status"]!.ToJsonString()}");
        for (int i = 0; i < 4; i++)
        {
            world.Apply(world.Decide());
            foreach (var pod in world.Pods.Where(pod => pod.IsDeleted())) world.Store.End(pod);
        }
        Assert.True(world.Live.Count == 0, $"seed {seed}: pods of a Job that has ended go on");
    });

    private static readonly (string Zone, string Day)[] Changes = [("Europe/Berlin", "2026-03-29"), ("Europe/Berlin", "2026-10-25"), ("America/New_York", "2026-03-08"), ("America/New_York", "2026-11-01"), ("America/Santiago", "2026-04-05"), ("America/Santiago", "2026-09-06"), ("Australia/Lord_Howe", "2026-04-05"), ("Australia/Lord_Howe", "2026-10-04"), ("UTC", "2026-03-29")];
    private static readonly string[] Minutes = ["*", "*/15", "0", "30", "10,40", "*/7"], Hours = ["*", "*/2", "0", "1-3", "2", "23", "1,2"], Weekdays = ["*", "*", "SUN", "SAT,SUN"];

    /// <summary>Every minute of some days, looked at: what the clock on the wall says then.</summary>
    private static IEnumerable<DateTimeOffset> ByHand(string schedule, string zone, DateTimeOffset from, DateTimeOffset to)
    {
        var fields = schedule.Split(' ');
        var clock = TimeZoneInfo.FindSystemTimeZoneById(zone);
        static bool In(string field, int value) => field.Split(',').Any(part => part == "*" || (part.StartsWith("*/", StringComparison.Ordinal) && value % int.Parse(part[2..], CultureInfo.InvariantCulture) == 0)
            || (part.Contains('-', StringComparison.Ordinal) && !part.StartsWith('*') ? value >= int.Parse(part.Split('-')[0], CultureInfo.InvariantCulture) && value <= int.Parse(part.Split('-')[1], CultureInfo.InvariantCulture) : part == value.ToString(CultureInfo.InvariantCulture)));
        bool Wanted(DateTime wall) => In(fields[0], wall.Minute) && In(fields[1], wall.Hour) && (fields[4] == "*" || fields[4].Split(',').Contains(wall.DayOfWeek.ToString()[..3].ToUpperInvariant()));
        var passing = new List<(DateTimeOffset At, DateTime Wall)>();
        for (var at = from; at <= to; at = at.AddMinutes(1)) passing.Add((at, TimeZoneInfo.ConvertTime(at, clock).DateTime));
        return passing.Where(minute => Wanted(minute.Wall)).Select(minute => minute.At);
    }

    [Fact]
    public void Where_the_clocks_change_a_schedule_runs_whenever_they_show_it() =>
        Gen.Select(Gen.Int[0, Changes.Length - 1], Gen.Int[0, Minutes.Length - 1], Gen.Int[0, Hours.Length - 1], Gen.Int[0, Weekdays.Length - 1], Gen.Int[0, 59]).Sample((change, minute, hour, weekday, offset) =>
        {
            var (zone, day) = Changes[change];
            var schedule = $"{Minutes[minute]} {Hours[hour]} * * {Weekdays[weekday]}";
            var from = DateTimeOffset.Parse(day + "T00:00:00Z", CultureInfo.InvariantCulture).AddHours(-30).AddMinutes(offset);
            var to = from.AddHours(75);
            var parsed = CronSchedule.Parse(schedule, zone);
            var told = new List<DateTimeOffset>();
            for (var next = parsed.Next(from.AddMinutes(-1)); next <= to; next = parsed.Next(next.Value)) told.Add(next.Value);
            var expected = ByHand(schedule, zone, from, to).ToList();
            Assert.True(expected.SequenceEqual(told), $"{schedule} in {zone} from {from:u}: not {string.Join(' ', expected.Except(told).Select(time => time.ToString("u", CultureInfo.InvariantCulture)))}, but {string.Join(' ', told.Except(expected).Select(time => time.ToString("u", CultureInfo.InvariantCulture)))}");
            foreach (var at in new[] { from.AddHours(10), from.AddHours(33), to }) Assert.Equal(told.Where(time => time > from && time <= at).Select(time => (DateTimeOffset?)time).LastOrDefault(), parsed.Latest(from, at));
        }, iter: 600);

    [Fact]
    public void A_cron_job_starts_every_time_once_and_never_two_where_that_is_forbidden() => Gen.Int[0, int.MaxValue - 1].Sample(seed =>
    {
        var chance = new Random(seed);
        string[] policies = ["Allow", "Forbid", "Replace"], schedules = ["*/5 * * * *", "*/2 1-3 * * *", "30 2 * * *", "0 * * * *"];
        var (policy, schedule) = (policies[chance.Next(3)], schedules[chance.Next(4)]);
        var world = new PlannedWorld(seed, Kinds.CronJob, "{\"schedule\":\"" + schedule + "\",\"timeZone\":\"Europe/Berlin\",\"concurrencyPolicy\":\"" + policy + "\",\"successfulJobsHistoryLimit\":1000,\"jobTemplate\":{\"spec\":{\"template\":" + PlannedWorld.Template + "}}}");
        var from = DateTimeOffset.Parse(chance.Next(2) == 0 ? "2026-03-28T23:58:30Z" : "2026-10-24T23:58:30Z", CultureInfo.InvariantCulture);
        world.Now = from;
        world.Store.Remove(Kinds.CronJob, new ObjectName("default", "a"));
        world.Store.Put(Kinds.CronJob, ObjectStamp.New(Kinds.CronJob, Documents.Json("{\"metadata\":{\"name\":\"a\",\"namespace\":\"default\"},\"spec\":{\"schedule\":\"" + schedule + "\",\"timeZone\":\"Europe/Berlin\",\"concurrencyPolicy\":\"" + policy + "\",\"successfulJobsHistoryLimit\":1000,\"jobTemplate\":{\"spec\":{\"template\":" + PlannedWorld.Template + "}}}}"), new Guid(seed, 2, 2, new byte[8]), from, ""));
        var started = new List<DateTimeOffset>();
        var crashed = false;
        List<JsonObject> Active() => [.. world.Store.All(Kinds.Job).Where(job => JobPlan.Finished(job) is null && !job.IsDeleted())];
        while (world.Now < from.AddHours(6))
        {
            var actions = world.Decide();
            foreach (var made in actions.OfType<CreateObject>()) started.Add(DateTimeOffset.Parse(made.Document.Annotation("batch.kubernetes.io/cronjob-scheduled-timestamp")!, CultureInfo.InvariantCulture));
            crashed = !crashed && chance.Next(6) == 0; // between its writes; never twice in a row, for then more than a schedule's two minutes could go by, and only the latest time is started
            if (crashed) actions = [.. actions.Take(chance.Next(actions.Count + 1))];
            world.Apply(actions);
            if (policy != "Allow") Assert.True(Active().Count <= 1, $"seed {seed}: {Active().Count} at once");
            foreach (var job in Active().Where(_ => chance.Next(8) == 0))
            {
                var done = (JsonObject)job.DeepClone();
                done["status"] = Documents.Json($$$"""{"conditions":[{"type":"Complete","status":"True","lastTransitionTime":"{{{ObjectStamp.Time(world.Now)}}}"}],"completionTime":"{{{ObjectStamp.Time(world.Now)}}}"}""");
                world.Store.Put(Kinds.Job, done);
            }
            world.Now = world.Now.AddSeconds(chance.Next(1, 50));
        }
        var expected = ByHand(schedule, "Europe/Berlin", from.AddSeconds(30), world.Now.AddSeconds(-world.Now.Second - 60)).ToList();
        var jobs = world.Store.All(Kinds.Job).Select(job => DateTimeOffset.Parse(job.Annotation("batch.kubernetes.io/cronjob-scheduled-timestamp")!, CultureInfo.InvariantCulture)).ToList();
        Assert.True(jobs.Distinct().Count() == jobs.Count && started.All(time => expected.Contains(time) || time > world.Now.AddMinutes(-2)), $"seed {seed}: {string.Join(' ', started)}");
        if (policy == "Allow") Assert.True(expected.All(jobs.Contains), $"seed {seed}: missed {string.Join(' ', expected.Except(jobs))}");
    }, iter: 60);
}
