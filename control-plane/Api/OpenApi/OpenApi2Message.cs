using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.OpenApi.V2;
using Google.Protobuf;

namespace Eyrie.ControlPlane.Api.OpenApi;

/// <summary>An OpenAPI 2 document from JSON to the protobuf form that older clients read.</summary>
public static class OpenApi2Message
{
    /// <summary>As clients ask for it, and as it is answered: the at sign may not stand in a content type.</summary>
    public const string Accepted = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", MediaType = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

    public static byte[] Write(JsonObject document)
    {
        var made = new Document { Swagger = Text(document, "swagger"), Info = new Info { Title = Text(document["info"], "title"), Version = Text(document["info"], "version") }, Paths = new Paths(), Definitions = new Definitions() };
        foreach (var (name, schema) in document["definitions"]!.AsObject()) made.Definitions.Schemas.Add(new NamedSchema { Name = name, Value = Definition(schema!.AsObject()) });
        foreach (var (name, path) in document["paths"]!.AsObject()) made.Paths.Path.Add(new NamedPath { Name = name, Value = new V2.Path { Patch = Operation(path!["patch"]!.AsObject()) } });
        return made.ToByteArray();
    }

    private static string Text(JsonNode? node, string name) => node?[name]?.ToString() ?? "";

    private static IEnumerable<V2.Extension> Extensions(JsonObject source) =>
        source.Where(pair => pair.Key.StartsWith("x-", StringComparison.Ordinal)).Select(pair => new V2.Extension { Name = pair.Key, Value = new Value { Yaml = (pair.Value?.ToJsonString() ?? "null") + "\n" } });

    private static V2.Schema Definition(JsonObject source)
    {
        var made = new V2.Schema { Reference = Text(source, "$ref"), Format = Text(source, "format"), Description = Text(source, "description") };
        if (source["type"] is { } type) made.Type = new Types { Value = { type.ToString() } };
        if (source["items"] is JsonObject items) made.Items = new Items { Schema = { Definition(items) } };
        if (source["additionalProperties"] is JsonObject values) made.AdditionalProperties = new AdditionalProperties { Schema = Definition(values) };
        if (source["required"] is JsonArray required) made.Required.AddRange(required.Select(name => name!.ToString()));
        if (source["properties"] is JsonObject properties)
        {
            made.Properties = new Properties();
            made.Properties.Properties_.AddRange(properties.Select(pair => new NamedSchema { Name = pair.Key, Value = Definition(pair.Value!.AsObject()) }));
        }
        made.Extensions.AddRange(Extensions(source));
        return made;
    }

    private static Operation Operation(JsonObject source)
    {
        var made = new Operation { OperationId = Text(source, "operationId") };
        made.Consumes.AddRange(source["consumes"]!.AsArray().Select(type => type!.ToString()));
        foreach (var parameter in source["parameters"]!.AsArray())
            made.Parameters.Add(new ParameterItem { Parameter = new Parameter { NonBody = new NonBodyParameter { Query = new QueryParameter { Name = Text(parameter, "name"), Location = "query", Type = "string" } } } });
        made.Extensions.AddRange(Extensions(source));
        return made;
    }
}
