using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>scale, eviction, and questions about access in a namespace.</summary>
[Collection(nameof(ApiServer))]
public sealed class SubresourceTests(ApiServer server)
{
    private const string MergePatch = "application/merge-patch+json";

    [Theory]
    [InlineData("apis/apps/v1", "statefulsets")]
    [InlineData("apis/apps/v1", "replicasets")]
    [InlineData("apis/apps/v1", "deployments")]
    public async Task The_scale_of_a_workload_is_read_put_and_patched(string group, string plural)
    {
        var space = "scaled-" + plural;
        await server.NamespaceAsync(space);
        var path = $"{group}/namespaces/{space}/{plural}";
        await server.DoneAsync("POST", path, """{"metadata":{"name":"c"},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"c"},"matchExpressions":[{"key":"tier","operator":"In","values":["x","y"]}]},"template":{"metadata":{"labels":{"app":"c","tier":"x"}},"spec":{"schedulerName":"nobody","containers":[{"name":"a","image":"i:1"}]}}}}""");
        var scale = await server.DoneAsync("GET", path + "/c/scale");
        Assert.Equal("Scale autoscaling/v1 c 0 0 app=c,tier in (x,y)", $"{scale["kind"]} {scale["apiVersion"]} {scale["metadata"]!["name"]} {scale["spec"]!["replicas"]} {scale["status"]!["replicas"]} {scale["status"]!["selector"]}");
        var patched = await server.DoneAsync("PATCH", path + "/c/scale?fieldManager=scaler", """{"spec":{"replicas":2}}""", MergePatch);
        Assert.Equal("2", patched["spec"]!["replicas"]!.ToString());
        var (code, status) = await server.SendAsync("PUT", path + "/c/scale", scale.ToJsonString());
        Assert.Equal((HttpStatusCode.Conflict, "Conflict"), (code, status["reason"]!.ToString()));
        foreach (var wrong in new[] { "-1", "[]", "\"many\"" })
            Assert.Equal(HttpStatusCode.UnprocessableEntity, (await server.SendAsync("PUT", path + "/c/scale", $$$"""{"spec":{"replicas":{{{wrong}}}}}""")).Code);
        var whole = await server.DoneAsync("GET", path + "/c");
        Assert.Equal("2", whole["spec"]!["replicas"]!.ToString());
        var manager = whole["metadata"]!["managedFields"]!.AsArray().Single(one => one!["manager"]!.ToString() == "scaler")!;
        Assert.Equal("""scale {"f:spec":{"f:replicas":{}}}""", $"{manager["subresource"]} {manager["fieldsV1"]!.ToJsonString()}");
        Assert.Equal("0", (await server.DoneAsync("PUT", path + "/c/scale", """{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{"name":"c"},"spec":{}}"""))["spec"]!["replicas"]!.ToString());
        Assert.Equal("0", (await server.DoneAsync("GET", path + "/c"))["spec"]!["replicas"]!.ToString());
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("GET", path + "/none/scale")).Code);
    }

    private async Task<string> PodsAsync(string space, params string[] names)
    {
        await server.NamespaceAsync(space);
        var path = $"api/v1/namespaces/{space}/pods";
        foreach (var name in names)
        {
            await server.DoneAsync("POST", path, $$$"""{"metadata":{"name":"{{{name}}}","labels":{"app":"x"}},"spec":{"schedulerName":"nobody","containers":[{"name":"a","image":"i:1"}]}}""");
            await server.DoneAsync("PATCH", $"{path}/{name}/status", """{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}""", MergePatch);
        }
        return path;
    }

    private static string Eviction(string name, string options = "{}") => $$$"""{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"{{{name}}}"},"deleteOptions":{{{options}}}}""";

    [Fact]
    public async Task An_eviction_that_a_budget_forbids_is_told_when_to_come_again()
    {
        var pods = await PodsAsync("budget", "a", "b");
        const string Budgets = "apis/policy/v1/namespaces/budget/poddisruptionbudgets";
        await server.DoneAsync("POST", Budgets, """{"metadata":{"name":"most"},"spec":{"minAvailable":1,"selector":{"matchLabels":{"app":"x"}}}}""");
        await server.UntilAsync(Budgets + "/most", (_, body) => body["status"]?["disruptionsAllowed"]?.GetValue<int>() == 1, "the budget to be counted");
        var done = await server.DoneAsync("POST", pods + "/a/eviction", Eviction("a"));
        Assert.Equal(("Status", "Success"), (done["kind"]!.ToString(), done["status"]!.ToString()));
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("GET", pods + "/a")).Code);
        using var content = new StringContent(Eviction("b"), Encoding.UTF8, "application/json");
        using var response = await server.Client.PostAsync(pods + "/b/eviction", content);
        var status = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal((HttpStatusCode.TooManyRequests, "TooManyRequests", "10"), (response.StatusCode, status["reason"]!.ToString(), response.Headers.GetValues("Retry-After").Single()));
        Assert.Equal("Cannot evict pod as it would violate the pod's disruption budget.", status["message"]!.ToString());
        Assert.Equal("DisruptionBudget", status["details"]!["causes"]![0]!["reason"]!.ToString());
        Assert.Equal("Running", (await server.DoneAsync("GET", pods + "/b"))["status"]!["phase"]!.ToString());
        await server.DoneAsync("DELETE", Budgets + "/most");
        await server.DoneAsync("POST", pods + "/b/eviction", Eviction("b"));
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("GET", pods + "/b")).Code);
    }

    [Fact]
    public async Task An_eviction_is_of_the_pod_that_is_meant()
    {
        var pods = await PodsAsync("evicted", "a");
        var pod = await server.DoneAsync("GET", pods + "/a");
        string uid = pod["metadata"]!["uid"]!.ToString(), version = pod["metadata"]!["resourceVersion"]!.ToString();
        foreach (var precondition in new[] { "\"uid\":\"other\"", "\"resourceVersion\":\"1\"" })
        {
            var (code, status) = await server.SendAsync("POST", pods + "/a/eviction", Eviction("a", $$$"""{"preconditions":{{{{precondition}}}}}"""));
            Assert.Equal((HttpStatusCode.Conflict, "Conflict"), (code, status["reason"]!.ToString()));
        }
        Assert.Equal(HttpStatusCode.BadRequest, (await server.SendAsync("POST", pods + "/a/eviction", Eviction("b"))).Code);
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("POST", pods + "/none/eviction", Eviction("none"))).Code);
        Assert.Equal(pod.ToJsonString(), (await server.DoneAsync("GET", pods + "/a")).ToJsonString());
        await server.DoneAsync("POST", pods + "/a/eviction", Eviction("a", $$$"""{"preconditions":{"uid":"{{{uid}}}","resourceVersion":"{{{version}}}"}}"""));
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("GET", pods + "/a")).Code);
    }

    [Fact]
    public async Task A_local_review_answers_of_its_own_namespace_only()
    {
        await server.KubectlAsync("reviewed", "K create role reader --verb=get --resource=pods; K create rolebinding reader --role=reader --user=ann --group=devs");
        await server.NamespaceAsync("unreviewed");
        Task<(HttpStatusCode Code, JsonNode Body)> AskAsync(string space, string spec) => server.SendAsync("POST", $"apis/authorization.k8s.io/v1/namespaces/{space}/localsubjectaccessreviews", $$$"""{"metadata":{"namespace":"{{{space}}}"},"spec":{{{spec}}}}""");
        static string Pods(string who, string space, string verb = "get") => $$$"""{{{{who}}},"resourceAttributes":{"namespace":"{{{space}}}","verb":"{{{verb}}}","resource":"pods"}}""";
        async Task<string> AllowedAsync(string space, string spec) => await AskAsync(space, spec) is var (code, body) && code == HttpStatusCode.Created ? $"{body["kind"]} {body["status"]!["allowed"]}" : $"{body}";
        Assert.Equal("LocalSubjectAccessReview true", await AllowedAsync("reviewed", Pods("\"user\":\"ann\"", "reviewed")));
        Assert.Equal("LocalSubjectAccessReview true", await AllowedAsync("reviewed", Pods("\"user\":\"bob\",\"groups\":[\"devs\"]", "reviewed")));
        Assert.Equal("LocalSubjectAccessReview false", await AllowedAsync("reviewed", Pods("\"user\":\"ann\"", "reviewed", "delete")));
        Assert.Equal("LocalSubjectAccessReview false", await AllowedAsync("reviewed", Pods("\"user\":\"bob\"", "reviewed")));
        Assert.Equal("LocalSubjectAccessReview false", await AllowedAsync("unreviewed", Pods("\"user\":\"ann\"", "unreviewed")));
        foreach (var (spec, field) in new[]
        {
            (Pods("\"user\":\"ann\"", "reviewed"), "spec.resourceAttributes.namespace"), (Pods("\"user\":\"ann\"", ""), "spec.resourceAttributes.namespace"),
            ("""{"user":"ann","nonResourceAttributes":{"path":"/metrics","verb":"get"}}""", "spec.nonResourceAttributes"), (Pods("\"groups\":[]", "unreviewed"), "spec.user"), ("""{"user":"ann"}""", "spec.resourceAttributes"),
        })
        {
            var (code, status) = await AskAsync("unreviewed", spec);
            Assert.True(code == HttpStatusCode.UnprocessableEntity, status.ToString());
            Assert.Equal(field, status["details"]!["causes"]!.AsArray().Single()!["field"]!.ToString());
        }
    }
}
