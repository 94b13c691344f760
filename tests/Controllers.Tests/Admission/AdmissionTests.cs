using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Controllers.Admission;
using Eyrie.ControlPlane.Resources;
using Xunit;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Admission;

public sealed class AdmissionTests
{
    private static JsonObject PodOf(string containers, string more = "") => Json($$$"""{"metadata":{"name":"p","namespace":"default"},"spec":{"containers":{{{containers}}}{{{more}}}}}""");

    private static JsonObject Limits(string items) => Json($$$"""{"metadata":{"name":"l","namespace":"default"},"spec":{"limits":{{{items}}}}}""");

    private static JsonObject Quota(string hard, string more = "") => Json($$$"""{"metadata":{"name":"q","namespace":"default"},"spec":{"hard":{{{hard}}}{{{more}}}}}""");

    [Theory]
    [InlineData(1, "1")]
    [InlineData(0.25, "250m")]
    [InlineData(1500, "1500")]
    [InlineData(2000, "2k")]
    [InlineData(1073741824, "1Gi")]
    [InlineData(1610612736, "1536Mi")]
    [InlineData(0, "0")]
    public void An_amount_is_printed_as_kubernetes_does(double amount, string text) => Assert.Equal(text, Quantities.Text((decimal)amount));

    [Fact]
    public void Containers_that_say_nothing_get_the_defaults_and_the_pod_says_so()
    {
        var pod = PodOf("""[{"name":"a"},{"name":"b","resources":{"limits":{"cpu":"2"}}}]""");
        PodAmounts.DefaultRequests(pod);
        LimitRanges.Default(pod, [Limits("""[{"type":"Container","default":{"cpu":"500m","memory":"64Mi"},"defaultRequest":{"cpu":"100m"}}]""")]);
        Assert.Equal("""[{"name":"a","resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"cpu":"500m","memory":"64Mi"}}},{"name":"b","resources":{"limits":{"cpu":"2","memory":"64Mi"},"requests":{"cpu":"2","memory":"64Mi"}}}]""", pod["spec"]!["containers"]!.ToJsonString());
        Assert.Equal("LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for container a; memory request for container b; memory limit for container b", pod.Metadata()["annotations"]!["kubernetes.io/limit-ranger"]!.ToString());
    }

    [Theory]
    [InlineData("""{"type":"Container","min":{"cpu":"100m"}}""", """{"requests":{"cpu":"50m"}}""", "minimum cpu usage per Container is 100m, but request is 50m")]
    [InlineData("""{"type":"Container","min":{"cpu":"100m"}}""", "{}", "minimum cpu usage per Container is 100m.  No request is specified")]
    [InlineData("""{"type":"Container","max":{"memory":"1Gi"}}""", """{"limits":{"memory":"2Gi"},"requests":{"memory":"2Gi"}}""", "maximum memory usage per Container is 1Gi, but limit is 2Gi|maximum memory usage per Container is 1Gi, but request is 2Gi")]
    [InlineData("""{"type":"Pod","max":{"cpu":"1"}}""", """{"limits":{"cpu":"2"}}""", "maximum cpu usage per Pod is 1, but limit is 2")]
    [InlineData("""{"type":"Container","maxLimitRequestRatio":{"cpu":"2"}}""", """{"limits":{"cpu":"3"},"requests":{"cpu":"1"}}""", "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000")]
    [InlineData("""{"type":"Container","max":{"cpu":"1"},"min":{"cpu":"1"}}""", """{"limits":{"cpu":"1"},"requests":{"cpu":"1"}}""", "")]
    public void What_a_limit_range_forbids_is_said_in_full(string item, string resources, string errors) =>
        Assert.Equal(errors, string.Join('|', LimitRanges.Check(Kinds.Pod, PodOf($$"""[{"name":"a","resources":{{resources}}}]"""), [Limits($"[{item}]")])));

    [Theory]
    [InlineData("""{"requests.cpu":"1"}""", "", """{"requests.cpu":0.5}""", "exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=500m, limited: requests.cpu=1")]
    [InlineData("""{"requests.cpu":"1"}""", "", """{"requests.cpu":0.4}""", null)]
    [InlineData("""{"cpu":"1","pods":"3"}""", "", """{"cpu":0.5,"pods":3}""", "exceeded quota: q, requested: cpu=600m,pods=1, used: cpu=500m,pods=3, limited: cpu=1,pods=3")]
    [InlineData("""{"count/pods":"1"}""", "", """{"count/pods":1}""", "exceeded quota: q, requested: count/pods=1, used: count/pods=1, limited: count/pods=1")]
    [InlineData("""{"limits.memory":"1Gi","limits.cpu":"1"}""", "", "{}", "failed quota: q: must specify limits.cpu for: a; limits.memory for: a")]
    [InlineData("""{"pods":"0"}""", ""","scopes":["BestEffort"]""", "{}", null)]
    [InlineData("""{"pods":"0"}""", ""","scopes":["NotBestEffort","NotTerminating"]""", "{}", "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0")]
    [InlineData("""{"pods":"0"}""", ""","scopes":["Terminating"]""", "{}", null)]
    [InlineData("""{"pods":"0"}""", ""","scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In","values":["high"]}]}""", "{}", "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0")]
    [InlineData("""{"pods":"0"}""", ""","scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"NotIn","values":["high"]}]}""", "{}", null)]
    public void What_a_quota_refuses_is_said_as_kubernetes_says_it(string hard, string scopes, string used, string? refusal)
    {
        var pod = PodOf("""[{"name":"a","resources":{"requests":{"cpu":"600m"}}}]""", ""","priorityClassName":"high" """);
        Assert.Equal(refusal, Quotas.Refusal(Quota(hard, scopes), Kinds.Pod, pod, null, Json(used).ToDictionary(pair => pair.Key, pair => (decimal)pair.Value!.GetValue<double>())));
    }

    [Fact]
    public void Pods_that_have_ended_use_their_count_only_and_services_and_claims_what_they_ask_for()
    {
        var ended = PodOf("""[{"name":"a","resources":{"requests":{"cpu":"1"}}}]""");
        ended["status"] = Json("""{"phase":"Succeeded"}""");
        var quota = Quota("""{"cpu":"9","pods":"9","count/pods":"9","services":"9","services.nodeports":"9","requests.storage":"1Ti","count/deployments.apps":"3"}""");
        (ResourceKind, JsonObject)[] all = [(Kinds.Pod, ended), (Kinds.Pod, PodOf("""[{"name":"a","resources":{"requests":{"cpu":"1500m"}}}]""")), (Kinds.Service, Json("""{"spec":{"type":"NodePort","ports":[{"port":1},{"port":2}]}}""")),
            (Kinds.PersistentVolumeClaim, Json("""{"spec":{"resources":{"requests":{"storage":"10Gi"}}}}""")), (Kinds.Deployment, Json("{}"))];
        Assert.Equal("""{"cpu":"1500m","pods":"1","count/pods":"2","services":"1","services.nodeports":"2","requests.storage":"10Gi","count/deployments.apps":"1"}""", Quotas.Status(quota, Quotas.Sum(quota, all))["used"]!.ToJsonString());
    }
}
