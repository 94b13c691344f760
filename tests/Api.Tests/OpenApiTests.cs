using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.OpenApi.V2;
using Xunit;

namespace Eyrie.Api.Tests;

/// <summary>The schemas that clients merge, explain and check by: OpenAPI 3 by group and version, OpenAPI 2 as JSON and protobuf.</summary>
[Collection(nameof(ApiServer))]
public sealed class OpenApiTests(ApiServer server)
{
    private const string Extension = "x-kubernetes-", Message = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

    private async Task<JsonObject> Version3Async(string path) => (await server.DoneAsync("GET", "openapi/v3/" + path))["components"]!["schemas"]!.AsObject();

    private async Task<JsonObject> Version2Async() => (await server.DoneAsync("GET", "openapi/v2"))["definitions"]!.AsObject();

    private static IEnumerable<string> References(JsonNode? node) => node switch
    {
        JsonObject map => map.SelectMany(pair => pair.Key == "$ref" && pair.Value is JsonValue value ? [value.ToString()] : References(pair.Value)),
        JsonArray list => list.SelectMany(References),
        _ => [],
    };

    private static bool Combines(JsonNode? node) => node switch
    {
        JsonObject map => map.Any(pair => (pair.Key == "allOf" && pair.Value is JsonArray) || Combines(pair.Value)),
        JsonArray list => list.Any(Combines),
        _ => false,
    };

    /// <summary>The definition that a schema refers to, or itself.</summary>
    private static JsonNode Resolved(JsonObject definitions, JsonNode schema) =>
        (schema["$ref"] ?? schema["allOf"]?[0]?["$ref"]) is { } reference ? definitions[reference.ToString().Split('/')[^1]]! : schema;

    /// <summary>The schema of a field: what stands beside it, not what it refers to.</summary>
    private static JsonNode Field(JsonObject definitions, string kind, string path)
    {
        var schema = definitions.Select(pair => pair.Value!).Single(definition => definition["x-kubernetes-group-version-kind"]?.AsArray().Any(one => one!["kind"]!.ToString() == kind && one["version"]!.ToString() == "v1") == true);
        foreach (var name in path.Split('.'))
        {
            var owner = Resolved(definitions, schema);
            if (owner["items"] is { } items) owner = Resolved(definitions, items);
            schema = owner["properties"]![name]!;
        }
        return schema;
    }

    private static string Marks(JsonNode schema) => string.Join(' ', schema.AsObject().Where(pair => pair.Key.StartsWith(Extension, StringComparison.Ordinal))
        .Select(pair => $"{pair.Key[Extension.Length..]}={(pair.Value is JsonArray list ? string.Join(',', list.Select(item => item!.ToString())) : pair.Value!.ToString())}").Order(StringComparer.Ordinal));

    /// <summary>As kube-apiserver publishes them.</summary>
    [Theory]
    [InlineData("api/v1", "Pod", "spec.containers", "list-map-keys=name list-type=map patch-merge-key=name patch-strategy=merge")]
    [InlineData("api/v1", "Pod", "spec.containers.ports", "list-map-keys=containerPort,protocol list-type=map patch-merge-key=containerPort patch-strategy=merge")]
    [InlineData("api/v1", "Pod", "spec.containers.args", "list-type=atomic")]
    [InlineData("api/v1", "Pod", "spec.volumes", "list-map-keys=name list-type=map patch-merge-key=name patch-strategy=merge,retainKeys")]
    [InlineData("api/v1", "Pod", "spec.nodeSelector", "map-type=atomic")]
    [InlineData("api/v1", "Pod", "metadata.finalizers", "list-type=set patch-strategy=merge")]
    [InlineData("api/v1", "Pod", "metadata.ownerReferences", "list-map-keys=uid list-type=map patch-merge-key=uid patch-strategy=merge")]
    [InlineData("api/v1", "Service", "spec.ports", "list-map-keys=port,protocol list-type=map patch-merge-key=port patch-strategy=merge")]
    [InlineData("apis/apps/v1", "Deployment", "spec.strategy", "patch-strategy=retainKeys")]
    [InlineData("apis/apps/v1", "Deployment", "spec.template.spec.containers.env", "list-map-keys=name list-type=map patch-merge-key=name patch-strategy=merge")]
    [InlineData("apis/apps/v1", "Deployment", "spec.template.spec.containers.permissions.connect", "list-type=atomic")]
    public async Task A_field_says_how_it_merges(string path, string kind, string field, string marks)
    {
        Assert.Equal(marks, Marks(Field(await Version3Async(path), kind, field)));
        Assert.Equal(marks, Marks(Field(await Version2Async(), kind, field)));
    }

    [Theory]
    [InlineData("api/v1", "Pod", "spec.containers.permissions")]
    [InlineData("api/v1", "Pod", "spec.initContainers.permissions")]
    [InlineData("api/v1", "Pod", "spec.ephemeralContainers.permissions")]
    [InlineData("apis/apps/v1", "StatefulSet", "spec.template.spec.containers.permissions")]
    [InlineData("apis/batch/v1", "CronJob", "spec.jobTemplate.spec.template.spec.containers.permissions")]
    [InlineData("apis/eyrie.dev/v1", "PermissionSet", "spec")]
    public async Task Permissions_are_a_field_as_any_other(string path, string kind, string field)
    {
        foreach (var definitions in new[] { await Version3Async(path), await Version2Async() })
        {
            var permissions = Resolved(definitions, Field(definitions, kind, field));
            Assert.StartsWith("What the container may do", permissions["description"]!.ToString(), StringComparison.Ordinal);
            Assert.Superset(new HashSet<string> { "connect", "listen", "accept", "gates", "publish", "files", "host", "api", "devices", "signals", "hostFacts", "processes", "clock", "random", "sets", "optional", "transitional" }, permissions["properties"]!.AsObject().Select(pair => pair.Key).ToHashSet());
            Assert.Equal("Absolute path in the container.", Field(definitions, kind, field + ".files.path")["description"]!.ToString());
        }
    }

    [Fact]
    public async Task Every_document_is_whole_and_says_how_every_kind_is_patched()
    {
        var paths = (await server.DoneAsync("GET", "openapi/v3"))["paths"]!.AsObject();
        var patched = new List<string>();
        foreach (var (path, entry) in paths)
        {
            var document = await server.DoneAsync("GET", entry!["serverRelativeURL"]!.ToString());
            var known = document["components"]!["schemas"]!.AsObject().Select(pair => "#/components/schemas/" + pair.Key).ToHashSet();
            Assert.Subset(known, References(document).ToHashSet());
            foreach (var (address, item) in document["paths"]!.AsObject())
            {
                patched.Add(address);
                Assert.Superset(new HashSet<string> { "dryRun", "fieldManager", "fieldValidation", "force" }, item!["patch"]!["parameters"]!.AsArray().Select(one => one!["name"]!.ToString()).ToHashSet());
                if (path is "api/v1" or "apis/apps/v1") Assert.Equal(4, item["patch"]!["requestBody"]!["content"]!.AsObject().Count);
            }
        }
        Assert.Superset(new HashSet<string> { "api/v1", "apis/apps/v1", "apis/eyrie.dev/v1", "apis/metrics.k8s.io/v1beta1" }, paths.Select(pair => pair.Key).ToHashSet());
        Assert.Contains("/apis/apps/v1/namespaces/{namespace}/deployments/{name}", patched);
        Assert.Contains("/api/v1/nodes/{name}", patched);
        var old = (await server.DoneAsync("GET", "openapi/v2")).AsObject();
        Assert.Equal("2.0", old["swagger"]!.ToString());
        Assert.Subset(old["definitions"]!.AsObject().Select(pair => "#/definitions/" + pair.Key).ToHashSet(), References(old).ToHashSet());
        Assert.Equal(patched.Order(StringComparer.Ordinal), old["paths"]!.AsObject().Select(pair => pair.Key).Order(StringComparer.Ordinal));
        Assert.False(Combines(old)); // its readers follow no allOf
    }

    [Fact]
    public async Task The_protobuf_form_of_OpenAPI_2_says_the_same()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "openapi/v2");
        request.Headers.TryAddWithoutValidation("Accept", Message);
        using var response = await server.Client.SendAsync(request);
        Assert.Equal(Message.Replace('@', '.'), response.Content.Headers.ContentType!.MediaType);
        var document = Document.Parser.ParseFrom(await response.Content.ReadAsByteArrayAsync());
        var definitions = await Version2Async();
        Assert.Equal(definitions.Select(pair => pair.Key), document.Definitions.Schemas.Select(schema => schema.Name));
        var fields = document.Definitions.Schemas.Single(schema => schema.Name == "io.k8s.v1.Container").Value.Properties.Properties_;
        Assert.Equal(definitions["io.k8s.v1.Container"]!["properties"]!.AsObject().Select(pair => pair.Key), fields.Select(field => field.Name));
        var marks = fields.Single(field => field.Name == "ports").Value.Extensions.ToDictionary(one => one.Name, one => one.Value.Yaml.Trim());
        Assert.Equal(("\"map\"", "[\"containerPort\",\"protocol\"]", "\"containerPort\"", "\"merge\""), (marks[Extension + "list-type"], marks[Extension + "list-map-keys"], marks[Extension + "patch-merge-key"], marks[Extension + "patch-strategy"]));
    }
}
