using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Printing;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

public enum ShapeKind { Full, Table, PartialMetadata }

/// <summary>The form a client accepts: the object, a table or its metadata only; JSON or YAML.</summary>
/// <param name="IncludeObject">Of tables: what a row carries, <c>None</c>, <c>Metadata</c> or <c>Object</c>.</param>
public sealed record Shape(ShapeKind Kind, bool Yaml, string IncludeObject)
{
    /// <summary>A browser that wants text or a page is shown JSON.</summary>
    private static readonly string[] Json = ["application/json", "text/plain", "text/html"], Yamls = ["application/yaml", "text/yaml"];

    public static readonly Shape Plain = new(ShapeKind.Full, false, "Metadata");

    /// <summary>The dearest media range of an Accept header that can be served.</summary>
    /// <exception cref="StatusException">406: none can.</exception>
    public static Shape Of(string accept, string includeObject)
    {
        if (includeObject is not ("" or "None" or "Metadata" or "Object")) throw StatusException.BadRequest($"includeObject must be None, Metadata or Object, not \"{includeObject}\"");
        var included = includeObject.Length == 0 ? "Metadata" : includeObject;
        if (string.IsNullOrWhiteSpace(accept)) return Plain with { IncludeObject = included };
        foreach (var range in AcceptHeader.Read(accept))
        {
            bool yaml = !Json.Any(range.Takes) && Yamls.Any(range.Takes);
            if (!yaml && !Json.Any(range.Takes)) continue;
            switch ((range.Parameter("as"), range.Parameter("g"), range.Parameter("v")))
            {
                case (null, _, _): return new Shape(ShapeKind.Full, yaml, included);
                case ("Table", "meta.k8s.io", "v1"): return new Shape(ShapeKind.Table, yaml, included);
                case ("PartialObjectMetadata" or "PartialObjectMetadataList", "meta.k8s.io", "v1"): return new Shape(ShapeKind.PartialMetadata, yaml, included);
            }
        }
        throw new StatusException(406, "NotAcceptable", "only the following media types are accepted: application/json, application/yaml");
    }

    /// <summary>One object in this shape.</summary>
    public JsonObject Show(ResourceKind kind, JsonObject document, bool definitions = true) => Kind switch
    {
        ShapeKind.Table when document.Text("kind") != "Status" => Tables.Of(kind, [document], new JsonObject { ["resourceVersion"] = document.Metadata().Text("resourceVersion") }, definitions, IncludeObject),
        ShapeKind.PartialMetadata when document.Text("kind") != "Status" => Partial(document),
        _ => document,
    };

    /// <summary>A list in this shape.</summary>
    /// <param name="metadata">Of the list: resourceVersion, continue, remainingItemCount.</param>
    public JsonObject ShowList(ResourceKind kind, IEnumerable<JsonObject> items, JsonObject metadata) => Kind switch
    {
        ShapeKind.Table => Tables.Of(kind, items, metadata, true, IncludeObject),
        ShapeKind.PartialMetadata => new JsonObject { ["kind"] = "PartialObjectMetadataList", ["apiVersion"] = "meta.k8s.io/v1", ["metadata"] = metadata, ["items"] = new JsonArray([.. items.Select(Partial)]) },
        _ => new JsonObject { ["kind"] = kind.ListKind, ["apiVersion"] = kind.ApiVersion, ["metadata"] = metadata, ["items"] = new JsonArray([.. items]) },
    };

    public static JsonObject Partial(JsonObject document) => new() { ["kind"] = "PartialObjectMetadata", ["apiVersion"] = "meta.k8s.io/v1", ["metadata"] = document.Metadata().DeepClone() };
}
