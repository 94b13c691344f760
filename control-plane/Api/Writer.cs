using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Api.Apply;
using Eyrie.ControlPlane.Api.Certificates;
using Eyrie.ControlPlane.Api.CustomResources;
using Eyrie.ControlPlane.Api.Schemas;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Api;

/// <summary>The way of a document into the store: known fields, defaults, checks, managers, write. Shared by every verb that writes.</summary>
public sealed class Writer(IObjects objects, IAdmission admission, ServiceAddresses addresses, Catalog catalog, Grants grants, TimeProvider clock)
{
    public async Task<JsonObject> CreateAsync(Call call, JsonObject document, Manager? applied = null)
    {
        var kind = call.Kind;
        if (kind.Custom?.Ending == true) throw new StatusException(405, "MethodNotAllowed", "create not allowed while custom resource definition is terminating");
        Prepare(call, document);
        if (kind.HasStatus && kind != Kinds.Node) document.Remove("status"); // a Node is made by whom it stands for, with what that knows of itself
        if (kind == Kinds.CertificateSigningRequest) SigningRequest.Stamp(document, Authorizer.Of(call.Http.Request));
        if (kind == Kinds.Namespace) NamespaceFinalizers.Begin(document);
        Complete(kind, document);
        await RefuseAsync(call, document, null);
        if (applied is null) Record(call, null, document, "");
        if (call.Options.DryRun)
        {
            var made = ObjectStamp.New(kind, await admission.AdmitAsync(kind, document, call.Ends), Guid.NewGuid(), clock.GetUtcNow(), "dryrn");
            return await objects.GetAsync(kind, ObjectStamp.NameOf(made), call.Ends) is null ? made : throw new ObjectExistsException(kind, ObjectStamp.NameOf(made));
        }
        return kind == Kinds.Service ? await addresses.CreateAsync(document, call.Ends) : await objects.CreateAsync(kind, document, call.Ends);
    }

    /// <summary>Replaces everything but status.</summary>
    /// <param name="call">The request.</param>
    /// <param name="document">What is wanted; changed by defaults.</param>
    /// <param name="stored">What it was made from.</param>
    /// <param name="applied">The manager, when server-side apply has recorded it already.</param>
    public async Task<JsonObject> UpdateAsync(Call call, JsonObject document, JsonObject stored, Manager? applied = null)
    {
        var kind = call.Kind;
        Prepare(call, document);
        if (kind == Kinds.Service && document["spec"] is JsonObject spec && stored["spec"] is JsonObject old)
            foreach (var name in new[] { "clusterIP", "clusterIPs" })
                if (spec[name] is null && old[name] is { } value) spec[name] = value.DeepClone();
        if (kind == Kinds.Service && document["spec"] is JsonObject wanted && stored["spec"] is JsonObject had) NodePorts.Keep(wanted, had);
        if (kind.Custom is not null && kind.HasStatus)
        {
            document.Remove("status");
            if (stored["status"] is { } status) document["status"] = status.DeepClone();
        }
        if (kind == Kinds.Namespace && call.Request.Subresource is null) NamespaceFinalizers.Keep(document, stored);
        Complete(kind, document);
        await RefuseAsync(call, document, stored);
        if (applied is null) Record(call, stored, document, call.Request.Subresource is "scale" ? "scale" : "");
        if (!call.Options.DryRun) return kind == Kinds.Service ? await addresses.UpdateAsync(document, call.Ends) : await objects.UpdateAsync(kind, document, call.Ends);
        return Preview(kind, ObjectStamp.Replace(kind, stored, document), document, stored);
    }

    /// <summary>Replaces status only.</summary>
    public async Task<JsonObject> UpdateStatusAsync(Call call, JsonObject document, JsonObject stored, Manager? applied = null)
    {
        Prepare(call, document);
        if (call.Kind.Custom is not null) Refuse(call.Kind, document, CheckCustom(call.Kind, ObjectStamp.ReplaceStatus(stored, document), stored));
        if (applied is null) Record(call, stored, document, "status");
        if (!call.Options.DryRun) return await objects.UpdateStatusAsync(call.Kind, document, call.Ends);
        return Preview(call.Kind, ObjectStamp.ReplaceStatus(stored, document), document, stored);
    }

    /// <summary>What a write would have made: at the revision there is.</summary>
    private static JsonObject Preview(ResourceKind kind, JsonObject made, JsonObject document, JsonObject stored)
    {
        ObjectConflictException.Check(kind, stored, document);
        made.Metadata()["resourceVersion"] = stored.Metadata().Text("resourceVersion");
        return made;
    }

    public string Now => ObjectStamp.Time(clock.GetUtcNow());

    private void Record(Call call, JsonObject? stored, JsonObject document, string subresource)
    {
        if (catalog.SchemaOf(call.Kind) is { } schema) Ownership.Record(call.Kind, schema, stored, document, new Manager(call.Options.Manager, ManagedFields.Update, subresource), Now);
    }

    /// <summary>Names from the path, types, and fields that nobody knows or that stand twice (as fieldValidation says).</summary>
    public void Prepare(Call call, JsonObject document)
    {
        var (kind, request) = (call.Kind, call.Request);
        if (document.Text("kind") is { Length: > 0 } given && given != kind.Kind) throw StatusException.BadRequest($"the kind in the data ({given}) does not match the expected kind ({kind.Kind})");
        if (document.Text("apiVersion") is { Length: > 0 } version && version != kind.ApiVersion) throw StatusException.BadRequest($"the API version in the data ({version}) does not match the expected API version ({kind.ApiVersion})");
        if (document["metadata"] is not (null or JsonObject)) throw StatusException.BadRequest("metadata must be an object");
        var metadata = document.Metadata();
        if (request.Name is { } name)
        {
            if (metadata.Text("name") is { Length: > 0 } other && other != name) throw StatusException.BadRequest($"the name of the object ({other}) does not match the name on the URL ({name})");
            metadata["name"] = name;
        }
        if (kind.Namespaced)
        {
            if (metadata.Text("namespace") is { Length: > 0 } space && request.Namespace is { } wanted && space != wanted)
                throw StatusException.BadRequest($"the namespace of the provided object does not match the namespace sent on the request: {space} is not {wanted}");
            metadata["namespace"] = request.ObjectName.Namespace;
        }
        document["kind"] = kind.Kind;
        document["apiVersion"] = kind.ApiVersion;
        var unknown = catalog.SchemaOf(kind) is { } schema ? kind.Custom is null ? Clean(call, schema, document) : CleanCustom(call, schema, document) : [];
        Warn(call, [.. call.Repeated, .. unknown.Select(field => $"unknown field \"{field}\"")]);
        if (kind == Kinds.Pod && call.View == KubectlView.Annotated && KeptPermissions.Restore(document) is { } mistake)
            throw StatusException.Invalid(kind.Kind, metadata.Text("name") ?? "", [new FieldError($"metadata.annotations[{KeptPermissions.Annotation}]", mistake)]);
        if (kind == Kinds.Deployment && document["spec"]?["template"] is JsonObject template && KeptPermissions.Restore(template) is { } wrong)
            throw StatusException.Invalid(kind.Kind, metadata.Text("name") ?? "", [new FieldError($"spec.template.metadata.annotations[{KeptPermissions.Annotation}]", wrong)]);
    }

    /// <returns>Fields that nobody knows; they are gone.</returns>
    private static IReadOnlyList<string> Clean(Call call, Schema schema, JsonObject document)
    {
        var kind = call.Kind;
        var check = SchemaCheck.Clean(schema, document);
        call.Texts = check.Texts;
        Refuse(kind, document, check.Malformed);
        if (check.Mistyped.Count > 0) throw StatusException.BadRequest($"{kind.Kind} in version \"{kind.Version}\" cannot be handled as a {kind.Kind}: {string.Join("; ", check.Mistyped)}");
        return check.Unknown;
    }

    /// <summary>The metadata of an object of a custom kind is as every object's; what else it holds is pruned here and checked with everything else.</summary>
    private static IReadOnlyList<string> CleanCustom(Call call, Schema schema, JsonObject document)
    {
        var metadata = document.Metadata();
        document.Remove("metadata");
        var unknown = Clean(call, Schema.Object(new Dictionary<string, Schema> { ["metadata"] = schema.Properties["metadata"] }), new JsonObject { ["metadata"] = metadata });
        metadata.Parent!.AsObject().Remove("metadata");
        document["metadata"] = metadata;
        return [.. unknown, .. Pruning.Prune(schema, document)];
    }

    private static void Warn(Call call, IReadOnlyList<string> mistakes)
    {
        var kind = call.Kind;
        if (mistakes.Count == 0 || call.Options.Validation == "Ignore") return;
        if (call.Options.Validation == "Strict")
            throw StatusException.BadRequest($"{kind.Kind} in version \"{kind.Version}\" cannot be handled as a {kind.Kind}: strict decoding error: {string.Join(", ", mistakes)}");
        call.Http.Response.Headers.Remove("Warning"); // a write that is tried again warns once
        foreach (var mistake in mistakes) Warn(call, mistake);
    }

    private static void Warn(Call call, string text) =>
        call.Http.Response.Headers.Append("Warning", $"299 - \"{string.Concat(text.Where(letter => letter is >= ' ' and < (char)127 and not '\\')).Replace("\"", "\\\"", StringComparison.Ordinal)}\"");

    /// <summary>Defaults of a standard kind, or of a custom one's schema.</summary>
    private void Complete(ResourceKind kind, JsonObject document)
    {
        if (kind.Custom is null) Defaults.Apply(kind, document);
        else if (catalog.SchemaOf(kind) is { } schema) Pruning.Default(schema, document);
    }

    /// <summary>The types and bounds of a schema; its rules about a document that they hold for.</summary>
    private IReadOnlyList<FieldError> CheckCustom(ResourceKind kind, JsonObject document, JsonObject? stored)
    {
        if (catalog.SchemaOf(kind) is not { } schema) return [];
        return ValueCheck.Check(schema, document, "") is { Count: > 0 } errors ? errors : RuleCheck.Check(schema, document, stored);
    }

    private async Task RefuseAsync(Call call, JsonObject document, JsonObject? stored)
    {
        var kind = call.Kind;
        var errors = Validation.Check(kind, document, stored, call.Request.Subresource);
        if (kind == Kinds.CustomResourceDefinition && errors.Count == 0 && DefinitionCheck.Unenforced(document).ToList() is { Count: > 0 } rules)
            Warn(call, $"rules are kept but not enforced here: {string.Join("; ", rules)}");
        if (kind.Custom is not null) errors = [.. errors, .. CheckCustom(kind, document, stored)];
        if (kind == Kinds.Pod)
            foreach (var warning in PodWarnings(document, stored)) Warn(call, warning);
        if (stored is null && errors.Count == 0)
            foreach (var warning in Unattended.Warnings(kind, document, kind == Kinds.Ingress && (await objects.EncodedPageAsync(Kinds.IngressClass, null, new PageQuery(null, 1, Revision.Zero), call.Ends)).Items.Count > 0)) Warn(call, warning);
        if (errors.Count == 0) errors = await PermissionAdmission.CheckAsync(objects, kind, document, call.Ends);
        Refuse(kind, document, [.. errors.Select(call.Placed)]);
        await grants.CheckAsync(call, document);
    }

    private static IEnumerable<string> PodWarnings(JsonObject document, JsonObject? stored)
    {
        if (stored is not null) return EphemeralContainers.Warnings(document, stored);
        return document["spec"]?["shareProcessNamespace"] is JsonValue shared && shared.TryGetValue(out bool share) && share ? ["spec.shareProcessNamespace has no effect: no container sees the processes of another"] : [];
    }

    private static void Refuse(ResourceKind kind, JsonObject document, IReadOnlyList<FieldError> errors)
    {
        if (errors.Count > 0) throw StatusException.Invalid(kind.Group.Length == 0 ? kind.Kind : $"{kind.Kind}.{kind.Group}", document.Metadata().Text("name") ?? document.Metadata().Text("generateName") ?? "", errors);
    }
}
