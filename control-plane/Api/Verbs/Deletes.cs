using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>delete and deletecollection.</summary>
public sealed class Deletes(IObjects objects, Reads reads)
{
    public async Task DeleteAsync(Call call)
    {
        if (call.Kind == Kinds.Namespace && call.Request.Name is "default" or "kube-system" or "kube-node-lease") throw new StatusException(403, "Forbidden", $"namespaces \"{call.Request.Name}\" is forbidden: this namespace may not be deleted");
        var (options, dryRun) = Read(call, await call.OptionalBodyAsync());
        await call.SendAsync(Answer(call.Kind, dryRun ? await CheckedAsync(call, options) : await objects.DeleteAsync(call.Kind, call.Name, options, call.Ends)));
    }

    /// <summary>What would be deleted, and may be.</summary>
    private async Task<JsonObject> CheckedAsync(Call call, DeleteOptions options)
    {
        var found = await reads.FoundAsync(call);
        options.Check(call.Kind, call.Name, found);
        return found;
    }

    /// <summary>Pods and namespaces, and whatever waits for finalizers, are told as they are; what has gone is a Status.</summary>
    private static JsonObject Answer(ResourceKind kind, JsonObject last)
    {
        if (kind == Kinds.Pod || kind == Kinds.Namespace || ObjectStamp.HasFinalizers(last)) return last;
        var details = new JsonObject { ["name"] = last.Metadata().Text("name"), ["kind"] = kind.Plural, ["uid"] = last.Metadata().Text("uid") };
        if (kind.Group.Length > 0) details["group"] = kind.Group;
        return new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["metadata"] = new JsonObject(), ["status"] = "Success", ["details"] = details };
    }

    public async Task DeleteCollectionAsync(Call call)
    {
        var (options, dryRun) = Read(call, await call.OptionalBodyAsync());
        var (items, metadata) = await reads.SelectAsync(call);
        foreach (var item in dryRun ? [] : items)
        {
            try
            {
                await objects.DeleteAsync(call.Kind, ObjectStamp.NameOf(item), options with { Uid = item.Metadata().Text("uid") }, call.Ends);
            }
            catch (Exception exception) when (exception is ObjectNotFoundException or ObjectConflictException)
            {
                // Gone already, or made anew meanwhile: not one of those that were chosen.
            }
        }
        await call.SendAsync(call.Shape.ShowList(call.Kind, items, metadata));
    }

    /// <summary>What a deletion is asked for with, in the body and in the query.</summary>
    public static (DeleteOptions Options, bool DryRun) Read(Call call, JsonObject? body)
    {
        body ??= [];
        var query = call.Query;
        string? Text(string name) => query[name].ToString() is { Length: > 0 } queried ? queried : body.Text(name);
        long? grace = body["gracePeriodSeconds"] is JsonValue number ? number.TryGetValue(out long seconds) ? seconds : throw StatusException.BadRequest("gracePeriodSeconds must be a whole number") : null;
        var asked = query["gracePeriodSeconds"].ToString();
        if (asked.Length > 0) grace = long.TryParse(asked, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long queried) ? queried : throw StatusException.BadRequest($"gracePeriodSeconds must be a whole number, not \"{asked}\"");
        if (grace < 0) throw StatusException.Invalid("DeleteOptions.meta.k8s.io", "", [new FieldError("gracePeriodSeconds", "Invalid value: must be greater than or equal to 0")]);
        var propagation = Text("propagationPolicy");
        if (propagation is not (null or "Background" or "Foreground" or "Orphan"))
            throw StatusException.Invalid("DeleteOptions.meta.k8s.io", "", [new FieldError("propagationPolicy", $"Unsupported value: \"{propagation}\": supported values: \"Background\", \"Foreground\", \"Orphan\"", "FieldValueNotSupported")]);
        if (propagation is null && (query["orphanDependents"] == "true" || (body["orphanDependents"] is JsonValue orphan && orphan.TryGetValue(out bool orphans) && orphans))) propagation = "Orphan";
        bool dryRun = call.Options.DryRun || body["dryRun"] is JsonArray { Count: > 0 };
        var preconditions = body["preconditions"] as JsonObject;
        return (new DeleteOptions(grace, preconditions?.Text("uid"), preconditions?.Text("resourceVersion"), propagation), dryRun);
    }
}
