using System.Net;
using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>What clients ask before everything else: which groups, versions and resources there are.</summary>
[Collection(nameof(ApiServer))]
public sealed class DiscoveryTests(ApiServer server)
{
    private const string Beta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList", Aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

    private static string Words(JsonNode? list) => string.Join(',', (list as JsonArray ?? []).Select(word => word!.ToString()));

    /// <summary>A resource of an APIResourceList in one line.</summary>
    private static string Listed(JsonNode entry) =>
        $"{entry["name"]}|{Words(entry["shortNames"])}|{Words(entry["categories"])}|{(entry["namespaced"]!.GetValue<bool>() ? "Namespaced" : "Cluster")}|{entry["kind"]}|{Words(entry["verbs"])}";

    /// <summary>A resource of aggregated discovery and its subresources in the same words.</summary>
    private static IEnumerable<string> Listed(JsonNode entry, string separator) =>
    [
        $"{entry["resource"]}|{Words(entry["shortNames"])}|{Words(entry["categories"])}|{entry["scope"]}|{entry["responseKind"]!["kind"]}|{Words(entry["verbs"])}",
        .. entry["subresources"]!.AsArray().Select(part => $"{entry["resource"]}{separator}{part!["subresource"]}|||{entry["scope"]}|{part["responseKind"]!["kind"]}|{Words(part["verbs"])}"),
    ];

    [Theory]
    [InlineData("api/v1", "pods|po|all|Namespaced|Pod|create,delete,deletecollection,get,list,patch,update,watch")]
    [InlineData("api/v1", "pods/eviction|||Namespaced|Eviction|create")]
    [InlineData("api/v1", "pods/log|||Namespaced|Pod|get")]
    [InlineData("api/v1", "nodes|no||Cluster|Node|create,delete,deletecollection,get,list,patch,update,watch")]
    [InlineData("api/v1", "namespaces|ns||Cluster|Namespace|create,delete,get,list,patch,update,watch")]
    [InlineData("api/v1", "serviceaccounts/token|||Namespaced|TokenRequest|create")]
    [InlineData("apis/apps/v1", "deployments|deploy|all|Namespaced|Deployment|create,delete,deletecollection,get,list,patch,update,watch")]
    [InlineData("apis/apps/v1", "deployments/scale|||Namespaced|Scale|get,patch,update")]
    [InlineData("apis/apps/v1", "deployments/status|||Namespaced|Deployment|get,patch,update")]
    [InlineData("apis/apiextensions.k8s.io/v1", "customresourcedefinitions|crd,crds|api-extensions|Cluster|CustomResourceDefinition|create,delete,deletecollection,get,list,patch,update,watch")]
    [InlineData("apis/authorization.k8s.io/v1", "localsubjectaccessreviews|||Namespaced|LocalSubjectAccessReview|create")]
    [InlineData("apis/eyrie.dev/v1", "permissionsets|permset||Namespaced|PermissionSet|create,delete,deletecollection,get,list,patch,update,watch")]
    public async Task A_resource_has_its_short_names_categories_scope_kind_and_verbs(string path, string line)
    {
        var list = await server.DoneAsync("GET", path);
        Assert.Equal(("APIResourceList", path[(path.IndexOf('/', StringComparison.Ordinal) + 1)..]), (list["kind"]!.ToString(), list["groupVersion"]!.ToString()));
        Assert.Contains(line, list["resources"]!.AsArray().Select(entry => Listed(entry!)));
    }

    [Fact]
    public async Task A_subresource_of_another_group_says_so()
    {
        var entries = (await server.DoneAsync("GET", "apis/apps/v1"))["resources"]!.AsArray();
        var scale = entries.Single(entry => entry!["name"]!.ToString() == "deployments/scale")!;
        Assert.Equal("autoscaling v1", $"{scale["group"]} {scale["version"]}");
        Assert.Null(entries.Single(entry => entry!["name"]!.ToString() == "deployments/status")!["group"]);
        Assert.Equal("deployment", entries.Single(entry => entry!["name"]!.ToString() == "deployments")!["singularName"]!.ToString());
    }

    [Fact]
    public async Task Groups_have_their_versions_and_the_preferred_one()
    {
        var core = await server.DoneAsync("GET", "api");
        Assert.Equal("APIVersions v1", $"{core["kind"]} {Words(core["versions"])}");
        var groups = (await server.DoneAsync("GET", "apis"))["groups"]!.AsArray();
        var authentication = groups.Single(group => group!["name"]!.ToString() == "authentication.k8s.io")!;
        Assert.Equal("""{"name":"authentication.k8s.io","versions":[{"groupVersion":"authentication.k8s.io/v1","version":"v1"},{"groupVersion":"authentication.k8s.io/v1beta1","version":"v1beta1"}],"preferredVersion":{"groupVersion":"authentication.k8s.io/v1","version":"v1"}}""", authentication.ToJsonString());
        var alone = await server.DoneAsync("GET", "apis/authentication.k8s.io");
        Assert.Equal(("APIGroup", authentication["versions"]!.ToJsonString()), (alone["kind"]!.ToString(), alone["versions"]!.ToJsonString()));
        var version = await server.DoneAsync("GET", "version");
        Assert.StartsWith($"v{version["major"]}.{version["minor"]}.", version["gitVersion"]!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Aggregated_discovery_says_in_one_answer_what_the_lists_say_one_by_one()
    {
        var seen = new List<string>();
        foreach (var root in new[] { "api", "apis" })
        {
            var all = await server.DoneAsync("GET", root, accept: $"{Aggregated},{Beta},application/json");
            Assert.Equal(("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2"), (all["kind"]!.ToString(), all["apiVersion"]!.ToString()));
            foreach (var group in all["items"]!.AsArray())
                foreach (var version in group!["versions"]!.AsArray())
                {
                    var path = string.Join('/', new[] { root, group["metadata"]!["name"]!.ToString(), version!["version"]!.ToString() }.Where(part => part.Length > 0));
                    seen.Add(path);
                    var one = (await server.DoneAsync("GET", path))["resources"]!.AsArray();
                    Assert.Equal(one.Select(entry => Listed(entry!)), version["resources"]!.AsArray().SelectMany(entry => Listed(entry!, "/")));
                }
        }
        var groups = (await server.DoneAsync("GET", "apis"))["groups"]!.AsArray();
        Assert.Equal(groups.SelectMany(group => group!["versions"]!.AsArray()).Select(version => "apis/" + version!["groupVersion"]).Append("api/v1").Order(StringComparer.Ordinal), seen.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(Aggregated, "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2", Aggregated)]
    [InlineData(Beta + ",application/json", "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2beta1", Beta)]
    [InlineData("application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList,application/json", "APIGroupList", "v1", "application/json")]
    [InlineData("application/json," + Aggregated, "APIGroupList", "v1", "application/json")]
    [InlineData("application/json", "APIGroupList", "v1", "application/json")]
    public async Task A_client_gets_the_first_form_it_accepts_that_there_is(string accept, string kind, string version, string type)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "apis");
        request.Headers.TryAddWithoutValidation("Accept", accept);
        using var response = await server.Client.SendAsync(request);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
        Assert.Equal((kind, version), (body["kind"]!.ToString(), body["apiVersion"]!.ToString()));
        var words = response.Content.Headers.GetValues("Content-Type").Single().Split(';', StringSplitOptions.TrimEntries).Where(word => !word.StartsWith("charset", StringComparison.Ordinal));
        Assert.Equal(type.Split(';').Order(StringComparer.Ordinal), words.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("api/v2")]
    [InlineData("apis/none.example.com")]
    [InlineData("apis/apps/v9")]
    [InlineData("apis/apps/v1/none")]
    [InlineData("openapi/v3/apis/none.example.com/v1")]
    public async Task What_is_not_there_is_a_Status(string path)
    {
        var (code, body) = await server.SendAsync("GET", path);
        Assert.Equal((HttpStatusCode.NotFound, "Status", "NotFound", 404), (code, body["kind"]!.ToString(), body["reason"]!.ToString(), body["code"]!.GetValue<int>()));
    }
}
