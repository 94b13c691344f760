using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Workloads;
using Eyrie.ControlPlane.Resources;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Workloads;

public sealed class JobPlanTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 30, TimeSpan.Zero);
    private const string Index = "batch.kubernetes.io/job-completion-index", Failures = "batch.kubernetes.io/job-index-failure-count";

    private static JsonObject Pod(string name, string phase = "Running", int? index = null, int? failures = null, bool tracked = true, bool deleted = false, int code = 1)
    {
        var pod = Json("{\"metadata\":{\"name\":\"" + name + "\",\"namespace\":\"default\",\"uid\":\"" + name + "\",\"creationTimestamp\":\"2026-01-01T12:00:00Z\",\"ownerReferences\":[{\"controller\":true,\"uid\":\"owner\"}]},\"spec\":{\"nodeName\":\"n\"},\"status\":{\"phase\":\"" + phase + "\"}}");
        if (tracked) pod.Metadata()["finalizers"] = new JsonArray(Finalizers.JobTracking);
        if (deleted) (pod.Metadata()["deletionTimestamp"], pod.Metadata()["deletionGracePeriodSeconds"]) = ("2026-01-01T12:00:20Z", 30);
        if (index is not null) pod.Annotated(Index, $"{index}");
        if (failures is not null) pod.Annotated(Failures, $"{failures}");
        if (phase == "Failed") pod["status"]!["containerStatuses"] = JsonNode.Parse("[{\"name\":\"c\",\"state\":{\"terminated\":{\"exitCode\":" + code + ",\"finishedAt\":\"2026-01-01T12:00:05Z\"}}}]");
        return pod;
    }

    private static IReadOnlyList<WorkloadAction> Decide(string spec, string status = "{}", params JsonObject[] pods) => JobPlan.Decide(
        Json("{\"kind\":\"Job\",\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\"uid\":\"owner\",\"generation\":1,\"creationTimestamp\":\"2026-01-01T12:00:00Z\"},\"spec\":{\"selector\":{},\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\"}]}}" + spec + "},\"status\":" + status + "}"), pods, Now);

    /// <summary>+ made, - deleted, ~ no finalizer any more.</summary>
    private static string Words(IEnumerable<WorkloadAction> actions) => string.Join(", ", actions.Select(action => action switch
    {
        CreateObject create => $"+{create.Document.Metadata().Text("generateName")}",
        DeleteObject delete => $"-{delete.Name.Name}",
        UpdateObject update => $"~{update.Document.Name()}",
        _ => "",
    }).Where(word => word.Length > 0));

    private static JsonObject Status(IEnumerable<WorkloadAction> actions) => actions.OfType<UpdateObjectStatus>().Last().Document["status"]!.AsObject();

    private static string Counts(IEnumerable<WorkloadAction> actions) => Status(actions) is var status ? $"{status["succeeded"]}/{status["failed"]} {status["uncountedTerminatedPods"]?.ToJsonString()}" : "";

    private static string? End(IReadOnlyList<WorkloadAction> actions) => actions.OfType<UpdateObjectStatus>().LastOrDefault()?.Document["status"]?["conditions"]?.AsArray().Last()?["reason"]?.ToString();

    [Fact]
    public void It_runs_so_many_at_once_until_so_many_have_succeeded()
    {
        Assert.Equal("+a-, +a-", Words(Decide(",\"parallelism\":2,\"completions\":5")));
        Assert.Equal("+a-", Words(Decide(",\"parallelism\":2,\"completions\":3", "{}", Pod("x", "Succeeded"), Pod("y"))));
        var done = Decide(",\"completions\":1", """{"startTime":"2026-01-01T12:00:00Z"}""", Pod("x", "Succeeded"));
        Assert.Equal("CompletionsReached", End(done));
        Assert.Equal("1", Status(done)["succeeded"]!.ToString());
        Assert.Contains(Finalizers.JobTracking, Decide("").OfType<CreateObject>().Single().Document.Metadata()["finalizers"]!.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_ended_pod_is_told_released_and_counted_each_when_the_step_before_is_in_the_store()
    {
        const string Two = ",\"completions\":9,\"parallelism\":1";
        var (good, bad, next) = (Pod("good", "Succeeded"), Pod("bad", "Failed"), Pod("next"));
        var first = Decide(Two, "{}", good, bad, next);
        Assert.Equal("/ {\"succeeded\":[\"good\"],\"failed\":[\"bad\"]}", Counts(first));
        Assert.Equal("", Words(first));
        var told = Status(first).ToJsonString();
        Assert.Equal("~good, ~bad", Words(Decide(Two, told, good, bad, next)));
        // Whether the pods are still there without the finalizer, or gone, is all the same.
        Assert.Equal("1/1 ", Counts(Decide(Two, told, Pod("good", "Succeeded", tracked: false), next)));
        Assert.Equal("1/ {\"failed\":[\"bad\"]}", Counts(Decide(Two, told, bad, next)));
        // What was counted is not counted again.
        Assert.DoesNotContain(Decide(Two, """{"startTime":"2026-01-01T12:00:00Z","succeeded":1,"failed":1,"active":1,"ready":0}""", Pod("good", "Succeeded", tracked: false), next), action => action is UpdateObjectStatus);
    }

    [Fact]
    public void A_pod_that_somebody_deletes_has_failed_and_one_that_the_job_gives_up_has_not()
    {
        Assert.Equal("/ {\"failed\":[\"x\"]}", Counts(Decide(",\"completions\":2", "{}", Pod("x", deleted: true))));
        Assert.Equal("~y", Words(Decide(",\"parallelism\":1,\"completions\":3", "{}", Pod("x"), Pod("y"))));
        Assert.Equal("-y", Words(Decide(",\"parallelism\":1,\"completions\":3", "{}", Pod("x"), Pod("y", tracked: false))));
        Assert.Equal("/ ", Counts(Decide(",\"parallelism\":1,\"completions\":3", "{}", Pod("x"), Pod("y", "Failed", tracked: false))));
    }

    [Fact]
    public void A_pod_that_is_going_is_replaced_when_it_has_ended_if_the_job_says_so()
    {
        Assert.Equal("", Words(Decide(",\"podReplacementPolicy\":\"Failed\"", "{}", Pod("x", deleted: true))));
        Assert.Equal("+a-", Words(Decide(",\"podReplacementPolicy\":\"TerminatingOrFailed\"", "{}", Pod("x", deleted: true, phase: "Running"))));
        Assert.Equal("1", Status(Decide(",\"podReplacementPolicy\":\"Failed\"", "{}", Pod("x", deleted: true)))["terminating"]!.ToString());
    }

    [Fact]
    public void Pods_of_a_job_that_is_deleted_are_let_go() => Assert.Equal("~x", Words(JobPlan.Decide(
        Json("""{"metadata":{"name":"a","namespace":"default","uid":"owner","deletionTimestamp":"2026-01-01T12:00:00Z"},"spec":{}}"""), [Pod("x"), Pod("y", tracked: false)], Now)));

    [Fact]
    public void An_indexed_job_runs_each_index_and_tells_the_pod_its_own()
    {
        var actions = Decide(",\"parallelism\":3,\"completions\":4,\"completionMode\":\"Indexed\"", """{"completedIndexes":"0"}""", Pod("x", index: 2));
        Assert.Equal("+a-1-, +a-3-", Words(actions));
        Assert.Equal("1", actions.OfType<CreateObject>().First().Document["spec"]!["containers"]![0]!["env"]![0]!["value"]!.ToString());
        Assert.Equal("0,2-4,6,7", JobProgress.Print(JobProgress.Parse("0,2-4,6-7")));
        // An index is remembered before its pod is let go.
        const string Some = ",\"parallelism\":1,\"completions\":9,\"completionMode\":\"Indexed\"";
        Assert.Equal("0,2", Status(Decide(Some, """{"completedIndexes":"0"}""", Pod("x", "Succeeded", 2), Pod("y", index: 1)))["completedIndexes"]!.ToString());
        Assert.Equal("", Words(Decide(Some, """{"completedIndexes":"0"}""", Pod("x", "Succeeded", 2), Pod("y", index: 1))));
        Assert.Equal("~x", Words(Decide(Some, """{"completedIndexes":"0,2"}""", Pod("x", "Succeeded", 2), Pod("y", index: 1))));
    }

    [Theory]
    [InlineData(",\"backoffLimit\":0", "BackoffLimitExceeded")]
    [InlineData(",\"podFailurePolicy\":{\"rules\":[{\"action\":\"FailJob\",\"onExitCodes\":{\"operator\":\"In\",\"values\":[42]}}]}", "PodFailurePolicy")]
    [InlineData(",\"backoffLimit\":0,\"podFailurePolicy\":{\"rules\":[{\"action\":\"Ignore\",\"onExitCodes\":{\"operator\":\"In\",\"values\":[42]}}]}", null)]
    [InlineData("", null)]
    [InlineData(",\"activeDeadlineSeconds\":20", "DeadlineExceeded")]
    public void It_fails_when_it_is_told_to(string spec, string? reason)
    {
        var failed = Pod("x", "Failed", code: 42);
        failed["status"]!["containerStatuses"]![0]!["state"]!["terminated"]!["finishedAt"] = "2026-01-01T12:00:25Z";
        var actions = Decide(spec, """{"startTime":"2026-01-01T12:00:00Z"}""", failed);
        Assert.Equal(reason, End(actions));
        Assert.DoesNotContain(actions, action => action is CreateObject); // a failure is waited for: ten seconds after it
    }

    private static JsonObject Disrupted(string status)
    {
        var pod = Pod("x", "Failed", code: 137);
        pod["status"]!["conditions"] = JsonNode.Parse("[{\"type\":\"DisruptionTarget\",\"status\":\"" + status + "\"}]");
        return pod;
    }

    [Theory]
    [InlineData("{\"action\":\"Ignore\",\"onPodConditions\":[{\"type\":\"DisruptionTarget\"}]}", "True", null)] // evicted, preempted, its node lost: no failure of its own
    [InlineData("{\"action\":\"Ignore\",\"onPodConditions\":[{\"type\":\"DisruptionTarget\"}]}", "False", "BackoffLimitExceeded")]
    [InlineData("{\"action\":\"Ignore\",\"onPodConditions\":[{\"type\":\"DisruptionTarget\",\"status\":\"False\"}]}", "False", null)]
    [InlineData("{\"action\":\"Ignore\",\"onPodConditions\":[{\"type\":\"Other\",\"status\":\"True\"}]}", "True", "BackoffLimitExceeded")]
    [InlineData("{\"action\":\"FailJob\",\"onPodConditions\":[{\"type\":\"DisruptionTarget\",\"status\":\"True\"}]}", "True", "PodFailurePolicy")]
    [InlineData("{\"action\":\"Ignore\",\"onPodConditions\":[{\"type\":\"DisruptionTarget\"}]},{\"action\":\"FailJob\",\"onExitCodes\":{\"operator\":\"In\",\"values\":[137]}}", "True", null)] // the first rule that fits
    [InlineData("{\"action\":\"Count\",\"onPodConditions\":[{\"type\":\"DisruptionTarget\"}]},{\"action\":\"Ignore\",\"onExitCodes\":{\"operator\":\"In\",\"values\":[137]}}", "True", "BackoffLimitExceeded")]
    public void Its_policy_looks_at_the_conditions_of_a_failed_pod(string rules, string status, string? reason)
    {
        var actions = Decide(",\"backoffLimit\":0,\"podFailurePolicy\":{\"rules\":[" + rules + "]}", """{"startTime":"2026-01-01T12:00:00Z"}""", Disrupted(status));
        Assert.Equal(reason, End(actions));
        if (reason == "PodFailurePolicy") Assert.Contains("Pod default/x has condition DisruptionTarget matching FailJob rule at index 0", Status(actions)["conditions"]!.ToJsonString(), StringComparison.Ordinal);
        if (reason is null) Assert.Equal("+a-, ~x", Words(actions)); // another in its place; let go, counted as nothing
    }

    private const string Three = ",\"parallelism\":3,\"completions\":3,\"completionMode\":\"Indexed\",\"backoffLimitPerIndex\":1";

    [Fact]
    public void Where_indexes_fail_by_themselves_each_is_tried_as_often_as_it_may_and_the_others_go_on()
    {
        var actions = Decide(Three, "{}", Pod("x", "Failed", 0, 0), Pod("y", index: 1), Pod("z", index: 2));
        Assert.Equal("+a-0-", Words(actions));
        Assert.Equal("1", actions.OfType<CreateObject>().Single().Document.Annotation(Failures));
        actions = Decide(Three, "{}", Pod("x", "Failed", 0, 0), Pod("x2", "Failed", 0, 1), Pod("y", index: 1), Pod("z", index: 2));
        Assert.Equal("", Words(actions));
        Assert.Equal("0", Status(actions)["failedIndexes"]!.ToString());
        Assert.Null(End(actions));
    }

    [Fact]
    public void A_failed_pod_stays_until_the_next_of_its_index_carries_how_often_it_failed()
    {
        const string Told = """{"uncountedTerminatedPods":{"failed":["x"]}}""";
        Assert.Equal("+a-0-", Words(Decide(Three, Told, Pod("x", "Failed", 0, 0), Pod("y", index: 1), Pod("z", index: 2))));
        Assert.Equal("~x", Words(Decide(Three, Told, Pod("x", "Failed", 0, 0), Pod("x2", index: 0, failures: 1), Pod("y", index: 1), Pod("z", index: 2))));
    }

    [Theory]
    [InlineData("", "0", "1,2", "FailedIndexes")]
    [InlineData("", "0", "1", null)]
    [InlineData(",\"maxFailedIndexes\":0", "0", "", "MaxFailedIndexesExceeded")]
    [InlineData(",\"maxFailedIndexes\":1", "0", "", null)]
    [InlineData("", "", "0-2", "CompletionsReached")]
    public void It_fails_when_too_many_indexes_have_or_when_all_others_are_done(string spec, string failed, string completed, string? reason) =>
        Assert.Equal(reason, End(Decide(Three + spec, "{\"failedIndexes\":\"" + failed + "\",\"completedIndexes\":\"" + completed + "\"}")));

    [Fact]
    public void A_failure_policy_may_give_up_one_index() => Assert.Equal("0", Status(Decide(Three + ",\"podFailurePolicy\":{\"rules\":[{\"action\":\"FailIndex\",\"onExitCodes\":{\"operator\":\"In\",\"values\":[42]}}]}", "{}",
        Pod("x", "Failed", 0, 0, code: 42), Pod("y", index: 1)))["failedIndexes"]!.ToString());

    [Theory]
    [InlineData("{\"succeededIndexes\":\"0,2\"}", "0-1", null)]
    [InlineData("{\"succeededIndexes\":\"0,2\"}", "0,2", "Matched rules at index 0")]
    [InlineData("{\"succeededCount\":2}", "1,2", "Matched rules at index 0")]
    [InlineData("{\"succeededIndexes\":\"0-1\",\"succeededCount\":1}", "2", null)]
    [InlineData("{\"succeededCount\":9},{\"succeededIndexes\":\"0-1\",\"succeededCount\":1}", "1", "Matched rules at index 1")]
    public void Some_indexes_may_be_enough(string rules, string completed, string? message)
    {
        var actions = Decide(",\"parallelism\":3,\"completions\":4,\"completionMode\":\"Indexed\",\"successPolicy\":{\"rules\":[" + rules + "]}", "{\"completedIndexes\":\"" + completed + "\"}", Pod("y", index: 3));
        var conditions = Status(actions)["conditions"]?.AsArray();
        Assert.Equal(message is null ? null : "SuccessCriteriaMet Complete", conditions is null ? null : string.Join(' ', conditions.Select(condition => condition!["type"])));
        Assert.Equal(message, conditions?[1]?["message"]?.ToString());
        if (message is not null) Assert.Equal("~y", Words(actions));
    }

    [Fact]
    public void A_suspended_job_has_no_pods_and_a_finished_one_goes_after_its_time()
    {
        Assert.Equal("~x", Words(Decide(",\"suspend\":true", "{}", Pod("x"))));
        Assert.Equal("-x", Words(Decide(",\"suspend\":true", "{}", Pod("x", tracked: false))));
        const string Done = """{"conditions":[{"type":"Complete","status":"True","lastTransitionTime":"2026-01-01T12:00:00Z"}]}""";
        Assert.Equal("", Words(Decide("", Done)));
        Assert.Equal("~x, -y", Words(Decide("", Done, Pod("x", "Succeeded"), Pod("y", tracked: false))));
        Assert.Equal("-a", Words(Decide(",\"ttlSecondsAfterFinished\":30", Done)));
        Assert.Equal(Now.AddSeconds(10), Assert.IsType<LookAgain>(Assert.Single(Decide(",\"ttlSecondsAfterFinished\":40", Done))).At);
    }
}
