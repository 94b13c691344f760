using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Verbs;

/// <summary>Questions about access, asked by creating an object that is answered and not kept: <c>kubectl auth can-i</c> and <c>whoami</c>.</summary>
public sealed class Reviews(Authorizer access, Authenticator authenticator)
{
    public async Task AnswerAsync(Call call)
    {
        var review = await call.BodyAsync();
        (review["kind"], review["apiVersion"]) = (call.Kind.Kind, call.Kind.ApiVersion);
        var caller = Authorizer.Of(call.Http.Request);
        var spec = review["spec"] as JsonObject ?? [];
        review["status"] = call.Kind.Kind switch
        {
            "SelfSubjectReview" => new JsonObject { ["userInfo"] = Info(caller) },
            "TokenReview" => await TokenAsync(call, spec),
            "SelfSubjectAccessReview" => await DecidedAsync(call, spec, caller),
            "SubjectAccessReview" => await DecidedAsync(call, spec, Named(call, spec)),
            "LocalSubjectAccessReview" => await DecidedAsync(call, Local(call, spec), Named(call, spec)),
            "SelfSubjectRulesReview" => await RulesAsync(call, spec, caller),
            _ => throw StatusException.NotServed(),
        };
        review.Metadata();
        await call.AnswerAsync(review, 201);
    }

    private async Task<JsonObject> TokenAsync(Call call, JsonObject spec)
    {
        if (spec.Text("token") is not { Length: > 0 } token) throw StatusException.Invalid("TokenReview.authentication.k8s.io", "", [new FieldError("spec.token", "Required value", "FieldValueRequired")]);
        var audiences = (spec["audiences"] as JsonArray ?? []).Select(audience => audience?.ToString() ?? "").ToList();
        if (audiences.Count == 0) audiences.Add(AccountTokens.Issuer);
        if (await authenticator.TokenAsync(token, audiences, call.Ends) is not var (subject, shared)) return new JsonObject { ["user"] = new JsonObject(), ["error"] = "the token is not valid here: it is not of this cluster, is over, is for another audience, or its account or pod is gone" };
        return new JsonObject { ["authenticated"] = true, ["user"] = Info(subject), ["audiences"] = List(shared) };
    }

    private static JsonObject Info(Subject subject)
    {
        var info = new JsonObject { ["username"] = subject.Name };
        if (subject.Uid.Length > 0) info["uid"] = subject.Uid;
        info["groups"] = List(subject.Groups);
        if (subject.Extra.Count > 0) info["extra"] = new JsonObject(subject.Extra.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)new JsonArray(pair.Value))));
        return info;
    }

    private static Subject Named(Call call, JsonObject spec)
    {
        var groups = (spec["groups"] as JsonArray ?? []).Select(group => group?.ToString() ?? "").ToList();
        if (string.IsNullOrEmpty(spec.Text("user")) && groups.Count == 0) throw StatusException.Invalid(call.Kind.Kind, "", [new FieldError("spec.user", "Invalid value: \"\": at least one of user or group must be specified")]);
        return new Subject(spec.Text("user") ?? "", groups);
    }

    /// <summary>A question about the namespace that it is asked in, and about nothing else.</summary>
    private static JsonObject Local(Call call, JsonObject spec)
    {
        var errors = new List<FieldError>();
        var space = Fields.At(spec, "resourceAttributes.namespace")?.ToString() ?? "";
        if (spec["resourceAttributes"] is JsonObject && space != call.Name.Namespace) errors.Add(new FieldError("spec.resourceAttributes.namespace", $"Invalid value: \"{space}\": must match metadata.namespace"));
        if (spec["nonResourceAttributes"] is not null) errors.Add(new FieldError("spec.nonResourceAttributes", "Invalid value: disallowed on this kind of request"));
        return errors.Count == 0 ? spec : throw StatusException.Invalid("LocalSubjectAccessReview.authorization.k8s.io", "", errors);
    }

    private async Task<JsonObject> DecidedAsync(Call call, JsonObject spec, Subject subject)
    {
        var (resource, path) = (spec["resourceAttributes"] as JsonObject, spec["nonResourceAttributes"] as JsonObject);
        if (resource is null == path is null)
            throw StatusException.Invalid(call.Kind.Kind, "", [new FieldError("spec.resourceAttributes", "Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified")]);
        var of = resource ?? path!;
        string Word(string name) => of.Text(name) ?? "";
        var decision = AccessRules.Decide(subject, new AccessRequest(Word("verb"), Word("group"), Word("resource"), Word("subresource"), Word("name"), call.Request.Namespace ?? Word("namespace"), Word("path")), await access.ObjectsAsync(call.Ends));
        var status = new JsonObject { ["allowed"] = decision.Allowed };
        if (decision.Reason.Length > 0) status["reason"] = decision.Reason;
        return status;
    }

    private async Task<JsonObject> RulesAsync(Call call, JsonObject spec, Subject subject)
    {
        bool all = subject.Groups.Contains(Subject.Masters);
        var rules = all ? [] : AccessRules.RulesOf(subject, spec.Text("namespace") ?? "", await access.ObjectsAsync(call.Ends)).ToList();
        JsonArray Star() => new("*");
        return new JsonObject
        {
            ["resourceRules"] = all ? new JsonArray(new JsonObject { ["verbs"] = Star(), ["apiGroups"] = Star(), ["resources"] = Star() }) : new JsonArray([.. rules.Where(rule => rule["resources"] is not null).Select(rule => rule.DeepClone())]),
            ["nonResourceRules"] = all ? new JsonArray(new JsonObject { ["verbs"] = Star(), ["nonResourceURLs"] = Star() }) : new JsonArray([.. rules.Where(rule => rule["nonResourceURLs"] is not null).Select(rule => rule.DeepClone())]),
            ["incomplete"] = false,
        };
    }

    private static JsonArray List(IEnumerable<string> words) => new([.. words.Select(word => (JsonNode)word)]);
}
