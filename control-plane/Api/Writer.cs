using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Microsoft.AspNetCore.Http;

namespace Eyrie.ControlPlane.Api;

/// <summary>The way of a document into the store: known fields, defaults, checks, write. Shared by create, update and patch.</summary>
public sealed class Writer(IObjects objects, ServiceAddresses addresses)
{
    public async Task<JsonObject> CreateAsync(ApiRequest request, JsonObject document, IQueryCollection query, HttpResponse response, CancellationToken cancellationToken)
    {
        Prepare(request, document, query, response);
        Refuse(request.Kind, document, null);
        if (request.Kind.Namespaced)
        {
            var name = request.ObjectName.Namespace;
            var home = await objects.GetAsync(Kinds.Namespace, new ObjectName("", name), cancellationToken) ?? throw new StatusException(404, "NotFound", $"namespaces \"{name}\" not found");
            if (home.Metadata()["deletionTimestamp"] is not null) throw new StatusException(403, "Forbidden", $"unable to create new content in namespace {name} because it is being terminated");
        }
        if (DryRun(query)) return document;
        return request.Kind == Kinds.Service ? await addresses.CreateAsync(document, cancellationToken) : await objects.CreateAsync(request.Kind, document, cancellationToken);
    }

    public async Task<JsonObject> UpdateAsync(ApiRequest request, JsonObject document, JsonObject stored, IQueryCollection query, HttpResponse response, CancellationToken cancellationToken)
    {
        Prepare(request, document, query, response);
        if (request.Kind == Kinds.Service && document["spec"] is JsonObject spec && stored["spec"] is JsonObject old)
            foreach (var name in new[] { "clusterIP", "clusterIPs" })
                if (spec[name] is null && old[name] is { } value) spec[name] = value.DeepClone();
        Refuse(request.Kind, document, stored);
        return DryRun(query) ? document : await objects.UpdateAsync(request.Kind, document, cancellationToken);
    }

    private static bool DryRun(IQueryCollection query) => query.TryGetValue("dryRun", out var dryRun) && dryRun.Count > 0;

    /// <summary>Names from the path, fields that nobody knows (as fieldValidation says), defaults.</summary>
    private static void Prepare(ApiRequest request, JsonObject document, IQueryCollection query, HttpResponse response)
    {
        var kind = request.Kind;
        if (document.Text("kind") is { } given && given != kind.Kind) throw StatusException.BadRequest($"the document is a {given}, the path is of {kind.Plural}");
        if (document.Text("apiVersion") is { } version && version != kind.ApiVersion) throw StatusException.BadRequest($"the API version in the data ({version}) does not match the expected API version ({kind.ApiVersion})");
        var metadata = document.Metadata();
        if (request.Name is { } name && metadata.Text("name") is { } other && other != name) throw StatusException.BadRequest($"the name of the object ({other}) does not match the name on the URL ({name})");
        if (kind.Namespaced)
        {
            if (metadata.Text("namespace") is { Length: > 0 } space && request.Namespace is { } wanted && space != wanted)
                throw StatusException.BadRequest($"the namespace of the object ({space}) does not match the namespace on the URL ({wanted})");
            metadata["namespace"] = request.ObjectName.Namespace;
        }
        document["kind"] = kind.Kind;
        document["apiVersion"] = kind.ApiVersion;
        var mistakes = FieldTypes.Mistakes(kind, document);
        if (mistakes.Count > 0) throw StatusException.BadRequest($"{kind.Kind} in version \"{kind.Version}\" cannot be handled as a {kind.Kind}: {string.Join("; ", mistakes)}");
        var unknown = UnknownFields.Find(kind, document);
        if (unknown.Count > 0)
        {
            var validation = query["fieldValidation"].ToString();
            if (validation is "Strict") throw StatusException.BadRequest($"{kind.Kind} in version \"{kind.Version}\" cannot be handled as a {kind.Kind}: strict decoding error: {string.Join(", ", unknown.Select(field => $"unknown field \"{field}\""))}");
            if (validation is "Warn" or "") foreach (var field in unknown) response.Headers.Append("Warning", $"299 - \"unknown field \\\"{field}\\\"\"");
            UnknownFields.Prune(kind, document);
        }
        Defaults.Apply(kind, document);
    }

    private static void Refuse(ResourceKind kind, JsonObject document, JsonObject? stored)
    {
        var errors = Validation.Check(kind, document, stored);
        if (errors.Count > 0) throw StatusException.Invalid(kind.Group.Length == 0 ? kind.Kind : $"{kind.Kind}.{kind.Group}", document.Metadata().Text("name") ?? document.Metadata().Text("generateName") ?? "", errors);
    }
}
