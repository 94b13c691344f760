using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Api.Apply;
using Eyrie.ControlPlane.Api.Certificates;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>create, update and patch, of objects and of their status.</summary>
public sealed class Writes(IObjects objects, Reads reads, Writer writer, Catalog catalog, Authorizer access)
{
    private const int Tries = 5;
    private const string ApplyYaml = "application/apply-patch+yaml";

    public async Task CreateAsync(Call call) => await call.AnswerAsync(await writer.CreateAsync(call, await call.BodyAsync()), 201);

    public async Task UpdateAsync(Call call)
    {
        var document = await call.BodyAsync();
        await call.AnswerAsync(await WriteAsync(call, document, await reads.FoundAsync(call)));
    }

    private Task<JsonObject> WriteAsync(Call call, JsonObject document, JsonObject stored) => call.Request.Subresource switch
    {
        "status" => writer.UpdateStatusAsync(call, document, stored),
        "approval" => ApproveAsync(call, document, stored),
        "ephemeralcontainers" => writer.UpdateAsync(call, EphemeralContainers.Added(document, stored), stored),
        "finalize" => FinalizeAsync(call, document, stored),
        _ => writer.UpdateAsync(call, document, stored),
    };

    /// <summary>To approve or deny is a right of its own over each signer: the verb approve.</summary>
    private async Task<JsonObject> ApproveAsync(Call call, JsonObject document, JsonObject stored)
    {
        var signer = Fields.At(stored, "spec.signerName")?.ToString() ?? "";
        var subject = Authorizer.Of(call.Http.Request);
        async Task<bool> MayAsync(string name) => await access.AllowsAsync(subject, new AccessRequest("approve", call.Kind.Group, "signers", "", name, "", ""), call.Ends);
        if (!await MayAsync(signer) && !await MayAsync(signer.Split('/')[0] + "/*")) throw Authorizer.Refused(call, $"user not permitted to approve requests with signerName \"{signer}\"");
        var made = Approval(document, stored);
        var wrong = SigningRequest.Check(made, null).Where(error => error.Field.StartsWith("status", StringComparison.Ordinal)).ToList();
        if (wrong.Count > 0) throw StatusException.Invalid("CertificateSigningRequest.certificates.k8s.io", call.Name.Name, wrong);
        return await writer.UpdateStatusAsync(call, made, stored);
    }

    /// <summary>Of a request to sign a certificate only the conditions are approved.</summary>
    private static JsonObject Approval(JsonObject document, JsonObject stored)
    {
        var made = Versioned(stored, document);
        Fields.Set(made, "status.conditions", Fields.At(document, "status.conditions")?.DeepClone());
        return made;
    }

    /// <summary>What is stored, at the revision that a client saw.</summary>
    private static JsonObject Versioned(JsonObject stored, JsonObject document)
    {
        var made = (JsonObject)stored.DeepClone();
        made.Metadata()["resourceVersion"] = document.Metadata().Text("resourceVersion");
        return made;
    }

    /// <summary>A namespace whose last finalizer goes is removed.</summary>
    private async Task<JsonObject> FinalizeAsync(Call call, JsonObject document, JsonObject stored)
    {
        var made = Versioned(stored, document);
        Fields.Set(made, "spec.finalizers", Fields.At(document, "spec.finalizers")?.DeepClone());
        var written = await writer.UpdateAsync(call, made, stored);
        if (written.Metadata()["deletionTimestamp"] is not null && Fields.At(written, "spec.finalizers") is not JsonArray { Count: > 0 } && !ObjectStamp.HasFinalizers(written))
            await objects.DeleteAsync(call.Kind, call.Name, new DeleteOptions(Uid: written.Metadata().Text("uid")), call.Ends);
        return written;
    }

    /// <summary>Applies the patch to what is stored and writes it at that revision; when another writer came between, anew.</summary>
    public async Task PatchAsync(Call call)
    {
        var patch = await call.BytesAsync();
        if (call.ContentType == ApplyYaml) { await ApplyAsync(call, call.Yaml(Encoding.UTF8.GetString(patch))); return; }
        if (call.Options.Force && call.Query["force"].Count > 0) throw StatusException.Invalid("PatchOptions.meta.k8s.io", "", [new FieldError("force", "Forbidden: may not be specified for non-apply patch", "FieldValueForbidden")]);
        for (int attempt = 1; ; attempt++)
        {
            var stored = await reads.FoundAsync(call);
            var patched = Patched(call, (JsonObject)stored.DeepClone(), patch, catalog.SchemaOf(call.Kind));
            bool asked = patched.Metadata().Text("resourceVersion") != stored.Metadata().Text("resourceVersion");
            try
            {
                await call.AnswerAsync(await WriteAsync(call, patched, stored));
                return;
            }
            catch (ObjectConflictException) when (!asked && attempt < Tries)
            {
                // Another writer came between; the patch is wanted on top of what it wrote.
            }
        }
    }

    /// <summary>A patch of the request's content type, applied.</summary>
    public static JsonObject Patched(Call call, JsonObject target, byte[] patch, Schemas.Schema? schema)
    {
        var type = call.ContentType;
        if (type is not ("application/strategic-merge-patch+json" or "application/merge-patch+json" or "application/json-patch+json"))
            throw new StatusException(415, "UnsupportedMediaType", $"the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, {ApplyYaml}; this one is {type}");
        if (type == "application/strategic-merge-patch+json" && schema is { Name: null })
            throw new StatusException(415, "UnsupportedMediaType", "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, " + ApplyYaml);
        return (type, call.Read(patch)) switch
        {
            ("application/strategic-merge-patch+json", JsonObject merge) => Patches.Strategic(target, Edited(call, merge, schema), schema),
            ("application/merge-patch+json", JsonObject merge) => Patches.Merge(target, merge),
            ("application/json-patch+json", JsonArray operations) => Patches.JsonPatch(target, operations),
            _ => throw StatusException.BadRequest($"the patch has the wrong form for {type}"),
        };
    }

    /// <summary>Who edits a text, and makes an object of it, has written all of the object.</summary>
    private static JsonObject Edited(Call call, JsonObject patch, Schemas.Schema? schema)
    {
        if (call.View == KubectlView.Text && schema is not null) Schemas.OwnFields.Replacing(schema, patch);
        return patch;
    }

    private async Task ApplyAsync(Call call, JsonObject applied)
    {
        if (call.Query["fieldManager"].ToString().Length == 0) throw StatusException.Invalid("PatchOptions.meta.k8s.io", "", [new FieldError("fieldManager", "Required value: is required for apply patch", "FieldValueRequired")]);
        var schema = catalog.SchemaOf(call.Kind) ?? Schemas.Schema.Anything;
        if (applied.Metadata()["managedFields"] is JsonArray { Count: > 0 }) throw StatusException.BadRequest("metadata.managedFields must be nil");
        writer.Prepare(call, applied);
        var subresource = call.Request.Subresource ?? "";
        var manager = new Manager(call.Options.Manager, ManagedFields.Apply, subresource);
        for (int attempt = 1; ; attempt++)
        {
            var stored = await objects.GetAsync(call.Kind, call.Name, call.Ends);
            if (stored is null && subresource.Length > 0) throw new ObjectNotFoundException(call.Kind, call.Name);
            if (applied.Metadata().Text("resourceVersion") is { Length: > 0 } version && version != stored?.Metadata().Text("resourceVersion")) throw ObjectConflictException.Modified(call.Kind, call.Name);
            var merged = Ownership.Apply(call.Kind, schema, stored, applied, manager, call.Options.Force, writer.Now);
            try
            {
                if (stored is null) await call.AnswerAsync(await writer.CreateAsync(call, merged, manager), 201);
                else await call.AnswerAsync(subresource == "status" ? await writer.UpdateStatusAsync(call, merged, stored, manager) : await writer.UpdateAsync(call, merged, stored, manager));
                return;
            }
            catch (Exception exception) when (exception is ObjectConflictException or ObjectExistsException && attempt < Tries)
            {
                // Another writer came between; what is applied is wanted on top of what it wrote.
            }
        }
    }
}
