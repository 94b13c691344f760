using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Deployments;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Workloads;

public sealed class WorkloadPlanTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 30, TimeSpan.Zero);
    private const string Template = """{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"c","image":"a:1"}]}}""";

    private static JsonObject Owner(string kind, string spec, string status = "{}") =>
        Json("{\"kind\":\"" + kind + "\",\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\"uid\":\"owner\",\"generation\":1,\"creationTimestamp\":\"2026-01-01T12:00:00Z\"},\"spec\":" + spec + ",\"status\":" + status + "}");

    private static JsonObject Pod(string name, string phase = "Running", bool ready = true, string more = "{}", string revision = "", string node = "n1")
    {
        var pod = Json("{\"metadata\":{\"name\":\"" + name + "\",\"namespace\":\"default\",\"uid\":\"" + name + "\",\"creationTimestamp\":\"2026-01-01T12:00:00Z\",\"ownerReferences\":[{\"controller\":true,\"uid\":\"owner\"}]},\"spec\":{\"nodeName\":\"" + node + "\"},\"status\":{\"phase\":\"" + phase
            + "\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"" + (ready ? "True" : "False") + "\",\"lastTransitionTime\":\"2026-01-01T12:00:00Z\"}]}}");
        if (revision.Length > 0) pod.Labelled(Revisions.Label, revision);
        foreach (var (key, value) in Json(more)) pod.Annotated(key, value!.ToString());
        return pod;
    }

    private static string Words(IEnumerable<WorkloadAction> actions) => string.Join(", ", actions.Select(action => action switch
    {
        CreateObject create when create.Kind == Kinds.Pod => $"+{create.Document.Metadata().Text("name") ?? create.Document.Metadata().Text("generateName")}",
        CreateObject create => $"+{create.Kind.Kind} {create.Document.Name()}",
        DeleteObject delete => $"-{delete.Name.Name}",
        _ => "",
    }).Where(word => word.Length > 0 && !word.Contains("ControllerRevision", StringComparison.Ordinal)));

    private static JsonObject Status(IEnumerable<WorkloadAction> actions) => actions.OfType<UpdateObjectStatus>().Last().Document["status"]!.AsObject();

    private static string Stateful(string spec, params JsonObject[] pods) => Words(StatefulSetPlan.Decide(Owner("StatefulSet", "{\"template\":" + Template + "," + spec + "}"), pods, [], _ => null, Now));

    private static readonly string New = "a-" + DeploymentPlan.Hash(JsonNode.Parse(Template)!);

    [Fact]
    public void A_stateful_set_starts_in_order_each_when_the_one_before_is_ready()
    {
        Assert.Equal("+a-0", Stateful("\"replicas\":3"));
        Assert.Equal("", Stateful("\"replicas\":3", Pod("a-0", ready: false, revision: New)));
        Assert.Equal("+a-1", Stateful("\"replicas\":3", Pod("a-0", revision: New)));
        Assert.Equal("+a-0, +a-1, +a-2", Stateful("\"replicas\":3,\"podManagementPolicy\":\"Parallel\""));
        Assert.Equal("+a-5", Stateful("\"replicas\":1,\"ordinals\":{\"start\":5}"));
    }

    [Fact]
    public void It_shrinks_from_the_last_one_at_a_time()
    {
        JsonObject[] pods = [Pod("a-0", revision: New), Pod("a-1", revision: New), Pod("a-2", revision: New)];
        Assert.Equal("-a-2", Stateful("\"replicas\":1", pods));
        Assert.Equal("-a-2, -a-1", Stateful("\"replicas\":1,\"podManagementPolicy\":\"Parallel\"", pods));
        Assert.Equal("", Stateful("\"replicas\":1", Pod("a-0", ready: false, revision: New), pods[1], pods[2]));
    }

    [Fact]
    public void An_update_goes_from_the_last_down_to_the_partition_and_waits_for_each()
    {
        JsonObject[] pods = [Pod("a-0", revision: "old"), Pod("a-1", revision: "old"), Pod("a-2", revision: "old")];
        Assert.Equal("-a-2", Stateful("\"replicas\":3", pods));
        Assert.Equal("-a-1", Stateful("\"replicas\":3", pods[0], pods[1], Pod("a-2", revision: New)));
        Assert.Equal("", Stateful("\"replicas\":3", pods[0], pods[1], Pod("a-2", ready: false, revision: New)));
        Assert.Equal("", Stateful("\"replicas\":3,\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2}}", pods[0], pods[1], Pod("a-2", revision: New)));
        Assert.Equal("", Stateful("\"replicas\":3,\"updateStrategy\":{\"type\":\"OnDelete\"}", pods));
    }

    [Fact]
    public void A_stateful_pod_has_its_name_its_claim_and_its_host_name()
    {
        var actions = StatefulSetPlan.Decide(Owner("StatefulSet", "{\"replicas\":1,\"serviceName\":\"db\",\"template\":" + Template + ",\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"},\"spec\":{}}]}"), [], [], _ => null, Now);
        Assert.Equal("+PersistentVolumeClaim data-a-0, +a-0", Words(actions));
        var spec = actions.OfType<CreateObject>().Single(create => create.Kind == Kinds.Pod).Document["spec"]!;
        Assert.Equal("a-0 db data-a-0", $"{spec["hostname"]} {spec["subdomain"]} {spec["volumes"]![0]!["persistentVolumeClaim"]!["claimName"]}");
    }

    [Theory]
    [InlineData("Retain", "Retain", false, "set", "")]
    [InlineData("Retain", "Retain", false, "", null)]
    [InlineData("Delete", "Retain", false, "", "set")]
    [InlineData("Delete", "Delete", true, "set", "a-1")]
    [InlineData("Retain", "Delete", true, "", "a-1")]
    [InlineData("Retain", "Delete", false, "a-1", "")]
    [InlineData("Delete", "Delete", false, "set", null)]
    public void A_claim_belongs_to_whom_it_goes_with(string whenDeleted, string whenScaled, bool goes, string before, string? after)
    {
        static JsonObject Set(string whenDeleted, string whenScaled) => Json("{\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\"uid\":\"set\"},\"spec\":{\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":\"" + whenDeleted + "\",\"whenScaled\":\"" + whenScaled + "\"},\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"}}]}}");
        var claim = Json("{\"metadata\":{\"name\":\"data-a-1\",\"namespace\":\"default\",\"uid\":\"c\"}}");
        if (before.Length > 0) claim.Metadata()["ownerReferences"] = new JsonArray(new JsonObject { ["kind"] = before == "set" ? "StatefulSet" : "Pod", ["name"] = before == "set" ? "a" : before, ["uid"] = before });
        var actions = ClaimRetention.Decide(Set(whenDeleted, whenScaled), Pod("a-1"), goes, _ => claim).ToList();
        Assert.Equal(after, actions is [UpdateObject update] ? string.Join(' ', (update.Document.Metadata()["ownerReferences"]?.AsArray() ?? []).Select(owner => owner!["uid"])) : null);
    }

    [Fact]
    public void A_pod_that_takes_its_claims_along_goes_when_they_know_it()
    {
        var claim = Json("{\"metadata\":{\"name\":\"data-a-1\",\"namespace\":\"default\",\"uid\":\"c\"}}");
        var set = Owner("StatefulSet", "{\"replicas\":1,\"persistentVolumeClaimRetentionPolicy\":{\"whenScaled\":\"Delete\"},\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"}}],\"template\":" + Template + "}");
        JsonObject[] pods = [Pod("a-0", revision: New), Pod("a-1", revision: New)];
        JsonObject? Claims(ObjectName name) => name.Name == "data-a-1" ? claim : null;
        var actions = StatefulSetPlan.Decide(set, pods, [], Claims, Now);
        Assert.Equal("", Words(actions));
        claim = actions.OfType<UpdateObject>().Single(update => update.Kind == Kinds.PersistentVolumeClaim).Document;
        Assert.Equal("-a-1", Words(StatefulSetPlan.Decide(set, pods, [], Claims, Now)));
    }

    private static string Daemon(string spec, params JsonObject[] pods) => Daemon(spec, "NoSchedule", pods);

    private static string Daemon(string spec, string effect, JsonObject[] pods) =>
        Words(DaemonSetPlan.Decide(Owner("DaemonSet", "{\"template\":" + Template + spec + "}"), pods, [Scheduling.Clusters.Node("n1"), Scheduling.Clusters.Node("n2"), Scheduling.Clusters.Node("n3", """{"spec":{"taints":[{"key":"gpu","effect":"EFFECT"}]}}""".Replace("EFFECT", effect, StringComparison.Ordinal))], [], Now));

    [Fact]
    public void A_daemon_set_has_one_pod_on_every_node_that_it_tolerates()
    {
        Assert.Equal("+a-, +a-", Daemon(""));
        Assert.Equal("+a-", Daemon("", Pod("x", revision: New[2..])));
        JsonObject[] there = [Pod("x", revision: New[2..]), Pod("x2", revision: New[2..], node: "n2"), Pod("y", revision: New[2..], node: "n3")];
        Assert.Equal("", Daemon("", there)); // a taint with NoSchedule brings none there, and ends none that is
        Assert.Equal("-y", Daemon("", "NoExecute", there));
        Assert.Equal("-gone", Daemon("", [there[0], there[1], Pod("gone", revision: New[2..], node: "n9")]));
    }

    [Fact]
    public void Its_update_takes_away_no_more_than_may_be_unavailable_or_starts_the_successor_first()
    {
        JsonObject[] old = [Pod("x", revision: "old"), Pod("y", revision: "old", node: "n2")];
        Assert.Equal("-x", Daemon("", old));
        Assert.Equal("", Daemon("", Pod("x", ready: false, revision: New[2..]), old[1]));
        Assert.Equal("-y", Daemon("", Pod("x", ready: false, revision: New[2..]), Pod("y", ready: false, revision: "old", node: "n2")));
        Assert.Equal("+a-", Daemon(",\"updateStrategy\":{\"rollingUpdate\":{\"maxSurge\":1}}", old));
        Assert.Equal("-x, +a-", Daemon(",\"updateStrategy\":{\"rollingUpdate\":{\"maxSurge\":2}}", [.. old, Pod("x2", revision: New[2..])]));
    }

    [Theory]
    [InlineData("*/15 * * * *", null, "2026-01-01T12:15:00Z")]
    [InlineData("0 9-17/4 * * MON-FRI", null, "2026-01-01T13:00:00Z")]
    [InlineData("30 2 * * *", "Europe/Berlin", "2026-01-02T01:30:00Z")]
    [InlineData("@monthly", null, "2026-02-01T00:00:00Z")]
    [InlineData("0 0 13 * 5", null, "2026-01-02T00:00:00Z")]
    [InlineData("0 0 30 2 *", null, null)]
    [InlineData("0 0 */2 * 5", null, "2026-01-02T00:00:00Z")] // a star with a step is not any: every second day, and Fridays
    [InlineData("0 0 */1 * 6", null, "2026-01-03T00:00:00Z")]
    [InlineData("0 0 4,* * 6", null, "2026-01-03T00:00:00Z")]
    [InlineData("@every 1h30m", null, "2026-01-01T13:30:30Z")]
    [InlineData("@every 1.5s", null, "2026-01-01T12:00:31Z")]
    [InlineData("@every 1ms", null, "2026-01-01T12:00:31Z")]
    public void A_schedule_says_when_it_is_next(string schedule, string? zone, string? next) =>
        Assert.Equal(next, CronSchedule.Parse(schedule, zone).Next(Now) is { } time ? ObjectStamp.Time(time) : null);

    [Theory]
    [InlineData("* * * * *", "2026-01-01T12:00:00Z")]
    [InlineData("0 */5 * * *", "2026-01-01T10:00:00Z")]
    [InlineData("30 2 * * SUN", "2025-12-28T02:30:00Z")]
    [InlineData("0 0 29 2 *", "2024-02-29T00:00:00Z")]
    [InlineData("0 0 30 2 *", null)]
    [InlineData("@every 5h", "2026-01-01T08:00:30Z")] // 7,012 times since 2022-01-01T12:00:30Z
    public void A_schedule_says_when_it_was_last_however_often_that_was(string schedule, string? latest) =>
        Assert.Equal(latest, CronSchedule.Parse(schedule, null).Latest(Now.AddYears(-4), Now) is { } time ? ObjectStamp.Time(time) : null);

    [Fact]
    public void A_cron_job_that_missed_more_than_a_hundred_starts_says_so_and_starts_the_latest()
    {
        var cron = Owner("CronJob", "{\"schedule\":\"0 */5 * * *\",\"jobTemplate\":{\"spec\":{\"template\":" + Template + "}}}", "{\"lastScheduleTime\":\"2025-06-01T00:00:00Z\"}");
        var actions = CronJobPlan.Decide(cron, [], Now);
        Assert.Equal($"+Job a-{DateTimeOffset.Parse("2026-01-01T10:00:00Z", CultureInfo.InvariantCulture).ToUnixTimeSeconds() / 60}", Words(actions));
        Assert.Contains(actions, action => action is Report { Reason: "TooManyMissedTimes" });
        Assert.DoesNotContain(CronJobPlan.Decide(Owner("CronJob", cron["spec"]!.ToJsonString(), "{\"lastScheduleTime\":\"2025-12-31T00:00:00Z\"}"), [], Now), action => action is Report { Reason: "TooManyMissedTimes" });
    }

    [Fact]
    public void An_hour_that_the_clocks_skip_is_not_run_and_one_that_they_repeat_is_run_twice()
    {
        var berlin = CronSchedule.Parse("30 2 * * *", "Europe/Berlin");
        string After(string time) => ObjectStamp.Time(berlin.Next(DateTimeOffset.Parse(time, CultureInfo.InvariantCulture))!.Value);
        Assert.Equal("2026-03-30T00:30:00Z", After("2026-03-28T12:00:00Z")); // 2:30 on the 29th does not exist
        Assert.Equal(["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"], new[] { "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z" }.Select(After));
    }

    [Theory]
    [InlineData("60 * * * *")]
    [InlineData("* * *")]
    [InlineData("5-1 * * * *")]
    [InlineData("*/0 * * * *")]
    [InlineData("* * * * 7")]
    [InlineData("@every")]
    [InlineData("@every 5")]
    [InlineData("@every 5 h")]
    [InlineData("@every 1h30")]
    [InlineData("@every 300000000h")]
    [InlineData("@fortnightly")]
    public void A_wrong_schedule_is_refused(string schedule) => Assert.Throws<FormatException>(() => CronSchedule.Parse(schedule, null));

    [Fact]
    public void A_deployment_tells_how_it_scales_its_sets()
    {
        var deployment = Owner("Deployment", "{\"replicas\":3,\"selector\":{\"matchLabels\":{\"app\":\"a\"}},\"template\":" + Template + "}");
        var set = DeploymentPlan.Decide(deployment, [], Now).OfType<CreateObject>().Single().Document;
        Assert.Contains(new Report("Normal", "ScalingReplicaSet", $"Scaled up replica set {set.Name()} from 0 to 3"), DeploymentPlan.Decide(deployment, [], Now));
        set.Metadata()["uid"] = "set";
        (set.Metadata()["generation"], set["status"]) = (1, Json("""{"replicas":3,"observedGeneration":1}"""));
        deployment["spec"]!["replicas"] = 1;
        Assert.Contains(new Report("Normal", "ScalingReplicaSet", $"Scaled down replica set {set.Name()} from 3 to 1"), DeploymentPlan.Decide(deployment, [set], Now));
    }

    private static string Cron(string spec, string status, params JsonObject[] jobs) =>
        Words(CronJobPlan.Decide(Owner("CronJob", "{\"schedule\":\"* * * * *\",\"jobTemplate\":{\"spec\":{\"template\":" + Template + "}}" + spec + "}", status), jobs, Now.AddMinutes(2)));

    private static JsonObject Ran(string name, string condition) => Json("{\"metadata\":{\"name\":\"" + name + "\",\"namespace\":\"default\",\"uid\":\"" + name + "\",\"ownerReferences\":[{\"controller\":true,\"uid\":\"owner\"}]},\"spec\":{},\"status\":{\"conditions\":[" + condition + "]}}");

    [Fact]
    public void A_cron_job_starts_the_latest_time_that_has_come_once()
    {
        Assert.Equal("+Job a-29454482", Cron("", "{}"));
        Assert.Equal("", Cron("", "{\"lastScheduleTime\":\"2026-01-01T12:02:00Z\"}"));
        Assert.Equal("", Cron(",\"suspend\":true", "{}"));
        Assert.Equal("", Cron(",\"startingDeadlineSeconds\":10", "{}"));
    }

    [Fact]
    public void What_runs_already_is_left_replaced_or_joined()
    {
        Assert.Equal("+Job a-29454482", Cron("", "{}", Ran("a-1", "")));
        Assert.Equal("", Cron(",\"concurrencyPolicy\":\"Forbid\"", "{}", Ran("a-1", "")));
        Assert.Equal("-a-1, +Job a-29454482", Cron(",\"concurrencyPolicy\":\"Replace\"", "{}", Ran("a-1", "")));
        const string Complete = """{"type":"Complete","status":"True"}""";
        Assert.Equal("-a-1, +Job a-29454482", Cron(",\"successfulJobsHistoryLimit\":1", "{}", Ran("a-1", Complete), Ran("a-2", Complete)));
    }

    [Theory]
    [InlineData(10, "25%", "25%", 3, 2)] // surge is rounded up, unavailable down
    [InlineData(4, "30%", "30%", 2, 1)]
    [InlineData(3, "10%", "10%", 1, 0)]
    [InlineData(3, "0%", "10%", 0, 1)] // never both none
    [InlineData(2, "100%", "100%", 2, 2)]
    [InlineData(7, "3", "34%", 3, 2)]
    [InlineData(1, "0", "5", 0, 1)] // no more than there are
    [InlineData(9, null, null, 3, 2)]
    public void Percentages_of_surge_are_rounded_up_and_of_unavailable_pods_down(int replicas, string? surge, string? unavailable, int most, int missing)
    {
        var rolling = new JsonObject();
        foreach (var (name, value) in new[] { ("maxSurge", surge), ("maxUnavailable", unavailable) })
            if (value is not null) rolling[name] = int.TryParse(value, CultureInfo.InvariantCulture, out int number) ? number : value;
        Assert.Equal((most, missing), DeploymentPlan.Bounds(new JsonObject { ["strategy"] = new JsonObject { ["rollingUpdate"] = rolling } }, replicas));
    }

    [Theory]
    [InlineData("5/5 3/0", 5, "5 0")] // what serves nobody goes first
    [InlineData("5/3 3/3", 5, "2 3")] // of equals the older
    [InlineData("4/4 4/4", 6, "3 3")] // then of the largest, one after the other
    [InlineData("6/6 2/2", 5, "3 2")]
    [InlineData("2/2 2/2", 9, "2 2")]
    [InlineData("3/1 3/1", 1, "0 1")]
    public void Fewer_replicas_while_paused_take_what_serves_nobody_and_then_from_the_largest(string sets, int allowed, string left) => Assert.Equal(left, string.Join(' ', RollingStep.Cut(
        [.. sets.Split(' ').Select(set => set.Split('/')).Select(ends => new SetSize(int.Parse(ends[0], CultureInfo.InvariantCulture), int.Parse(ends[0], CultureInfo.InvariantCulture), int.Parse(ends[1], CultureInfo.InvariantCulture)))], allowed)));

    private static JsonObject Sized(JsonObject made, string uid, int wanted, int available, int desired)
    {
        var set = (JsonObject)made.DeepClone();
        (set.Metadata()["uid"], set.Metadata()["name"], set.Metadata()["generation"], set["spec"]!["replicas"]) = (uid, uid, 1, wanted);
        set.Annotated(DeploymentPlan.DesiredAnnotation, desired.ToString(CultureInfo.InvariantCulture));
        set["status"] = new JsonObject { ["replicas"] = wanted, ["readyReplicas"] = available, ["availableReplicas"] = available, ["observedGeneration"] = 1 };
        return set;
    }

    [Theory]
    [InlineData(10, 8, 5, 15, "12 8")] // 20 pods at most, 13 there: seven more, by their sizes
    [InlineData(4, 3, 2, 8, "7 4")] // eleven at most: six more
    [InlineData(10, 8, 5, 11, "9 6")] // room for two
    public void More_replicas_in_the_middle_of_a_rollout_are_shared_out_by_the_sizes_there_are(int before, int old, int current, int wanted, string sizes)
    {
        const string Rolling = "\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":\"30%\",\"maxUnavailable\":\"25%\"}},\"selector\":{\"matchLabels\":{\"app\":\"a\"}},\"template\":";
        JsonObject Deployment(int replicas, string template) => Owner("Deployment", "{\"replicas\":" + replicas.ToString(CultureInfo.InvariantCulture) + "," + Rolling + template + "}");
        JsonObject Set(string template) => DeploymentPlan.Decide(Deployment(before, template), [], Now).OfType<CreateObject>().Single().Document;
        var (first, second) = (Set(Template.Replace("a:1", "a:0", StringComparison.Ordinal)), Set(Template));
        second.Annotated(DeploymentPlan.RevisionAnnotation, "2");
        var actions = DeploymentPlan.Decide(Deployment(wanted, Template), [Sized(first, "old", old, old, before), Sized(second, "new", current, 0, before)], Now);
        Assert.Equal(sizes, string.Join(' ', actions.OfType<UpdateObject>().Where(update => update.Kind == Kinds.ReplicaSet).OrderByDescending(update => update.Document.Name()).Select(update => update.Document["spec"]!["replicas"])));
        Assert.All(actions.OfType<UpdateObject>().Where(update => update.Kind == Kinds.ReplicaSet), update => Assert.Equal(wanted.ToString(CultureInfo.InvariantCulture), update.Document.Annotation(DeploymentPlan.DesiredAnnotation)));
    }

    [Fact]
    public void Sizes_of_a_rolling_update_keep_both_bounds()
    {
        Assert.Equal("[3] 1", Next([new(4, 4, 4)], new(1, 1, 1), 4, 1, 0));
        Assert.Equal("[3] 2", Next([new(3, 3, 3)], new(1, 1, 1), 4, 1, 0));
        Assert.Equal("[3] 1", Next([new(3, 3, 3, Settled: false)], new(1, 1, 1), 4, 1, 0));
        Assert.Equal("[4] 1", Next([new(4, 4, 4)], new(1, 1, 0), 4, 1, 0));
        Assert.Equal("[3] 1", Next([new(4, 4, 4)], new(1, 1, 0), 4, 1, 1));
        Assert.Equal("[2] 1", Next([new(4, 4, 2)], new(1, 1, 0), 4, 1, 2));
        Assert.Equal("[11, 7]", "[" + string.Join(", ", RollingStep.Grow([new(8, 8, 8), new(5, 5, 0)], 18)) + "]"); // the example in Kubernetes' documentation
        Assert.Equal("[3, 3]", "[" + string.Join(", ", RollingStep.Grow([new(2, 2, 2), new(2, 2, 2)], 6)) + "]");
        Assert.Equal("[2, 3]", "[" + string.Join(", ", RollingStep.Grow([new(2, 2, 2), new(2, 2, 2)], 5)) + "]");
        Assert.Equal("[6, 4]", "[" + string.Join(", ", RollingStep.Grow([new(3, 3, 3), new(2, 2, 0)], 10)) + "]");

        static string Next(SetSize[] old, SetSize current, int replicas, int surge, int unavailable) =>
            RollingStep.Next(old, current, replicas, surge, unavailable) is var (left, up) ? $"[{string.Join(", ", left)}] {up}" : "";
    }
}
