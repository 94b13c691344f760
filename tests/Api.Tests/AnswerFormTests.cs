using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>The forms an answer has: the object, its metadata alone, a table; JSON, YAML, and no protobuf.</summary>
[Collection(nameof(ApiServer))]
public sealed class AnswerFormTests(ApiServer server)
{
    private const string Meta = ";v=v1;g=meta.k8s.io", Table = "application/json;as=Table" + Meta, Partial = "application/json;as=PartialObjectMetadata" + Meta, PartialList = "application/json;as=PartialObjectMetadataList" + Meta;
    private const string Protobuf = "application/vnd.kubernetes.protobuf";

    /// <summary>Two secrets in a namespace of their own.</summary>
    private async Task<string> SecretsAsync(string space)
    {
        await server.NamespaceAsync(space);
        var path = $"api/v1/namespaces/{space}/secrets";
        await server.DoneAsync("POST", path, """{"metadata":{"name":"a","labels":{"x":"y"}},"data":{"k":"dg=="}}""");
        await server.DoneAsync("POST", path, """{"metadata":{"name":"b"},"type":"example.com/t"}""");
        return path;
    }

    private static string Fields(JsonNode node) => string.Join(' ', node.AsObject().Select(pair => pair.Key));

    [Fact]
    public async Task Metadata_alone_of_one_object_of_a_list_and_of_a_write()
    {
        var path = await SecretsAsync("partial");
        var one = await server.DoneAsync("GET", path + "/a", accept: Partial);
        Assert.Equal("kind apiVersion metadata: PartialObjectMetadata meta.k8s.io/v1 a y", $"{Fields(one)}: {one["kind"]} {one["apiVersion"]} {one["metadata"]!["name"]} {one["metadata"]!["labels"]!["x"]}");
        var list = await server.DoneAsync("GET", path + "?limit=1", accept: PartialList + ",application/json");
        Assert.Equal(("PartialObjectMetadataList", "meta.k8s.io/v1"), (list["kind"]!.ToString(), list["apiVersion"]!.ToString()));
        Assert.Equal("kind apiVersion metadata: PartialObjectMetadata a", $"{Fields(list["items"]![0]!)}: {list["items"]![0]!["kind"]} {list["items"]![0]!["metadata"]!["name"]}");
        var rest = await server.DoneAsync("GET", $"{path}?continue={list["metadata"]!["continue"]}", accept: PartialList);
        Assert.Equal("b", rest["items"]!.AsArray().Single()!["metadata"]!["name"]!.ToString());
        var patched = await server.DoneAsync("PATCH", path + "/a", """{"metadata":{"annotations":{"n":"1"}},"data":{"l":"dg=="}}""", "application/merge-patch+json", Partial);
        Assert.Equal("kind apiVersion metadata: 1", $"{Fields(patched)}: {patched["metadata"]!["annotations"]!["n"]}");
        Assert.Equal("k l", Fields((await server.DoneAsync("GET", path + "/a"))["data"]!));
        Assert.Equal("Status", (await server.SendAsync("GET", path + "/none", accept: Partial)).Body["kind"]!.ToString());
    }

    [Fact]
    public async Task A_table_has_columns_rows_and_of_the_objects_what_was_asked_for()
    {
        var path = await SecretsAsync("table");
        var table = await server.DoneAsync("GET", path, accept: $"{Table},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json");
        Assert.Equal(("Table", "meta.k8s.io/v1"), (table["kind"]!.ToString(), table["apiVersion"]!.ToString()));
        Assert.Equal(["Name string name 0", "Type string  0", "Data string  0", "Age string  0"], table["columnDefinitions"]!.AsArray().Select(column => $"{column!["name"]} {column["type"]} {column["format"]} {column["priority"]}"));
        Assert.Equal(["a Opaque 1", "b example.com/t 0"], table["rows"]!.AsArray().Select(row => string.Join(' ', row!["cells"]!.AsArray().Take(3).Select(cell => cell!.ToString()))));
        Assert.Equal("kind apiVersion metadata: PartialObjectMetadata a", $"{Fields(table["rows"]![0]!["object"]!)}: {table["rows"]![0]!["object"]!["kind"]} {table["rows"]![0]!["object"]!["metadata"]!["name"]}");
        Assert.Null((await server.DoneAsync("GET", path + "?includeObject=None", accept: Table))["rows"]![0]!["object"]);
        Assert.Equal("dg==", (await server.DoneAsync("GET", path + "?includeObject=Object", accept: Table))["rows"]![0]!["object"]!["data"]!["k"]!.ToString());
        Assert.Equal(HttpStatusCode.BadRequest, (await server.SendAsync("GET", path + "?includeObject=Some", accept: Table)).Code);
        var page = await server.DoneAsync("GET", path + "?limit=1", accept: Table);
        Assert.Equal((1, "1"), (page["rows"]!.AsArray().Count, page["metadata"]!["remainingItemCount"]!.ToString()));
        Assert.Equal("b", (await server.DoneAsync("GET", $"{path}?limit=1&continue={page["metadata"]!["continue"]}", accept: Table))["rows"]!.AsArray().Single()!["cells"]![0]!.ToString());
        Assert.Equal("a", (await server.DoneAsync("GET", path + "/a", accept: Table))["rows"]!.AsArray().Single()!["cells"]![0]!.ToString());
        Assert.Equal("Status", (await server.SendAsync("GET", path + "/none", accept: Table)).Body["kind"]!.ToString());
    }

    [Theory]
    [InlineData("watched-table", Table, "Table")]
    [InlineData("watched-partial", Partial, "PartialObjectMetadata")]
    [InlineData("watched-whole", "application/json", "Secret")]
    public async Task A_watch_has_the_form_of_its_list(string space, string accept, string kind)
    {
        var path = await SecretsAsync(space);
        using var request = new HttpRequestMessage(HttpMethod.Get, path + "?watch=true&timeoutSeconds=20&resourceVersion=" + (await server.DoneAsync("GET", path))["metadata"]!["resourceVersion"]);
        request.Headers.TryAddWithoutValidation("Accept", accept);
        using var response = await server.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        await server.DoneAsync("PATCH", path + "/a", """{"data":{"l":"dg=="}}""", "application/merge-patch+json");
        await server.DoneAsync("DELETE", path + "/a");
        var seen = new List<JsonNode>();
        while (seen.Count < 2) seen.Add(JsonNode.Parse((await lines.ReadLineAsync())!)!);
        Assert.Equal([$"MODIFIED {kind}", $"DELETED {kind}"], seen.Select(one => $"{one["type"]} {one["object"]!["kind"]}"));
        Assert.Equal(kind == "Secret", seen[0]["object"]!["data"] is not null);
        if (kind != "Table") return;
        Assert.Equal([4, null], seen.Select(one => one["object"]!["columnDefinitions"]?.AsArray().Count)); // named once
        Assert.Equal("2", seen[0]["object"]!["rows"]!.AsArray().Single()!["cells"]![2]!.ToString());
    }

    [Theory]
    [InlineData("GET", "/a")]
    [InlineData("GET", "")]
    [InlineData("GET", "?watch=true")]
    [InlineData("POST", "")]
    [InlineData("DELETE", "/a")]
    public async Task Whoever_accepts_nothing_but_protobuf_is_refused_and_nothing_happens(string method, string rest)
    {
        var space = $"protobuf-{method}{rest.Length}".ToLowerInvariant();
        var path = await SecretsAsync(space);
        foreach (var accept in new[] { Protobuf, Protobuf + ";as=Table" + Meta, "application/vnd.kubernetes.protobuf;stream=watch", "application/cbor" })
        {
            var (code, status) = await server.SendAsync(method, path + rest, method == "POST" ? """{"metadata":{"name":"c"}}""" : null, accept: accept);
            Assert.Equal((HttpStatusCode.NotAcceptable, "Status", "NotAcceptable", 406), (code, status["kind"]!.ToString(), status["reason"]!.ToString(), status["code"]!.GetValue<int>()));
            Assert.Contains("application/json", status["message"]!.ToString(), StringComparison.Ordinal);
        }
        Assert.Equal(["a", "b"], (await server.DoneAsync("GET", path))["items"]!.AsArray().Select(item => item!["metadata"]!["name"]!.ToString()));
    }

    [Theory]
    [InlineData("mixed-json", Protobuf + ",application/json", "application/json", "Secret")]
    [InlineData("mixed-any", Protobuf + ", */*", "application/json", "Secret")]
    [InlineData("mixed-metadata", Protobuf + ";as=PartialObjectMetadata" + Meta + "," + Partial + "," + Protobuf + ",application/json", "application/json", "PartialObjectMetadata")]
    [InlineData("mixed-yaml", Protobuf + ",application/yaml", "application/yaml", "Secret")]
    public async Task Whoever_accepts_protobuf_or_something_else_gets_the_other(string space, string accept, string type, string kind)
    {
        var path = await SecretsAsync(space);
        using var request = new HttpRequestMessage(HttpMethod.Get, path + "/a");
        request.Headers.TryAddWithoutValidation("Accept", accept);
        using var response = await server.Client.SendAsync(request);
        Assert.Equal((HttpStatusCode.OK, type), (response.StatusCode, response.Content.Headers.ContentType!.MediaType));
        var text = await response.Content.ReadAsStringAsync();
        Assert.Contains(type == "application/json" ? $"\"kind\":\"{kind}\"" : $"kind: {kind}\n", text, StringComparison.Ordinal);
        using var yaml = new StringContent(text, Encoding.UTF8, type);
        Assert.Equal(kind == "Secret" ? HttpStatusCode.OK : HttpStatusCode.BadRequest, (await server.Client.PutAsync(path + "/a", yaml)).StatusCode); // what is answered can be sent back
    }
}
