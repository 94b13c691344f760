using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>What cannot be acted on is refused where it stands, in the words of kube-apiserver.</summary>
public sealed class AutoscalerValidationTests
{
    private const string Target = "\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"d\",\"apiVersion\":\"apps/v1\"}";

    private static List<string> Errors(ResourceKind kind, string spec)
    {
        var document = JsonNode.Parse($$$"""{"metadata":{"name":"one","namespace":"default"},"spec":{{{spec}}}}""")!.AsObject();
        Defaults.Apply(kind, document);
        return [.. Validation.Check(kind, document, null).Select(error => $"{error.Field}: {error.Message}")];
    }

    private static List<string> Metric(string metric) => Errors(Kinds.HorizontalPodAutoscaler, "{" + Target + ",\"maxReplicas\":2,\"metrics\":[" + metric + "]}");

    [Theory]
    [InlineData("\"maxReplicas\":2", "spec.scaleTargetRef.kind: Required value", "spec.scaleTargetRef.name: Required value")]
    [InlineData(Target, "spec.maxReplicas: Invalid value: 0: must be greater than 0")]
    [InlineData(Target + ",\"maxReplicas\":-1", "spec.maxReplicas: Invalid value: -1: must be greater than 0")]
    [InlineData(Target + ",\"maxReplicas\":2,\"minReplicas\":3", "spec.maxReplicas: Invalid value: 2: must be greater than or equal to `minReplicas`")]
    [InlineData(Target + ",\"maxReplicas\":2,\"minReplicas\":0", "spec.minReplicas: Invalid value: 0: must be greater than 0")]
    [InlineData(Target + ",\"maxReplicas\":2,\"behavior\":{\"scaleUp\":{\"policies\":[]}}", "spec.behavior.scaleUp.policies: Required value: must specify at least one Policy")]
    [InlineData(Target + ",\"maxReplicas\":2,\"behavior\":{\"scaleDown\":{\"stabilizationWindowSeconds\":3601,\"selectPolicy\":\"Least\"}}",
        "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600", "spec.behavior.scaleDown.selectPolicy: Unsupported value: \"Least\": supported values: \"Max\", \"Min\", \"Disabled\"")]
    [InlineData(Target + ",\"maxReplicas\":2,\"behavior\":{\"scaleDown\":{\"policies\":[{\"type\":\"Pods\",\"value\":0,\"periodSeconds\":1801}]}}",
        "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than 0", "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800")]
    public void An_autoscaler_that_could_not_decide_is_refused_at_the_field(string spec, params string[] mistakes) => Assert.Equal(mistakes, Errors(Kinds.HorizontalPodAutoscaler, "{" + spec + "}"));

    [Theory]
    [InlineData("{}", "spec.metrics[0].type: Required value: must specify a metric source type")]
    [InlineData("""{"type":"Load"}""", "spec.metrics[0].type: Unsupported value: \"Load\": supported values: \"Object\", \"Pods\", \"Resource\", \"External\", \"ContainerResource\"")]
    [InlineData("""{"type":"Resource"}""", "spec.metrics[0].resource: Required value: must populate information for the given metric source")]
    [InlineData("""{"type":"Resource","pods":{},"resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}""", "spec.metrics[0].pods: Forbidden: must populate the given metric source only")]
    [InlineData("""{"type":"Resource","resource":{"target":{"averageUtilization":0}}}""", "spec.metrics[0].resource.name: Required value: must specify a resource name", "spec.metrics[0].resource.target.type: Required value: must specify a metric target type", "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0")]
    [InlineData("""{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization"}}}""", "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization")]
    [InlineData("""{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50,"averageValue":"1"}}}""", "spec.metrics[0].resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization")]
    [InlineData("""{"type":"ContainerResource","containerResource":{"name":"cpu","target":{"type":"Usage","averageValue":"1"}}}""", "spec.metrics[0].containerResource.container: Required value: must specify a container", "spec.metrics[0].containerResource.target.type: Invalid value: \"Usage\": must be either Utilization, Value, or AverageValue")]
    [InlineData("""{"type":"Pods","pods":{"metric":{"name":"m"},"target":{"type":"Value","value":"0"}}}""", "spec.metrics[0].pods.target.value: Invalid value: \"0\": must be positive", "spec.metrics[0].pods.target.averageValue: Required value: must specify a positive target averageValue")]
    [InlineData("""{"type":"Object","object":{"metric":{},"target":{"type":"Value"}}}""", "spec.metrics[0].object.metric.name: Required value: must specify a metric name", "spec.metrics[0].object.describedObject.kind: Required value", "spec.metrics[0].object.describedObject.name: Required value", "spec.metrics[0].object.target.averageValue: Required value: must set either a target value for metric or a per-pod target")]
    [InlineData("""{"type":"External","external":{"metric":{"name":"m"},"target":{"type":"Value","value":"1","averageValue":"1"}}}""", "spec.metrics[0].external.target.value: Forbidden: may not set both a target value for metric and a per-pod target")]
    public void A_metric_that_cannot_be_read_is_refused_at_the_field(string metric, params string[] mistakes) => Assert.Equal(mistakes, Metric(metric));

    [Fact]
    public void Autoscalers_that_can_decide_are_taken()
    {
        Assert.Empty(Errors(Kinds.HorizontalPodAutoscaler, "{" + Target + ""","minReplicas":1,"maxReplicas":1}"""));
        Assert.Empty(Metric("""{"type":"Resource","resource":{"name":"memory","target":{"type":"AverageValue","averageValue":"10Mi"}}},{"type":"ContainerResource","containerResource":{"name":"cpu","container":"a","target":{"type":"Utilization","averageUtilization":200}}},{"type":"Pods","pods":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"100m"}}},{"type":"Object","object":{"describedObject":{"kind":"Service","name":"s"},"metric":{"name":"m"},"target":{"type":"Value","value":"1k"}}},{"type":"External","external":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"1"}}}"""));
        Assert.Empty(Errors(Kinds.HorizontalPodAutoscaler, "{" + Target + ""","maxReplicas":9,"behavior":{"scaleUp":{"tolerance":"0"},"scaleDown":{"stabilizationWindowSeconds":0,"selectPolicy":"Min","policies":[{"type":"Percent","value":10,"periodSeconds":1800},{"type":"Pods","value":1,"periodSeconds":1}]}}}"""));
    }

    private static string Workload(string fields) => $$$"""{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"x:1"}]}},{{{fields}}} }""";

    private static List<string> OfWorkload(string kind, string fields) => Errors(kind switch { "Deployment" => Kinds.Deployment, "DaemonSet" => Kinds.DaemonSet, _ => Kinds.StatefulSet }, Workload(fields));

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
    public void A_budget_that_means_nothing_is_refused_at_the_field(string spec, string mistake) => Assert.Equal([mistake], Errors(Kinds.PodDisruptionBudget, "{" + spec + "}"));
}
