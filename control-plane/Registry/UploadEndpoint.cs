using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Eyrie.ControlPlane.Registry;

/// <summary>The verbs of one upload: POST begins (or is all of it, with a digest), PATCH appends, PUT ends, GET says how far it is.</summary>
internal static class UploadEndpoint
{
    public static async Task HandleAsync(HttpContext context, BlobStore blobs, Uploads uploads, string repository, string id)
    {
        if (!BlobStore.IsRepository(repository)) { await RegistryEndpoints.RefuseAsync(context, 400, "NAME_INVALID", "the repository's name is not valid"); return; }
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = null;
        var digest = context.Request.Query["digest"].ToString();
        if (digest.Length > 0 && !BlobStore.IsDigest(digest)) { await RegistryEndpoints.RefuseAsync(context, 400, "DIGEST_INVALID", "digest must be sha256:HEX"); return; }
        if (HttpMethods.IsPost(context.Request.Method))
        {
            if (digest.Length == 0) Under(context, repository, uploads.Begin(), 0, 202);
            else await StoredAsync(context, repository, digest, await blobs.AddAsync(context.Request.Body, digest, context.RequestAborted) is not null);
            return;
        }
        if (uploads.Length(id) is not { } length) { await RegistryEndpoints.RefuseAsync(context, 404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload; begin again"); return; }
        if (HttpMethods.IsGet(context.Request.Method)) { Under(context, repository, id, length, 204); return; }
        if (!HttpMethods.IsPatch(context.Request.Method) && !HttpMethods.IsPut(context.Request.Method)) { await RegistryEndpoints.RefuseAsync(context, 405, "UNSUPPORTED", "an upload takes GET, PATCH and PUT"); return; }
        if (context.Request.Headers.ContentRange.ToString().Split('-') is [var from, _] && long.TryParse(from, out long start) && start != length)
        {
            context.Response.Headers.Range = $"0-{length - 1}";
            await RegistryEndpoints.RefuseAsync(context, 416, "BLOB_UPLOAD_INVALID", $"the upload stands at {length}");
            return;
        }
        length = await uploads.AppendAsync(id, context.Request.Body, context.RequestAborted);
        if (HttpMethods.IsPatch(context.Request.Method)) Under(context, repository, id, length, 202);
        else if (digest.Length == 0) await RegistryEndpoints.RefuseAsync(context, 400, "DIGEST_INVALID", "digest is missing");
        else await StoredAsync(context, repository, digest, await uploads.EndAsync(id, digest, context.RequestAborted));
    }

    private static void Under(HttpContext context, string repository, string id, long length, int code)
    {
        context.Response.StatusCode = code;
        context.Response.Headers.Location = $"/v2/{repository}/blobs/uploads/{id}";
        context.Response.Headers["Docker-Upload-UUID"] = id;
        context.Response.Headers.Range = $"0-{Math.Max(0, length - 1)}";
    }

    private static async Task StoredAsync(HttpContext context, string repository, string digest, bool good)
    {
        if (!good) { await RegistryEndpoints.RefuseAsync(context, 400, "DIGEST_INVALID", "the content has another digest"); return; }
        context.Response.StatusCode = 201;
        context.Response.Headers.Location = $"/v2/{repository}/blobs/{digest}";
        context.Response.Headers["Docker-Content-Digest"] = digest;
    }
}
