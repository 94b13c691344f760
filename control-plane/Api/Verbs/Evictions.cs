using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Disruptions;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>pods/eviction: a deletion that disruption budgets may refuse (429), as <see cref="EvictionRule"/> decides.</summary>
public sealed class Evictions(IObjects objects, Reads reads, TimeProvider clock)
{
    /// <summary>After how long a refused client may ask again.</summary>
    private const int RetryAfterSeconds = 10;

    public async Task EvictAsync(Call call)
    {
        var body = await call.BodyAsync();
        var (options, dryRun) = Deletes.Read(call, body["deleteOptions"] as JsonObject);
        if (body.Metadata().Text("name") is { Length: > 0 } name && name != call.Name.Name) throw StatusException.BadRequest("name in URL does not match name in Eviction object");
        var pod = await reads.FoundAsync(call);
        options.Check(Kinds.Pod, call.Name, pod);
        await AllowedAsync(call, pod, dryRun);
        // The condition that is written first gives the pod another revision than the one that was asked for.
        if (!dryRun) await PodRemoval.RemoveAsync(objects, pod, DisruptionTarget.ByEviction, "Eviction API: evicting", options with { ResourceVersion = null }, clock.GetUtcNow());
        call.Http.Response.StatusCode = 201;
        await call.SendAsync(new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["metadata"] = new JsonObject(), ["status"] = "Success", ["code"] = 201 });
    }

    private async Task AllowedAsync(Call call, JsonObject pod, bool dryRun)
    {
        while (true)
        {
            var budgets = (await objects.ListAsync(Kinds.PodDisruptionBudget, call.Name.Namespace, call.Ends)).Items;
            switch (EvictionRule.Decide(pod, budgets, clock.GetUtcNow()))
            {
                case RefuseEviction refused: throw Refused(refused);
                case EvictAndSpend spend when !dryRun:
                    try
                    {
                        await objects.UpdateStatusAsync(Kinds.PodDisruptionBudget, spend.Budget, call.Ends);
                        return;
                    }
                    catch (ObjectConflictException)
                    {
                        continue; // its controller or another eviction wrote first: the budgets are looked at anew
                    }
                default: return;
            }
        }
    }

    private static StatusException Refused(RefuseEviction refused)
    {
        var details = new JsonObject();
        if (refused.Cause is { } cause) details["causes"] = new JsonArray(new JsonObject { ["reason"] = "DisruptionBudget", ["message"] = cause });
        if (refused.Code == 429) details["retryAfterSeconds"] = RetryAfterSeconds;
        return new StatusException(refused.Code, refused.Code switch { 429 => "TooManyRequests", 403 => "Forbidden", _ => "InternalError" }, refused.Message) { Details = details };
    }
}
