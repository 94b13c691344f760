using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>pods/binding: gives a pod its node, once.</summary>
public sealed class Bindings(IObjects objects, Reads reads)
{
    public async Task BindAsync(Call call)
    {
        var binding = await call.BodyAsync();
        var pod = await reads.FoundAsync(call);
        if (pod["spec"]?["nodeName"]?.ToString() is { Length: > 0 } node) throw new StatusException(409, "Conflict", $"Operation cannot be fulfilled on pods/binding \"{call.Name.Name}\": pod {call.Name.Name} is already assigned to node \"{node}\"");
        if (Fields.At(binding, "target.name") is not JsonValue name || !name.TryGetValue(out string? target) || target.Length == 0) throw StatusException.Invalid("Binding", call.Name.Name, [new FieldError("target.name", "Required value", "FieldValueRequired")]);
        Fields.Set(pod, "spec.nodeName", target);
        if (!call.Options.DryRun) await objects.UpdateAsync(Kinds.Pod, pod, call.Ends);
        call.Http.Response.StatusCode = 201;
        await call.SendAsync(new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["metadata"] = new JsonObject(), ["status"] = "Success", ["code"] = 201 });
    }
}
