using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>The <c>scale</c> subresource: replicas of any kind that has them, as autoscaling/v1 Scale.</summary>
public sealed class Scales(Reads reads, Writer writer)
{
    public async Task GetAsync(Call call) => await call.SendAsync(Show(call.Kind.Scale!, await reads.FoundAsync(call)));

    /// <summary>PUT and PATCH: the change is made to the Scale, and its replicas are written to the object.</summary>
    public async Task SetAsync(Call call)
    {
        var paths = call.Kind.Scale!;
        var body = call.Http.Request.Method == "PUT" ? await call.BodyAsync() : null;
        var patch = body is null ? await call.BytesAsync() : [];
        while (true)
        {
            var stored = await reads.FoundAsync(call);
            var wanted = body ?? Writes.Patched(call, Show(paths, stored), patch, null);
            if (Fields.At(wanted, "metadata.resourceVersion")?.ToString() is { Length: > 0 } version && version != stored.Metadata().Text("resourceVersion")) throw ObjectConflictException.Modified(call.Kind, call.Name);
            int replicas = 0; // clients leave a zero out
            if (Fields.At(wanted, "spec.replicas") is { } number && (number is not JsonValue value || !value.TryGetValue(out replicas) || replicas < 0))
                throw StatusException.Invalid("Scale.autoscaling", call.Name.Name, [new FieldError("spec.replicas", "Invalid value: must be a whole number greater than or equal to 0")]);
            var changed = (JsonObject)stored.DeepClone();
            Fields.Set(changed, paths.Replicas, replicas);
            try
            {
                await call.SendAsync(Show(paths, await writer.UpdateAsync(call, changed, stored)));
                return;
            }
            catch (ObjectConflictException)
            {
                // Another writer came between; the scale is wanted on top of what it wrote.
            }
        }
    }

    private static JsonObject Show(ScalePaths paths, JsonObject document) => new()
    {
        ["kind"] = "Scale", ["apiVersion"] = "autoscaling/v1",
        ["metadata"] = Kept(document.Metadata(), "name", "namespace", "uid", "resourceVersion", "creationTimestamp"),
        ["spec"] = new JsonObject { ["replicas"] = Fields.At(document, paths.Replicas)?.DeepClone() ?? 0 },
        ["status"] = new JsonObject { ["replicas"] = Fields.At(document, paths.StatusReplicas)?.DeepClone() ?? 0, ["selector"] = Selectors.Print(Fields.At(document, paths.Selector)) },
    };

    private static JsonObject Kept(JsonObject source, params IEnumerable<string> names) => new(names.Where(source.ContainsKey).Select(name => KeyValuePair.Create(name, source[name]?.DeepClone())));
}
