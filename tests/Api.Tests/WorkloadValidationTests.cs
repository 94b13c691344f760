using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Api.Tests;

public sealed class WorkloadValidationTests
{
    private const string Pod = """{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"x:1"}]}}""";

    [Theory]
    [InlineData("\"backoffLimitPerIndex\":1", "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode")]
    [InlineData("\"completionMode\":\"Indexed\",\"parallelism\":2", "spec.completions: Required value: when completion mode is Indexed")]
    [InlineData("\"completionMode\":\"indexed\"", "spec.completionMode: Unsupported value: \"indexed\": supported values: \"NonIndexed\", \"Indexed\"")]
    [InlineData("\"completionMode\":\"Indexed\",\"completions\":2,\"maxFailedIndexes\":1", "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified")]
    [InlineData("\"completionMode\":\"Indexed\",\"completions\":2,\"maxFailedIndexes\":3,\"backoffLimitPerIndex\":1", "spec.maxFailedIndexes: Invalid value: 3: must be less than or equal to completions")]
    [InlineData("\"parallelism\":-1", "spec.parallelism: Invalid value: -1: must be greater than or equal to 0")]
    [InlineData("\"successPolicy\":{\"rules\":[{\"succeededCount\":1}]}", "spec.successPolicy: Invalid value: {\"rules\":[{\"succeededCount\":1}]}: requires indexed completion mode")]
    [InlineData("\"podReplacementPolicy\":\"TerminatingOrFailed\",\"podFailurePolicy\":{\"rules\":[]}", "spec.podReplacementPolicy: Unsupported value: \"TerminatingOrFailed\": supported values: \"Failed\"")]
    [InlineData("\"podFailurePolicy\":{\"rules\":[{\"action\":\"FailIndex\",\"onPodConditions\":[{\"type\":\"DisruptionTarget\"}]}]}", "spec.podFailurePolicy.rules[0].action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set")]
    [InlineData("\"podFailurePolicy\":{\"rules\":[{\"action\":\"FailJob\",\"onExitCodes\":{\"operator\":\"In\",\"values\":[0]}}]}", "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator")]
    [InlineData("\"podFailurePolicy\":{\"rules\":[{\"action\":\"FailJob\",\"onExitCodes\":{\"operator\":\"In\",\"values\":[7],\"containerName\":\"b\"}}]}", "spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"b\": must be one of the container or initContainer names in the pod template")]
    public void A_job_whose_fields_do_not_fit_together_is_refused_at_the_field(string fields, string mistake) => Assert.Equal([mistake], Mistakes.Of(Kinds.Job, $$$"""{"template":{{{Pod}}},{{{fields}}} }"""));

    [Fact]
    public void A_job_whose_pods_would_always_be_restarted_is_refused() =>
        Assert.Equal(["spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""], Mistakes.Of(Kinds.Job, """{"template":{"spec":{"containers":[{"name":"a","image":"x:1"}]}}}"""));

    [Fact]
    public void Jobs_that_fit_are_taken_and_an_indexed_one_may_be_resized()
    {
        Assert.Empty(Mistakes.Of(Kinds.Job, $$$"""{"template":{{{Pod}}} }"""));
        Assert.Empty(Mistakes.Of(Kinds.Job, $$$"""{"template":{{{Pod}}},"completionMode":"Indexed","completions":4,"parallelism":4,"backoffLimitPerIndex":1,"maxFailedIndexes":2,"successPolicy":{"rules":[{"succeededCount":1}]},"podFailurePolicy":{"rules":[{"action":"FailIndex","onExitCodes":{"operator":"NotIn","values":[3]}}]}}""",
            $$$"""{"template":{{{Pod}}},"completionMode":"Indexed","completions":2,"parallelism":2,"backoffLimitPerIndex":1,"maxFailedIndexes":2,"successPolicy":{"rules":[{"succeededCount":1}]},"podFailurePolicy":{"rules":[{"action":"FailIndex","onExitCodes":{"operator":"NotIn","values":[3]}}]}}"""));
    }

    [Theory]
    [InlineData("\"completions\":3", "spec.completions: Invalid value: 3: field is immutable")]
    [InlineData("\"podFailurePolicy\":{\"rules\":[]},\"podReplacementPolicy\":\"Failed\"", "spec.podFailurePolicy: Invalid value: {\"rules\":[]}: field is immutable")]
    public void What_a_job_is_made_of_does_not_change(string fields, string mistake) => Assert.Equal([mistake], Mistakes.Of(Kinds.Job, $$$"""{"template":{{{Pod}}},{{{fields}}} }""", $$$"""{"template":{{{Pod}}} }"""));

    [Fact]
    public void The_template_of_a_job_changes_only_while_it_is_suspended()
    {
        var other = Pod.Replace("x:1", "x:2", StringComparison.Ordinal);
        Assert.Equal(["spec.template: Invalid value: field is immutable"], Mistakes.Of(Kinds.Job, $$$"""{"template":{{{other}}}}""", $$$"""{"template":{{{Pod}}} }"""));
        Assert.Empty(Mistakes.Of(Kinds.Job, $$$"""{"template":{{{other}}}}""", $$$"""{"template":{{{Pod}}},"suspend":true}"""));
    }

    [Theory]
    [InlineData("\"schedule\":\"61 * * * *\"", "spec.schedule: ")]
    [InlineData("\"schedule\":\"* * *\"", "spec.schedule: ")]
    [InlineData("\"schedule\":\"TZ=UTC 0 * * * *\"", "spec.schedule: ")]
    [InlineData("\"suspend\":true", "spec.schedule: Required value")]
    [InlineData("\"schedule\":\"@daily\",\"timeZone\":\"Mars/Olympus\"", "spec.timeZone: ")]
    [InlineData("\"schedule\":\"@daily\",\"concurrencyPolicy\":\"Never\"", "spec.concurrencyPolicy: Unsupported value: \"Never\"")]
    public void A_cron_job_that_could_never_run_is_refused_at_the_field(string fields, string mistake) => Assert.StartsWith(mistake, Assert.Single(Mistakes.Of(Kinds.CronJob, $$$"""{"jobTemplate":{"spec":{"template":{{{Pod}}} } },{{{fields}}} }""")), StringComparison.Ordinal);

    [Fact]
    public void The_job_of_a_cron_job_is_checked_as_one_where_it_stands() =>
        Assert.Equal(["spec.jobTemplate.spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"], Mistakes.Of(Kinds.CronJob, $$$"""{"schedule":"@daily","jobTemplate":{"spec":{"backoffLimitPerIndex":1,"template":{{{Pod}}} } }}"""));

    [Fact]
    public void Templates_of_sets_are_checked_and_claims_are_volumes_of_theirs()
    {
        const string Set = """{"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":{"labels":{"app":"LABEL"}},"spec":{"containers":[{"name":"a","image":"x:1","volumeMounts":[{"name":"data","mountPath":"/data"}]}]}},"volumeClaimTemplates":[{"metadata":{"name":"data"}}]}""";
        Assert.Empty(Mistakes.Of(Kinds.StatefulSet, Set.Replace("LABEL", "a", StringComparison.Ordinal)));
        Assert.Equal(["spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`"], Mistakes.Of(Kinds.StatefulSet, Set.Replace("LABEL", "b", StringComparison.Ordinal)));
        Assert.Equal(["spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"data\""], Mistakes.Of(Kinds.StatefulSet, Set.Replace("LABEL", "a", StringComparison.Ordinal).Replace("""{"name":"data"}}]""", """{"name":"other"}}]""", StringComparison.Ordinal)));
    }
}
