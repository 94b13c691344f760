using System.Net;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Resources;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>Node ports and session affinity in the words of kube-apiserver: the rules alone, and over a real API.</summary>
public sealed class NodePortsTests(ApiServer api) : IClassFixture<ApiServer>
{
    private static JsonObject Json(string text) => JsonNode.Parse(text)!.AsObject();

    [Theory]
    [InlineData("""{"type":"ClusterIP","ports":[{"port":80,"nodePort":30080}]}""", "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'")]
    [InlineData("""{"type":"NodePort","ports":[{"port":80},{"port":81,"nodePort":80}]}""", "spec.ports[1].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767")]
    [InlineData("""{"type":"NodePort","ports":[{"port":80,"nodePort":30080},{"port":81,"nodePort":30080}]}""", "spec.ports[1].nodePort: Duplicate value: 30080")]
    [InlineData("""{"type":"NodePort","ports":[{"port":80,"nodePort":30080},{"port":80,"nodePort":30080,"protocol":"UDP"}]}""", null)]
    [InlineData("""{"type":"NodePort","ports":[{"port":80,"nodePort":"a"}]}""", "spec.ports[0].nodePort: Invalid value: \"a\": must be an integer")]
    public void What_a_document_alone_shows_is_refused_at_its_field(string spec, string? mistake) => Assert.Equal(mistake is null ? [] : [mistake], NodePorts.Check(Json(spec)).Select(error => $"{error.Field}: {error.Message}"));

    [Theory]
    [InlineData("""{"type":"NodePort","ports":[{"name":"a","port":80}]}""", 30090)]                  // left out: kept by its name
    [InlineData("""{"type":"NodePort","ports":[{"name":"a","port":80,"nodePort":30091}]}""", 30091)]
    [InlineData("""{"type":"NodePort","ports":[{"name":"b","port":80}]}""", 0)]
    [InlineData("""{"type":"ClusterIP","ports":[{"name":"a","port":80,"nodePort":30090}]}""", 0)]    // of another type now: it goes along
    [InlineData("""{"type":"ClusterIP","ports":[{"name":"a","port":80,"nodePort":30091}]}""", 30091)] // asked for: stays, and is refused
    public void A_change_keeps_what_it_does_not_speak_of(string changed, int kept)
    {
        var spec = Json(changed);
        NodePorts.Keep(spec, Json("""{"type":"NodePort","ports":[{"name":"a","port":80,"nodePort":30090}]}"""));
        Assert.Equal(kept, spec["ports"]![0]!["nodePort"]?.GetValue<int>() ?? 0);
    }

    [Fact]
    public void Ports_are_given_once_each_and_none_beyond_the_last()
    {
        var spec = Json("""{"type":"NodePort","ports":[{"port":80},{"port":81}]}""");
        Assert.Empty(NodePorts.Give(spec, Enumerable.Range(30000, 2766).ToHashSet(), 12345));
        Assert.Equal([32766, 32767], NodePorts.Of(new JsonObject { ["spec"] = spec.DeepClone() }).Order());
        Assert.Equal("spec.ports[1].nodePort", Assert.Single(NodePorts.Give(Json("""{"type":"NodePort","ports":[{"port":80},{"port":81}]}"""), Enumerable.Range(30000, 2767).ToHashSet(), -7)).Field);
    }

    [Fact]
    public async Task A_Service_gets_a_port_keeps_it_and_nobody_else_gets_it()
    {
        const string services = "api/v1/namespaces/default/services";
        var (code, made) = await api.SendAsync("POST", services, """{"metadata":{"name":"door"},"spec":{"type":"NodePort","ports":[{"name":"a","port":80}]}}""");
        Assert.Equal(HttpStatusCode.Created, code);
        int port = made["spec"]!["ports"]![0]!["nodePort"]!.GetValue<int>();
        Assert.InRange(port, 30000, 32767);
        (code, made) = await api.SendAsync("POST", services, $$$"""{"metadata":{"name":"other"},"spec":{"type":"NodePort","ports":[{"port":80},{"name":"b","port":81,"nodePort":{{{port}}}}]}}""");
        Assert.Equal(HttpStatusCode.UnprocessableEntity, code);
        Assert.Contains($"Service \"other\" is invalid: spec.ports[1].nodePort: Invalid value: {port}: provided port is already allocated", made["message"]!.ToString(), StringComparison.Ordinal);
        (code, made) = await api.SendAsync("PUT", services + "/door", """{"metadata":{"name":"door"},"spec":{"type":"NodePort","ports":[{"name":"a","port":8080}]}}""");
        Assert.Equal((HttpStatusCode.OK, port), (code, made["spec"]!["ports"]![0]!["nodePort"]!.GetValue<int>()));
        (code, made) = await api.SendAsync("PUT", services + "/door", """{"metadata":{"name":"door"},"spec":{"type":"ClusterIP","ports":[{"name":"a","port":8080}]}}""");
        Assert.True(code == HttpStatusCode.OK && made["spec"]!["ports"]![0]!["nodePort"] is null, made.ToJsonString());
        (code, made) = await api.SendAsync("PUT", services + "/door", $$$"""{"metadata":{"name":"door"},"spec":{"type":"NodePort","ports":[{"name":"a","port":8080,"nodePort":{{{port}}}}]}}""");
        Assert.Equal((HttpStatusCode.OK, port), (code, made["spec"]!["ports"]![0]!["nodePort"]!.GetValue<int>()));
    }

    [Fact]
    public async Task Affinity_has_a_time_and_only_a_possible_one()
    {
        const string services = "api/v1/namespaces/default/services";
        var (code, made) = await api.SendAsync("POST", services, """{"metadata":{"name":"sticky"},"spec":{"sessionAffinity":"ClientIP","ports":[{"port":80}]}}""");
        Assert.Equal((HttpStatusCode.Created, 10800), (code, made["spec"]!["sessionAffinityConfig"]!["clientIP"]!["timeoutSeconds"]!.GetValue<int>()));
        (code, made) = await api.SendAsync("POST", services, """{"metadata":{"name":"b"},"spec":{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":86401}},"ports":[{"port":80}]}}""");
        Assert.Contains("spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400", made["message"]!.ToString(), StringComparison.Ordinal);
        (code, made) = await api.SendAsync("POST", services, """{"metadata":{"name":"c"},"spec":{"sessionAffinity":"Source","type":"Port","ports":[{"port":80}]}}""");
        Assert.Contains("spec.sessionAffinity: Unsupported value: \"Source\": supported values: \"ClientIP\", \"None\"", made["message"]!.ToString(), StringComparison.Ordinal);
        Assert.Contains("spec.type: Unsupported value: \"Port\"", made["message"]!.ToString(), StringComparison.Ordinal);
    }
}
