using System.Net;
using Eyrie.ControlPlane.Api;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>What a client accepts, in its order, and fields that it writes twice.</summary>
[Collection(nameof(ApiServer))]
public sealed class NegotiationTests(ApiServer server)
{
    [Theory]
    [InlineData("", "")]
    [InlineData("application/json", "application/json")]
    [InlineData("application/json;q=0.4, application/yaml", "application/yaml application/json")]
    [InlineData("*/*, application/*, application/json", "application/json application/* */*")]
    [InlineData("a/b;q=0, c/d;q=x, e/f;q=0.999", "c/d e/f")]
    [InlineData(";;;,,q=1", " q=1")]
    [InlineData("APPLICATION/Json; Q=0.1; v=\"v1\"", "application/json")]
    public void Ranges_are_read_dearest_first(string accept, string types) => Assert.Equal(types, string.Join(' ', AcceptHeader.Read(accept).Select(range => range.Type)));

    private async Task<(HttpStatusCode Code, string? Type, string Text)> GetAsync(string path, string accept)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("Accept", accept);
        using var response = await server.Client.SendAsync(request);
        return (response.StatusCode, response.Content.Headers.ContentType?.ToString(), await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task An_answer_has_the_form_that_the_client_prefers_of_those_that_there_are()
    {
        const string Table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        Assert.Equal("application/yaml", (await GetAsync("api/v1/namespaces/default", "application/json;q=0.5, application/yaml;q=0.8")).Type);
        Assert.Equal("application/json", (await GetAsync("api/v1/namespaces/default", "application/vnd.kubernetes.protobuf, application/yaml;q=0.5, application/json;q=0.6")).Type);
        Assert.Contains("\"kind\":\"Namespace\"", (await GetAsync("api/v1/namespaces/default", $"{Table};q=0.2, application/json")).Text, StringComparison.Ordinal);
        Assert.Contains("\"kind\":\"Table\"", (await GetAsync("api/v1/namespaces/default", $"{Table}, application/json")).Text, StringComparison.Ordinal);
        Assert.Contains("\"kind\":\"Table\"", (await GetAsync("api/v1/namespaces/default", "application/json;as=Table;v=v2;g=meta.k8s.io, " + Table)).Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.NotAcceptable, (await GetAsync("api/v1/namespaces/default", "application/json;q=0")).Code);
        Assert.Equal(HttpStatusCode.NotAcceptable, (await GetAsync("api/v1/namespaces/default", "application/vnd.kubernetes.protobuf")).Code);
        Assert.Contains("APIGroupDiscoveryList", (await GetAsync("apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList, application/json;q=0.9")).Text, StringComparison.Ordinal);
        Assert.Contains("\"APIGroupList\"", (await GetAsync("apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;q=0.1, application/json;q=0.9")).Text, StringComparison.Ordinal);
        Assert.Equal("application/json", (await GetAsync("openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf;q=0.1, application/json")).Type);
    }

    private async Task<(HttpStatusCode Code, string Warnings, string Text)> WriteAsync(string method, string path, string body, string type = "application/json")
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = new StringContent(body, System.Text.Encoding.UTF8, type) };
        using var response = await server.Client.SendAsync(request);
        return (response.StatusCode, response.Headers.TryGetValues("Warning", out var warnings) ? string.Join('|', warnings) : "", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_field_that_stands_twice_is_refused_warned_of_or_passed_over_as_the_client_wishes_and_the_last_counts()
    {
        const string Path = "api/v1/namespaces/default/configmaps", Twice = """{"metadata":{"name":"NAME"},"data":{"a":"1","b":"x","a":"2"},"data2":[{"c":1,"c":2}]}""";
        static string Named(string name) => Twice.Replace("NAME", name, StringComparison.Ordinal);
        var strict = await WriteAsync("POST", Path + "?fieldValidation=Strict", Named("twice-strict"));
        Assert.Equal(HttpStatusCode.BadRequest, strict.Code);
        Assert.Contains("strict decoding error: duplicate field \\\"data.a\\\", duplicate field \\\"data2[0].c\\\", unknown field \\\"data2\\\"", strict.Text.Replace("\\u0022", "\\\"", StringComparison.Ordinal), StringComparison.Ordinal);
        var warned = await WriteAsync("POST", Path, Named("twice-warn"));
        Assert.Equal((HttpStatusCode.Created, "299 - \"duplicate field \\\"data.a\\\"\"|299 - \"duplicate field \\\"data2[0].c\\\"\"|299 - \"unknown field \\\"data2\\\"\""), (warned.Code, warned.Warnings));
        Assert.Contains("\"a\":\"2\",\"b\":\"x\"", warned.Text.Replace("\"b\":\"x\",\"a\":\"2\"", "\"a\":\"2\",\"b\":\"x\"", StringComparison.Ordinal), StringComparison.Ordinal);
        var ignored = await WriteAsync("POST", Path + "?fieldValidation=Ignore", Named("twice-ignore"));
        Assert.Equal((HttpStatusCode.Created, ""), (ignored.Code, ignored.Warnings));
        var patched = await WriteAsync("PATCH", Path + "/twice-warn", """{"data":{"a":"3","a":"4"}}""", "application/merge-patch+json");
        Assert.Equal((HttpStatusCode.OK, "299 - \"duplicate field \\\"data.a\\\"\""), (patched.Code, patched.Warnings));
        Assert.Contains("\"a\":\"4\"", patched.Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.BadRequest, (await WriteAsync("PATCH", Path + "/twice-warn?fieldValidation=Strict", """{"data":{"a":"3","a":"4"}}""", "application/merge-patch+json")).Code);
        Assert.Equal(HttpStatusCode.BadRequest, (await WriteAsync("POST", Path, """{"metadata":{"name":"x","name":"y"},}""")).Code);
        Assert.Equal(HttpStatusCode.BadRequest, (await WriteAsync("POST", Path, """{"metadata":{"name":"x","name":"y"}} {}""")).Code);
    }

    [Theory]
    [InlineData("POST", "application/yaml")]
    [InlineData("PATCH", "application/apply-patch+yaml")]
    public async Task A_key_that_stands_twice_in_YAML_is_told_with_its_line(string method, string type)
    {
        const string Twice = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: NAME\ndata:\n  a: '1'\n  b: x\n  a: '2'\n";
        async Task<(HttpStatusCode Code, string Warnings, string Text)> SendAsync(string validation)
        {
            var name = $"yaml-{method}-{validation}".ToLowerInvariant();
            return await WriteAsync(method, $"api/v1/namespaces/default/configmaps{(method == "PATCH" ? "/" + name : "")}?fieldManager=me&fieldValidation={validation}", Twice.Replace("NAME", name, StringComparison.Ordinal), type);
        }
        var strict = await SendAsync("Strict");
        Assert.Equal(HttpStatusCode.BadRequest, strict.Code);
        Assert.Contains("strict decoding error: line 8: key \\\"a\\\" already set in map", strict.Text.Replace("\\u0022", "\\\"", StringComparison.Ordinal), StringComparison.Ordinal);
        var warned = await SendAsync("Warn");
        Assert.Equal((HttpStatusCode.Created, "299 - \"line 8: key \\\"a\\\" already set in map\""), (warned.Code, warned.Warnings));
        Assert.Contains("\"a\":\"2\"", warned.Text, StringComparison.Ordinal);
        var ignored = await SendAsync("Ignore");
        Assert.Equal((HttpStatusCode.Created, ""), (ignored.Code, ignored.Warnings));
        Assert.Contains("\"a\":\"2\"", ignored.Text, StringComparison.Ordinal);
    }
}
