using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>serviceaccounts/token: a signed token for an account, for a time and an audience, bound to a pod if asked (<c>kubectl create token</c>).</summary>
public sealed class Tokens(IObjects objects, Reads reads, AccountTokens tokens, TimeProvider clock)
{
    private const long Usual = 3600, Shortest = 600, Longest = 1L << 32;

    public async Task RequestAsync(Call call)
    {
        var request = await call.BodyAsync();
        var spec = request["spec"] as JsonObject ?? [];
        var account = await reads.FoundAsync(call);
        long seconds = spec["expirationSeconds"] switch
        {
            null => Usual, JsonValue value when value.TryGetValue(out long given) => given, _ => throw StatusException.BadRequest("spec.expirationSeconds must be a whole number"),
        };
        if (seconds < Shortest) throw Invalid(call, "spec.expirationSeconds", $"Invalid value: {seconds}: may not specify a duration less than 10 minutes");
        if (seconds > Longest) throw Invalid(call, "spec.expirationSeconds", $"Invalid value: {seconds}: may not specify a duration larger than 2^32 seconds");
        var audiences = (spec["audiences"] as JsonArray ?? []).Select(audience => audience?.ToString() ?? "").ToList();
        if (audiences.Count == 0) audiences.Add(AccountTokens.Issuer);
        var bound = spec["boundObjectRef"] is JsonObject reference ? await BoundAsync(call, reference) : null;
        var now = clock.GetUtcNow();
        var token = new AccountToken(call.Name.Namespace, new BoundObject(call.Name.Name, account.Metadata().Text("uid")!), bound, audiences);
        var until = now.AddSeconds(seconds);
        spec["audiences"] = new JsonArray([.. audiences.Select(audience => (JsonNode)audience)]);
        spec["expirationSeconds"] = seconds;
        await call.AnswerAsync(new JsonObject
        {
            ["kind"] = "TokenRequest", ["apiVersion"] = "authentication.k8s.io/v1",
            ["metadata"] = new JsonObject { ["name"] = call.Name.Name, ["namespace"] = call.Name.Namespace, ["creationTimestamp"] = ObjectStamp.Time(now) },
            ["spec"] = spec.DeepClone(),
            ["status"] = new JsonObject { ["token"] = tokens.Make(token, now, until), ["expirationTimestamp"] = ObjectStamp.Time(until) },
        }, 201);
    }

    /// <summary>The pod that the token ends with. It must run as this account.</summary>
    private async Task<BoundObject> BoundAsync(Call call, JsonObject reference)
    {
        if (reference.Text("kind") != "Pod" || reference.Text("apiVersion") is not (null or "" or "v1"))
            throw Invalid(call, "spec.boundObjectRef", string.Create(CultureInfo.InvariantCulture, $"Invalid value: cannot bind token to object of type {reference.Text("apiVersion")} {reference.Text("kind")}: only pods bind tokens here"));
        var name = new ObjectName(call.Name.Namespace, reference.Text("name") ?? "");
        var pod = await objects.GetAsync(Kinds.Pod, name, call.Ends) ?? throw new ObjectNotFoundException(Kinds.Pod, name);
        if ((Fields.At(pod, "spec.serviceAccountName")?.ToString() ?? "default") != call.Name.Name)
            throw StatusException.BadRequest($"cannot bind token for serviceaccount \"{call.Name.Name}\" to pod running with different serviceaccount name.");
        var uid = pod.Metadata().Text("uid")!;
        if (reference.Text("uid") is { Length: > 0 } wanted && wanted != uid) throw new ObjectConflictException(Kinds.Pod, name, $"the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted and then recreated");
        return new BoundObject(name.Name, uid);
    }

    private static StatusException Invalid(Call call, string field, string reason) => StatusException.Invalid("TokenRequest.authentication.k8s.io", call.Name.Name, [new FieldError(field, reason)]);
}
