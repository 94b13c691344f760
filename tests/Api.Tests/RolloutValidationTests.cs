using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>A rollout or a budget that cannot be acted on is refused where it stands, in the words of kube-apiserver.</summary>
public sealed class RolloutValidationTests
{
    private static string Workload(string fields) => $$$"""{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"x:1"}]}},{{{fields}}} }""";

    private static List<string> OfWorkload(string kind, string fields) => Mistakes.Of(kind switch { "Deployment" => Kinds.Deployment, "DaemonSet" => Kinds.DaemonSet, _ => Kinds.StatefulSet }, Workload(fields));

    [Theory]
    [InlineData("Deployment", "\"strategy\":{\"type\":\"Rolling\"}", "spec.strategy.type: Unsupported value: \"Rolling\": supported values: \"Recreate\", \"RollingUpdate\"")]
    [InlineData("Deployment", "\"strategy\":{\"rollingUpdate\":{\"maxSurge\":\"a few\"}}", "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"a few\": must be a number or a percentage (e.g. '1%' or '93%')")]
    [InlineData("Deployment", "\"strategy\":{\"rollingUpdate\":{\"maxSurge\":\"3\"}}", "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"3\": must be a number or a percentage (e.g. '1%' or '93%')")]
    [InlineData("Deployment", "\"strategy\":{\"rollingUpdate\":{\"maxSurge\":-1}}", "spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0")]
    [InlineData("Deployment", "\"strategy\":{\"rollingUpdate\":{\"maxUnavailable\":\"101%\"}}", "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%")]
    [InlineData("Deployment", "\"strategy\":{\"rollingUpdate\":{\"maxUnavailable\":0,\"maxSurge\":\"0%\"}}", "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0")]
    [InlineData("Deployment", "\"minReadySeconds\":-1,\"revisionHistoryLimit\":-1", "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0", "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0")]
    [InlineData("Deployment", "\"minReadySeconds\":600", "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds")]
    [InlineData("DaemonSet", "\"updateStrategy\":{\"rollingUpdate\":{\"maxUnavailable\":0}}", "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0")]
    [InlineData("DaemonSet", "\"updateStrategy\":{\"type\":\"Never\"}", "spec.updateStrategy.type: Unsupported value: \"Never\": supported values: \"RollingUpdate\", \"OnDelete\"")]
    [InlineData("StatefulSet", "\"updateStrategy\":{\"rollingUpdate\":{\"partition\":-1}},\"podManagementPolicy\":\"Some\"", "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0", "spec.podManagementPolicy: Unsupported value: \"Some\": supported values: \"OrderedReady\", \"Parallel\"")]
    [InlineData("StatefulSet", "\"ordinals\":{\"start\":-1},\"persistentVolumeClaimRetentionPolicy\":{\"whenScaled\":\"Keep\"}", "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0", "spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: \"Keep\": supported values: \"Retain\", \"Delete\"")]
    public void A_rollout_that_could_not_go_on_is_refused_at_the_field(string kind, string fields, params string[] mistakes) => Assert.Equal(mistakes, OfWorkload(kind, fields));

    [Fact]
    public void Rollouts_that_can_go_on_are_taken()
    {
        Assert.Empty(OfWorkload("Deployment", "\"strategy\":{\"rollingUpdate\":{\"maxUnavailable\":0,\"maxSurge\":\"200%\"}}"));
        Assert.Empty(OfWorkload("Deployment", "\"strategy\":{\"type\":\"Recreate\"}"));
        Assert.Empty(OfWorkload("DaemonSet", "\"updateStrategy\":{\"rollingUpdate\":{\"maxUnavailable\":0,\"maxSurge\":1}}"));
        Assert.Empty(OfWorkload("StatefulSet", "\"updateStrategy\":{\"rollingUpdate\":{\"partition\":3,\"maxUnavailable\":\"50%\"}}"));
    }

    [Theory]
    [InlineData("\"minAvailable\":1,\"maxUnavailable\":1", "spec: Invalid value: minAvailable and maxUnavailable cannot be both set")]
    [InlineData("\"minAvailable\":\"most\"", "spec.minAvailable: Invalid value: \"most\": must be a number or a percentage (e.g. '1%' or '93%')")]
    [InlineData("\"maxUnavailable\":\"-5%\"", "spec.maxUnavailable: Invalid value: \"-5%\": must be greater than or equal to 0")]
    [InlineData("\"minAvailable\":\"120%\"", "spec.minAvailable: Invalid value: \"120%\": must not be greater than 100%")]
    [InlineData("\"unhealthyPodEvictionPolicy\":\"Never\"", "spec.unhealthyPodEvictionPolicy: Unsupported value: \"Never\": supported values: \"IfHealthyBudget\", \"AlwaysAllow\"")]
    public void A_budget_that_means_nothing_is_refused_at_the_field(string spec, string mistake) => Assert.Equal([mistake], Mistakes.Of(Kinds.PodDisruptionBudget, "{" + spec + "}"));
}
