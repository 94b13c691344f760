using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>What holds of every write: preconditions, revisions, names, dry runs and fields that nobody knows.</summary>
[Collection(nameof(ApiServer))]
public sealed class WritingTests(ApiServer server)
{
    private const string MergePatch = "application/merge-patch+json";

    private async Task<string> SpaceAsync(string name, string plural = "configmaps", string group = "api/v1")
    {
        await server.NamespaceAsync(name);
        return $"{group}/namespaces/{name}/{plural}";
    }

    private async Task<JsonNode> MadeAsync(string path, string name, string labels = "{}") => await server.DoneAsync("POST", path, $$$"""{"metadata":{"name":"{{{name}}}","labels":{{{labels}}}},"data":{"k":"1"}}""");

    private static string Version(JsonNode document) => document["metadata"]!["resourceVersion"]!.ToString();

    /// <summary>409, as clients look for it.</summary>
    private static void Conflict(string kind, string reason, (HttpStatusCode Code, JsonNode Body) answer)
    {
        var (code, status) = answer;
        Assert.True(code == HttpStatusCode.Conflict, status.ToString());
        Assert.Equal(("Status", "Failure", "Conflict", 409, "c", kind), (status["kind"]!.ToString(), status["status"]!.ToString(), status["reason"]!.ToString(), status["code"]!.GetValue<int>(), status["details"]!["name"]!.ToString(), status["details"]!["kind"]!.ToString()));
        Assert.StartsWith($"Operation cannot be fulfilled on {kind}", status["message"]!.ToString(), StringComparison.Ordinal);
        Assert.Contains(reason, status["message"]!.ToString(), StringComparison.Ordinal);
    }

    /// <summary>Except of a Node, which is made by what it stands for.</summary>
    [Theory]
    [InlineData("api/v1/namespaces/born/pods", """{"metadata":{"name":"c"},"spec":{"containers":[{"name":"c","image":"i"}]},"status":{"phase":"Running","podIP":"1.2.3.4"}}""", "podIP", false)]
    [InlineData("api/v1/namespaces/born/services", """{"metadata":{"name":"c"},"spec":{"ports":[{"port":80}]},"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"}]}}}""", "loadBalancer.ingress", false)]
    [InlineData("apis/batch/v1/namespaces/born/jobs", """{"metadata":{"name":"c"},"spec":{"suspend":true,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}},"status":{"succeeded":7}}""", "succeeded", false)]
    [InlineData("api/v1/namespaces/born/resourcequotas", """{"metadata":{"name":"c"},"spec":{"hard":{"pods":"1"}},"status":{"used":{"pods":"1"}}}""", "used.pods", false)]
    [InlineData("api/v1/nodes", """{"metadata":{"name":"born"},"spec":{"unschedulable":true},"status":{"capacity":{"cpu":"2"}}}""", "capacity.cpu", true)]
    public async Task A_status_that_is_given_when_something_is_made_is_not_taken(string path, string document, string field, bool taken)
    {
        var space = "born-" + path.Split('/')[^1];
        await server.NamespaceAsync(space);
        var made = await server.DoneAsync("POST", path.Replace("born", space, StringComparison.Ordinal), document);
        Assert.Equal(taken, Fields(made["status"], field.Split('.')) is not null);

        static JsonNode? Fields(JsonNode? at, IEnumerable<string> names) => names.Aggregate(at, (found, name) => found?[name]);
    }

    [Fact]
    public async Task Nothing_is_made_in_a_namespace_that_is_going()
    {
        await server.NamespaceAsync("going");
        await server.DoneAsync("POST", "api/v1/namespaces/going/configmaps", """{"metadata":{"name":"held","finalizers":["example.com/f"]}}""");
        await server.DoneAsync("DELETE", "api/v1/namespaces/going");
        foreach (var query in new[] { "", "?dryRun=All" })
        {
            var (code, refused) = await server.SendAsync("POST", "api/v1/namespaces/going/configmaps" + query, """{"metadata":{"name":"late"}}""");
            Assert.Equal((HttpStatusCode.Forbidden, "Forbidden", "configmaps \"late\" is forbidden: unable to create new content in namespace going because it is being terminated"), (code, refused["reason"]!.ToString(), refused["message"]!.ToString()));
            Assert.Equal("""[{"reason":"NamespaceTerminating","message":"namespace going is being terminated","field":"metadata.namespace"}]""", refused["details"]!["causes"]!.ToJsonString());
        }
        await server.DoneAsync("PATCH", "api/v1/namespaces/going/configmaps/held", """{"metadata":{"finalizers":null}}""", MergePatch);
        await server.UntilAsync("api/v1/namespaces/going", (code, _) => code == HttpStatusCode.NotFound, "the namespace to be gone");
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("POST", "api/v1/namespaces/going/configmaps", """{"metadata":{"name":"late"}}""")).Code);
    }

    [Theory]
    [InlineData("now", "")]
    [InlineData("dry", "?dryRun=All")]
    public async Task What_is_deleted_must_be_the_object_that_is_meant(string space, string query)
    {
        var path = await SpaceAsync("preconditions-" + space);
        var old = await MadeAsync(path, "c");
        var now = await server.DoneAsync("PATCH", path + "/c", """{"data":{"k":"2"}}""", MergePatch);
        var uid = now["metadata"]!["uid"]!.ToString();
        Task<(HttpStatusCode Code, JsonNode Body)> DeleteAsync(string preconditions) => server.SendAsync("DELETE", path + "/c" + query, $$$"""{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{{{{preconditions}}}}}""");
        Conflict("configmaps", $"the UID in the precondition (other) does not match the UID in record ({uid})", await DeleteAsync("\"uid\":\"other\""));
        Conflict("configmaps", $"the ResourceVersion in the precondition ({Version(old)}) does not match the ResourceVersion in record ({Version(now)})", await DeleteAsync($"\"uid\":\"{uid}\",\"resourceVersion\":\"{Version(old)}\""));
        Assert.Equal(Version(now), Version(await server.DoneAsync("GET", path + "/c")));
        var (code, done) = await DeleteAsync($"\"uid\":\"{uid}\",\"resourceVersion\":\"{Version(now)}\"");
        Assert.True(code == HttpStatusCode.OK, done.ToString());
        Assert.Equal(("Status", "Success", uid), (done["kind"]!.ToString(), done["status"]!.ToString(), done["details"]!["uid"]!.ToString()));
        Assert.Equal(query.Length == 0 ? HttpStatusCode.NotFound : HttpStatusCode.OK, (await server.SendAsync("GET", path + "/c")).Code);
    }

    [Theory]
    [InlineData("now", "")]
    [InlineData("dry", "?dryRun=All")]
    public async Task A_write_on_top_of_a_revision_that_has_passed_is_a_conflict(string space, string query)
    {
        var path = await SpaceAsync("conflicts-" + space);
        var old = await MadeAsync(path, "c");
        var now = await server.DoneAsync("PATCH", path + "/c", """{"data":{"k":"2"}}""", MergePatch);
        const string Reason = "the object has been modified; please apply your changes to the latest version and try again";
        Conflict("configmaps", Reason, await server.SendAsync("PUT", path + "/c" + query, old.ToJsonString()));
        Conflict("configmaps", Reason, await server.SendAsync("PATCH", path + "/c" + query, $$$"""{"metadata":{"resourceVersion":"{{{Version(old)}}}"},"data":{"k":"3"}}""", MergePatch));
        Assert.Equal(Version(now), Version(await server.DoneAsync("GET", path + "/c")));
        var other = now.DeepClone();
        other["metadata"]!["uid"] = "other";
        Conflict("configmaps", "its uid is another", await server.SendAsync("PUT", path + "/c" + query, other.ToJsonString()));
        now["data"]!["k"] = "3";
        Assert.Equal("3", (await server.DoneAsync("PUT", path + "/c" + query, now.ToJsonString()))["data"]!["k"]!.ToString());
    }

    [Fact]
    public async Task A_conflict_names_the_group_and_an_unconditional_write_has_none()
    {
        var path = await SpaceAsync("conflicts-group", "leases", "apis/coordination.k8s.io/v1");
        var old = await server.DoneAsync("POST", path, """{"metadata":{"name":"c"},"spec":{"holderIdentity":"a"}}""");
        await server.DoneAsync("PUT", path + "/c", """{"metadata":{"name":"c"},"spec":{"holderIdentity":"b"}}""");
        var answer = await server.SendAsync("PUT", path + "/c", old.ToJsonString());
        Conflict("leases", "leases.coordination.k8s.io \"c\": the object has been modified", answer);
        Assert.Equal("coordination.k8s.io", answer.Body["details"]!["group"]!.ToString());
        Assert.Equal("b", (await server.DoneAsync("GET", path + "/c"))["spec"]!["holderIdentity"]!.ToString());
        Assert.Equal(HttpStatusCode.BadRequest, (await server.SendAsync("PUT", path + "/c", """{"metadata":{"name":"d"}}""")).Code);
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("PUT", path + "/d", """{"metadata":{"name":"d"}}""")).Code);
    }

    [Fact]
    public async Task A_name_that_is_left_to_the_server_is_new_each_time()
    {
        var path = await SpaceAsync("generated");
        var names = new HashSet<string>();
        for (int i = 0; i < 20; i++)
        {
            var made = await server.DoneAsync("POST", path, """{"metadata":{"generateName":"made-"}}""");
            Assert.Equal("made-", made["metadata"]!["generateName"]!.ToString());
            var name = made["metadata"]!["name"]!.ToString();
            Assert.Matches("^made-[a-z0-9]{5}$", name);
            Assert.True(names.Add(name));
            Assert.Equal(name, (await server.DoneAsync("GET", $"{path}/{name}"))["metadata"]!["name"]!.ToString());
        }
        Assert.Equal("given", (await server.DoneAsync("POST", path, """{"metadata":{"generateName":"made-","name":"given"}}"""))["metadata"]!["name"]!.ToString());
        var (code, refused) = await server.SendAsync("POST", path, """{"metadata":{}}""");
        Assert.True(code == HttpStatusCode.UnprocessableEntity, refused.ToString());
        (code, refused) = await server.SendAsync("POST", path, """{"metadata":{"name":"given"}}""");
        Assert.Equal((HttpStatusCode.Conflict, "AlreadyExists"), (code, refused["reason"]!.ToString()));
    }

    [Fact]
    public async Task A_dry_run_answers_as_the_write_would_and_stores_nothing()
    {
        var path = await SpaceAsync("dry");
        await MadeAsync(path, "c", """{"a":"b"}""");
        var before = (await server.DoneAsync("GET", path + "/c")).ToJsonString();
        var created = await server.DoneAsync("POST", path + "?dryRun=All", """{"metadata":{"generateName":"n-"},"data":{"k":"1"}}""");
        Assert.NotNull(created["metadata"]!["uid"]);
        Assert.NotNull(created["metadata"]!["creationTimestamp"]);
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("GET", $"{path}/{created["metadata"]!["name"]}")).Code);
        Assert.Equal(HttpStatusCode.Conflict, (await server.SendAsync("POST", path + "?dryRun=All", """{"metadata":{"name":"c"}}""")).Code);
        string Put(string value) => $$$"""{"metadata":{"name":"c"},"data":{"k":"{{{value}}}"}}""";
        Assert.Equal("2", (await server.DoneAsync("PUT", path + "/c?dryRun=All", Put("2")))["data"]!["k"]!.ToString());
        Assert.Equal("3", (await server.DoneAsync("PATCH", path + "/c?dryRun=All", """{"data":{"k":"3"}}""", MergePatch))["data"]!["k"]!.ToString());
        Assert.Equal("4", (await server.DoneAsync("PATCH", path + "/c?dryRun=All", """[{"op":"replace","path":"/data/k","value":"4"}]""", "application/json-patch+json"))["data"]!["k"]!.ToString());
        var applied = await server.DoneAsync("PATCH", path + "/c?dryRun=All&fieldManager=m&force=true", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"k":"5"}}""", "application/apply-patch+yaml");
        Assert.Contains(applied["metadata"]!["managedFields"]!.AsArray(), one => one!["manager"]!.ToString() == "m");
        await server.DoneAsync("PATCH", path + "/new?dryRun=All&fieldManager=m", """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"new"}}""", "application/apply-patch+yaml");
        await server.DoneAsync("DELETE", path + "/c?dryRun=All");
        await server.DoneAsync("DELETE", path + "/c", """{"dryRun":["All"]}""");
        Assert.Single((await server.DoneAsync("DELETE", path + "?dryRun=All&labelSelector=a%3Db"))["items"]!.AsArray());
        Assert.Equal(before, (await server.DoneAsync("GET", path + "/c")).ToJsonString());
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync("GET", path + "/new")).Code);
        var (code, refused) = await server.SendAsync("POST", path + "?dryRun=Some", """{"metadata":{"name":"d"}}""");
        Assert.True(code == HttpStatusCode.UnprocessableEntity, refused.ToString());
    }

    [Fact]
    public async Task A_dry_run_of_a_pod_and_of_subresources_stores_nothing_either()
    {
        var pods = await SpaceAsync("dry-parts", "pods");
        await server.DoneAsync("POST", pods, """{"metadata":{"name":"c"},"spec":{"schedulerName":"nobody","containers":[{"name":"a","image":"i:1"}]}}""");
        var pod = await server.UntilAsync(pods + "/c", (code, _) => code == HttpStatusCode.OK, "the pod");
        await server.DoneAsync("DELETE", pods + "/c?dryRun=All");
        await server.DoneAsync("PATCH", pods + "/c/status?dryRun=All", """{"status":{"phase":"Failed"}}""", MergePatch);
        await server.DoneAsync("POST", pods + "/c/binding?dryRun=All", """{"target":{"kind":"Node","name":"n"}}""");
        await server.DoneAsync("POST", pods + "/c/eviction?dryRun=All", """{"metadata":{"name":"c"}}""");
        Assert.Equal(pod.ToJsonString(), (await server.DoneAsync("GET", pods + "/c")).ToJsonString());
        var sets = "apis/apps/v1/namespaces/dry-parts/statefulsets";
        await server.DoneAsync("POST", sets, """{"metadata":{"name":"c"},"spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"i:1"}]}}}}""");
        Assert.Equal("4", (await server.DoneAsync("PATCH", sets + "/c/scale?dryRun=All", """{"spec":{"replicas":4}}""", MergePatch))["spec"]!["replicas"]!.ToString());
        Assert.Equal("0", (await server.DoneAsync("GET", sets + "/c"))["spec"]!["replicas"]!.ToString());
    }

    [Theory]
    [InlineData("Strict", true, 0)]
    [InlineData("Warn", false, 2)]
    [InlineData("", false, 2)]
    [InlineData("Ignore", false, 0)]
    public async Task A_field_that_nobody_knows_is_refused_warned_of_or_left_out(string validation, bool refused, int warnings)
    {
        var query = validation.Length == 0 ? "?dryRun=All" : "?dryRun=All&fieldValidation=" + validation;
        const string Deployment = """{"metadata":{"name":"c"},"spec":{"replica":3,"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"i:1","imgae":"i:2"}]}}}}""";
        using var content = new StringContent(Deployment, Encoding.UTF8, "application/json");
        using var response = await server.Client.PostAsync("apis/apps/v1/namespaces/default/deployments" + query, content);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        string[] told = response.Headers.TryGetValues("Warning", out var values) ? [.. values] : [];
        Assert.Equal(warnings, told.Length);
        if (warnings > 0) Assert.Equal(["299 - \"unknown field \\\"spec.replica\\\"\"", "299 - \"unknown field \\\"spec.template.spec.containers[0].imgae\\\"\""], told.Order(StringComparer.Ordinal));
        if (refused)
        {
            Assert.Equal((HttpStatusCode.BadRequest, "BadRequest"), (response.StatusCode, body["reason"]!.ToString()));
            Assert.Equal("Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: unknown field \"spec.replica\", unknown field \"spec.template.spec.containers[0].imgae\"", body["message"]!.ToString());
            return;
        }
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        Assert.Null(body["spec"]!["replica"]);
        Assert.Null(body["spec"]!["template"]!["spec"]!["containers"]![0]!["imgae"]);
    }

    [Fact]
    public async Task A_collection_is_deleted_as_far_as_selectors_choose_it()
    {
        var path = await SpaceAsync("collection");
        foreach (var (name, labels) in new[] { ("a", """{"x":"1"}"""), ("b", """{"x":"1","keep":"yes"}"""), ("c", """{"x":"2"}"""), ("d", "{}") }) await MadeAsync(path, name, labels);
        async Task<string> LeftAsync() => string.Join(' ', (await server.DoneAsync("GET", path))["items"]!.AsArray().Select(item => item!["metadata"]!["name"]!.ToString()).Where(name => name != "kube-root-ca.crt"));
        var gone = await server.DoneAsync("DELETE", path + "?labelSelector=x%3D1,!keep");
        Assert.Equal(("ConfigMapList", "a"), (gone["kind"]!.ToString(), gone["items"]!.AsArray().Single()!["metadata"]!["name"]!.ToString()));
        Assert.Equal("b c d", await LeftAsync());
        await server.DoneAsync("DELETE", path + "?labelSelector=x&fieldSelector=metadata.name%21%3Db");
        Assert.Equal("b d", await LeftAsync());
        Assert.Equal(HttpStatusCode.BadRequest, (await server.SendAsync("DELETE", path + "?labelSelector=x%3D%3D%3D")).Code);
        Assert.Equal("b d", await LeftAsync());
        await server.DoneAsync("DELETE", path);
        Assert.Equal("", await LeftAsync());
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await server.SendAsync("DELETE", "api/v1/namespaces?labelSelector=none%3Dthere")).Code);
    }
}
