using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Eyrie.ControlPlane.Registry;

/// <summary>The cluster's own registry: the part of the OCI distribution specification (v1.1) that push and pull need.</summary>
public static class RegistryEndpoints
{
    public static IServiceCollection AddEyrieRegistry(this IServiceCollection services, string directory) => services.AddSingleton(new BlobStore(directory)).AddSingleton(provider => new Uploads(directory, provider.GetRequiredService<BlobStore>()));

    public static void MapEyrieRegistry(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v2/", () => Results.Text("{}", "application/json"));
        routes.MapGet("/v2/_catalog", (BlobStore blobs) => Results.Text(new JsonObject { ["repositories"] = List(blobs.Repositories()) }.ToJsonString(), "application/json"));
        routes.Map("/v2/{**path}", HandleAsync);
    }

    private static JsonArray List(IEnumerable<string> items) => new([.. items.Select(item => (JsonNode)item)]);

    private static Task HandleAsync(HttpContext context, BlobStore blobs, Uploads uploads, string path)
    {
        var parts = path.Split('/');
        var method = context.Request.Method;
        bool read = HttpMethods.IsGet(method) || HttpMethods.IsHead(method);
        if (parts.Length >= 3 && parts[^2] == "tags" && parts[^1] == "list" && read) return TagsAsync(context, blobs, Name(parts[..^2]));
        if (parts.Length >= 3 && parts[^2] == "manifests") return read ? ManifestAsync(context, blobs, Name(parts[..^2]), parts[^1]) : PutManifestAsync(context, blobs, Name(parts[..^2]), parts[^1]);
        if (parts.Length >= 4 && parts[^3] == "blobs" && parts[^2] == "uploads") return UploadEndpoint.HandleAsync(context, blobs, uploads, Name(parts[..^3]), parts[^1]);
        if (parts.Length >= 3 && parts[^2] == "blobs" && read) return BlobAsync(context, blobs, parts[^1]);
        return RefuseAsync(context, 404, "UNSUPPORTED", "there is nothing at this path");
    }

    private static string Name(string[] parts) => string.Join('/', parts);

    private static async Task TagsAsync(HttpContext context, BlobStore blobs, string repository)
    {
        if (!BlobStore.IsRepository(repository)) { await RefuseAsync(context, 400, "NAME_INVALID", "the repository's name is not valid"); return; }
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(new JsonObject { ["name"] = repository, ["tags"] = List(blobs.Tags(repository)) }.ToJsonString());
    }

    private static async Task ManifestAsync(HttpContext context, BlobStore blobs, string repository, string reference)
    {
        if (!BlobStore.IsRepository(repository) || blobs.Resolve(repository, reference) is not { } digest) { await RefuseAsync(context, 404, "MANIFEST_UNKNOWN", $"{repository}:{reference} is not here"); return; }
        var bytes = await File.ReadAllBytesAsync(blobs.PathOf(digest), context.RequestAborted);
        context.Response.ContentType = JsonNode.Parse(bytes)?["mediaType"]?.ToString() ?? "application/vnd.oci.image.manifest.v1+json";
        context.Response.Headers["Docker-Content-Digest"] = digest;
        context.Response.ContentLength = bytes.Length;
        if (HttpMethods.IsGet(context.Request.Method)) await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }

    private static async Task PutManifestAsync(HttpContext context, BlobStore blobs, string repository, string reference)
    {
        if (!HttpMethods.IsPut(context.Request.Method)) { await RefuseAsync(context, 405, "UNSUPPORTED", "a manifest is read or put"); return; }
        if (!BlobStore.IsRepository(repository) || !(BlobStore.IsTag(reference) || BlobStore.IsDigest(reference))) { await RefuseAsync(context, 400, "NAME_INVALID", "the repository's name or the tag is not valid"); return; }
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        JsonNode? manifest;
        try
        {
            manifest = JsonNode.Parse(body.ToArray());
        }
        catch (System.Text.Json.JsonException exception)
        {
            await RefuseAsync(context, 400, "MANIFEST_INVALID", exception.Message);
            return;
        }
        var missing = (manifest?["layers"] as JsonArray ?? []).Append(manifest?["config"]).Concat(manifest?["manifests"] as JsonArray ?? [])
            .Select(item => item?["digest"]?.ToString()).FirstOrDefault(digest => digest is not null && (!BlobStore.IsDigest(digest) || !blobs.Has(digest)));
        if (missing is not null) { await RefuseAsync(context, 400, "MANIFEST_BLOB_UNKNOWN", $"{missing} was not uploaded"); return; }
        body.Position = 0;
        if (await blobs.AddAsync(body, BlobStore.IsDigest(reference) ? reference : null, context.RequestAborted) is not { } stored) { await RefuseAsync(context, 400, "DIGEST_INVALID", "the content has another digest"); return; }
        if (BlobStore.IsTag(reference)) blobs.SetTag(repository, reference, stored);
        context.Response.StatusCode = 201;
        context.Response.Headers["Docker-Content-Digest"] = stored;
        context.Response.Headers.Location = $"/v2/{repository}/manifests/{stored}";
    }

    private static async Task BlobAsync(HttpContext context, BlobStore blobs, string digest)
    {
        if (!BlobStore.IsDigest(digest) || !blobs.Has(digest)) { await RefuseAsync(context, 404, "BLOB_UNKNOWN", $"{digest} is not here"); return; }
        var file = new FileInfo(blobs.PathOf(digest));
        context.Response.ContentType = "application/octet-stream";
        context.Response.ContentLength = file.Length;
        context.Response.Headers["Docker-Content-Digest"] = digest;
        if (HttpMethods.IsGet(context.Request.Method)) await context.Response.SendFileAsync(file.FullName, context.RequestAborted);
    }

    internal static async Task RefuseAsync(HttpContext context, int code, string error, string message)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "application/json";
        if (!HttpMethods.IsHead(context.Request.Method))
            await context.Response.WriteAsync(new JsonObject { ["errors"] = new JsonArray(new JsonObject { ["code"] = error, ["message"] = message }) }.ToJsonString());
    }
}
