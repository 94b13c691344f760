using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Api.Proxying;
using Eyrie.ControlPlane.Resources;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>pods/proxy and services/proxy as far as they go without a node; the rest is in the cluster's tests.</summary>
[Collection(nameof(ApiServer))]
public sealed class ProxyTests(ApiServer server)
{
    private static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();

    private static JsonObject Pod(string name, bool ready, string more = "") => Json($$$"""
        {"metadata":{"name":"{{{name}}}","namespace":"default","labels":{"app":"web"}{{{more}}}},"spec":{"containers":[{"name":"a","ports":[{"name":"metrics","containerPort":9090},{"name":"http","containerPort":8080}]}]},
         "status":{"phase":"Running","podIP":"127.64.1.2","conditions":[{"type":"Ready","status":"{{{(ready ? "True" : "False")}}}"}]}}
        """);

    private static readonly JsonObject Service = Json("""{"metadata":{"name":"web","namespace":"default"},"spec":{"selector":{"app":"web"},"ports":[{"name":"web","port":80,"targetPort":"http"},{"name":"fixed","port":81,"targetPort":7000},{"name":"none","port":82,"targetPort":"nosuch"}]}}""");

    [Theory]
    [InlineData("web", "http", "web", "")]
    [InlineData("web:80", "http", "web", "80")]
    [InlineData("web:http", "http", "web", "http")]
    [InlineData("http:web:80", "http", "web", "80")]
    [InlineData("https:web:", "https", "web", "")]
    [InlineData(":web:80", "http", "web", "80")]
    public void A_name_says_scheme_object_and_port(string text, string scheme, string name, string port) => Assert.Equal(new ProxyTarget(scheme, name, port), ProxyTarget.Parse(Kinds.Service, text));

    [Theory]
    [InlineData("ftp:web:80")]
    [InlineData("http::80")]
    [InlineData(":80")]
    [InlineData("a:b:c:d")]
    public void Another_name_is_refused(string text) => Assert.Equal(400, Assert.Throws<StatusException>(() => ProxyTarget.Parse(Kinds.Pod, text)).Code);

    [Fact]
    public void A_port_of_a_pod_is_a_number_a_name_or_the_first()
    {
        var pod = Pod("p", true);
        Assert.Equal([1234, 8080, 9090], new[] { "1234", "http", "" }.Select(port => new ProxyTarget("http", "p", port).PortOf(pod)));
        var bare = Json("""{"spec":{"containers":[{"name":"a"}]}}""");
        Assert.Equal([80, 443], new[] { "http", "https" }.Select(scheme => new ProxyTarget(scheme, "p", "").PortOf(bare)));
        foreach (var port in new[] { "0", "65536", "nosuch" }) Assert.Equal(400, Assert.Throws<StatusException>(() => new ProxyTarget("http", "p", port).PortOf(pod)).Code);
    }

    [Fact]
    public void A_service_leads_to_what_is_ready_behind_it()
    {
        JsonObject[] pods = [Pod("ready", true), Pod("waiting", false), Pod("leaving", true, ""","deletionTimestamp":"2026-01-01T00:00:00Z" """)];
        List<(string, int)> Of(JsonObject service, string port) => [.. new ProxyTarget("http", "web", port).EndpointsOf(service, pods).Select(endpoint => (endpoint.Pod.Metadata().Text("name")!, endpoint.Port))];
        Assert.Equal([("ready", 8080)], Of(Service, "80"));
        Assert.Equal([("ready", 7000)], Of(Service, "fixed"));
        var early = (JsonObject)Service.DeepClone();
        early["spec"]!["publishNotReadyAddresses"] = true;
        Assert.Equal([("ready", 8080), ("waiting", 8080)], Of(early, "web"));
        foreach (var port in new[] { "none", "99", "nosuch", "" }) Assert.Equal(503, Assert.Throws<StatusException>(() => Of(Service, port)).Code);
    }

    [Theory]
    [InlineData("/api/v1/namespaces/default/pods/web:80/proxy", "web:80", "")]
    [InlineData("/api/v1/namespaces/default/pods/web:80/proxy/", "web:80", "/")]
    [InlineData("/api/v1/namespaces/default/pods/web/proxy/a//b c/proxy/", "web", "/a//b c/proxy/")]
    public void Whatever_is_behind_the_proxy_is_the_pods(string path, string name, string rest)
    {
        var request = ApiRequest.Parse(server.Services.GetRequiredService<Catalog>(), path)!;
        Assert.Equal((name, "proxy", rest, "default"), (request.Name, request.Subresource, request.Rest, request.Namespace));
    }

    [Fact]
    public void What_is_of_the_connection_and_who_asks_stay_here()
    {
        var headers = new HeaderDictionary
        {
            ["Connection"] = "close, X-Own", ["X-Own"] = "1", ["Keep-Alive"] = "5", ["Transfer-Encoding"] = "chunked", ["Upgrade"] = "h2c", ["Authorization"] = "Bearer x", ["Impersonate-User"] = "ann", ["Host"] = "api", ["Accept"] = "text/html", ["Cookie"] = "a=b",
        };
        Assert.Equal(["Accept", "Cookie"], ProxyHeaders.ToPod(headers).Select(field => field.Key).Order());
    }

    [Fact]
    public void An_answer_keeps_what_the_server_can_write() =>
        Assert.Equal(["Content-Length", "ETag"], ProxyHeaders.ToClient(new HeaderDictionary { ["ETag"] = "a\tb", ["Content-Length"] = "3", ["X-Name"] = "caf\u00e9", ["X-Own"] = "1", ["Transfer-Encoding"] = "chunked" }, "x-own").Select(field => field.Key).Order());

    [Theory]
    [InlineData("/login?a=b", "/p/proxy/login?a=b")]
    [InlineData("http://127.64.1.2:8080/login", "/p/proxy/login")]
    [InlineData("http://127.64.1.2:8081/login", "http://127.64.1.2:8081/login")]
    [InlineData("//elsewhere/login", "//elsewhere/login")]
    [InlineData("next", "next")]
    public void A_redirect_stays_behind_the_proxy(string location, string wanted) => Assert.Equal(wanted, ProxyHeaders.Location(location, new Uri("http://127.64.1.2:8080/x"), "/p/proxy"));

    [Fact]
    public async Task What_cannot_be_reached_is_told_as_a_status()
    {
        await server.SendAsync("POST", "api/v1/namespaces/default/services", """{"metadata":{"name":"lonely"},"spec":{"selector":{"app":"lonely"},"ports":[{"port":80}]}}""");
        await server.SendAsync("POST", "api/v1/namespaces/default/pods", """{"metadata":{"name":"unproxied"},"spec":{"schedulingGates":[{"name":"never"}],"containers":[{"name":"a","image":"a"}]}}""");
        async Task<(int, string)> Of(string method, string path)
        {
            var (code, body) = await server.SendAsync(method, "api/v1/namespaces/default/" + path);
            Assert.Equal("Status", body["kind"]!.ToString());
            return ((int)code, body["message"]!.ToString());
        }
        Assert.Equal((503, "no endpoints available for service \"lonely\""), await Of("GET", "services/lonely:80/proxy/a"));
        Assert.Equal((503, "no endpoints available for service \"lonely\""), await Of("POST", "services/http:lonely:/proxy/"));
        Assert.Equal((503, "no service port \"81\" found for service \"lonely\""), await Of("DELETE", "services/lonely:81/proxy/"));
        Assert.Equal((404, "services \"nosuch\" not found"), await Of("GET", "services/nosuch:80/proxy/"));
        Assert.Equal(400, (await Of("GET", "services/ftp:lonely:80/proxy/")).Item1);
        Assert.Equal((503, "pod \"unproxied\" is not running: its phase is Pending"), await Of("GET", "pods/unproxied/proxy/"));
        Assert.Equal(404, (await Of("GET", "configmaps/any/proxy/x")).Item1);
        Assert.Equal(404, (await Of("GET", "pods/unproxied/log/x")).Item1);
    }

    [Fact]
    public async Task Each_method_is_a_right_of_its_own()
    {
        await server.SendAsync("POST", "api/v1/namespaces", """{"metadata":{"name":"proxies"}}""");
        await server.UntilAsync("api/v1/namespaces/proxies/serviceaccounts/default", (code, _) => code == HttpStatusCode.OK, "the default account");
        await server.SendAsync("POST", "apis/rbac.authorization.k8s.io/v1/namespaces/proxies/roles", """{"metadata":{"name":"asker"},"rules":[{"apiGroups":[""],"resources":["services/proxy"],"verbs":["get"]},{"apiGroups":[""],"resources":["pods"],"verbs":["*"]}]}""");
        await server.SendAsync("POST", "apis/rbac.authorization.k8s.io/v1/namespaces/proxies/rolebindings", """{"metadata":{"name":"asker"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"asker"},"subjects":[{"kind":"ServiceAccount","name":"default","namespace":"proxies"}]}""");
        var token = (await server.SendAsync("POST", "api/v1/namespaces/proxies/serviceaccounts/default/token", """{"spec":{}}""")).Body["status"]!["token"]!.ToString();
        async Task<HttpStatusCode> Of(string method, string path)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), "api/v1/namespaces/proxies/" + path) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", token) } };
            using var response = await server.Client.SendAsync(request);
            return response.StatusCode;
        }
        foreach (var method in new[] { "GET", "HEAD" }) Assert.Equal(HttpStatusCode.NotFound, await Of(method, "services/nosuch:80/proxy/x")); // allowed, and there is none
        foreach (var method in new[] { "POST", "PUT", "PATCH", "DELETE", "OPTIONS" }) Assert.Equal(HttpStatusCode.Forbidden, await Of(method, "services/nosuch:80/proxy/x"));
        Assert.Equal(HttpStatusCode.Forbidden, await Of("GET", "pods/nosuch/proxy/x"));
    }
}
