using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>An autoscaler that cannot be acted on is refused where it stands, in the words of kube-apiserver.</summary>
public sealed class AutoscalerValidationTests
{
    private const string Target = "\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":\"d\",\"apiVersion\":\"apps/v1\"}";

    private static List<string> Metric(string metric) => Mistakes.Of(Kinds.HorizontalPodAutoscaler, "{" + Target + ",\"maxReplicas\":2,\"metrics\":[" + metric + "]}");

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
    public void An_autoscaler_that_could_not_decide_is_refused_at_the_field(string spec, params string[] mistakes) => Assert.Equal(mistakes, Mistakes.Of(Kinds.HorizontalPodAutoscaler, "{" + spec + "}"));

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
        Assert.Empty(Mistakes.Of(Kinds.HorizontalPodAutoscaler, "{" + Target + ""","minReplicas":1,"maxReplicas":1}"""));
        Assert.Empty(Metric("""{"type":"Resource","resource":{"name":"memory","target":{"type":"AverageValue","averageValue":"10Mi"}}},{"type":"ContainerResource","containerResource":{"name":"cpu","container":"a","target":{"type":"Utilization","averageUtilization":200}}},{"type":"Pods","pods":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"100m"}}},{"type":"Object","object":{"describedObject":{"kind":"Service","name":"s"},"metric":{"name":"m"},"target":{"type":"Value","value":"1k"}}},{"type":"External","external":{"metric":{"name":"m"},"target":{"type":"AverageValue","averageValue":"1"}}}"""));
        Assert.Empty(Mistakes.Of(Kinds.HorizontalPodAutoscaler, "{" + Target + ""","maxReplicas":9,"behavior":{"scaleUp":{"tolerance":"0"},"scaleDown":{"stabilizationWindowSeconds":0,"selectPolicy":"Min","policies":[{"type":"Percent","value":10,"periodSeconds":1800},{"type":"Pods","value":1,"periodSeconds":1}]}}}"""));
    }
}
