using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Microsoft.AspNetCore.Http;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>Whether whoever asks may. Whoever may impersonate acts as somebody else (<c>kubectl --as</c>), with that one's rights only.</summary>
public sealed class Authorizer(ReadRules rules)
{
    private const string UserHeader = "Impersonate-User", GroupHeader = "Impersonate-Group";
    private static readonly object Key = new();
    private static readonly IReadOnlyList<ResourceKind> OfOneself = [Kinds.SelfSubjectReview, Kinds.SelfSubjectReviewBeta, Kinds.SelfSubjectAccessReview, Kinds.SelfSubjectRulesReview];

    /// <summary>Says who a request comes from, once it is known.</summary>
    public static void Set(HttpContext context, Subject caller) => context.Items[Key] = caller;

    /// <summary>Whoever's token or certificate the request carries.</summary>
    /// <exception cref="StatusException">401: nobody's.</exception>
    public static Subject Caller(HttpRequest request) => request.HttpContext.Items[Key] as Subject ?? throw new StatusException(401, "Unauthorized", "Unauthorized");

    /// <summary>Whether the request is made for somebody else than its caller.</summary>
    public static bool Impersonates(HttpRequest request) => request.Headers.ContainsKey(UserHeader) || request.Headers.ContainsKey(GroupHeader);

    /// <summary>Whose rights the request has.</summary>
    /// <exception cref="StatusException">400: groups without a user.</exception>
    public static Subject Of(HttpRequest request)
    {
        if (!Impersonates(request)) return Caller(request);
        if (request.Headers[UserHeader].ToString() is not { Length: > 0 } user) throw StatusException.BadRequest($"requested {GroupHeader} without {UserHeader}");
        var groups = request.Headers[GroupHeader].Select(group => group ?? "").ToList();
        var own = groups.Count == 0 && AccountOf(user) is var (space, _) ? Subject.AccountGroups(space) : [Subject.Authenticated];
        return new Subject(user, [.. groups, .. own]);
    }

    private static (string Namespace, string Name)? AccountOf(string user) =>
        user.StartsWith(Subject.AccountPrefix, StringComparison.Ordinal) && user[Subject.AccountPrefix.Length..].Split(':') is [var space, var name] ? (space, name) : null;

    /// <exception cref="StatusException">403: no rule allows it.</exception>
    public async Task CheckAsync(Call call)
    {
        await MayImpersonateAsync(call.Http.Request, call.Ends);
        var subject = Of(call.Http.Request);
        if (subject.IsMaster || OfOneself.Contains(call.Kind)) return;
        var request = new AccessRequest(Verb(call), call.Kind.Group, call.Kind.Plural, call.Request.Subresource ?? "", call.Request.Name ?? "", call.Request.Namespace ?? "", "");
        if (await AllowsAsync(subject, request, call.Ends)) return;
        var resource = request.Subresource.Length > 0 ? $"{request.Resource}/{request.Subresource}" : request.Resource;
        var where = request.Namespace.Length > 0 ? $"in the namespace \"{request.Namespace}\"" : "at the cluster scope";
        throw Refused(call, $"User \"{subject.Name}\" cannot {request.Verb} resource \"{resource}\" in API group \"{request.Group}\" {where}");
    }

    /// <summary>403 about the object of a request.</summary>
    public static StatusException Refused(Call call, string reason) =>
        new(403, "Forbidden", $"{call.Kind}{(call.Request.Name is { Length: > 0 } name ? $" \"{name}\"" : "")} is forbidden: {reason}") { Details = StatusException.About(call.Kind, call.Name) };

    public async Task<bool> AllowsAsync(Subject subject, AccessRequest request, CancellationToken cancellationToken) =>
        subject.IsMaster || AccessRules.Decide(subject, request, await ObjectsAsync(cancellationToken)).Allowed;

    /// <summary>Acting as a user, a service account or a member of a group is a right of its own: the verb impersonate.</summary>
    private async Task MayImpersonateAsync(HttpRequest request, CancellationToken cancellationToken)
    {
        var caller = Caller(request);
        if (caller.IsMaster || !Impersonates(request)) return;
        var user = request.Headers[UserHeader].ToString();
        var (resource, name, space) = AccountOf(user) is var (home, account) ? ("serviceaccounts", account, home) : ("users", user, "");
        var wanted = request.Headers[GroupHeader].Select(group => (Resource: "groups", Name: group ?? "", Namespace: "")).Prepend((Resource: resource, Name: name, Namespace: space));
        foreach (var one in wanted)
            if (!await AllowsAsync(caller, new AccessRequest("impersonate", "", one.Resource, "", one.Name, one.Namespace, ""), cancellationToken))
                throw new StatusException(403, "Forbidden", $"{one.Resource} \"{one.Name}\" is forbidden: User \"{caller.Name}\" cannot impersonate resource \"{one.Resource}\" in API group \"\" {(one.Namespace.Length > 0 ? $"in the namespace \"{one.Namespace}\"" : "at the cluster scope")}");
    }

    public Task<AccessObjects> ObjectsAsync(CancellationToken cancellationToken) => rules.ObjectsAsync(cancellationToken);

    private static string Verb(Call call) => (call.Http.Request.Method, call.Request.Name) switch
    {
        ("GET", null) => call.Query["watch"].ToString() is "true" or "1" ? "watch" : "list",
        ("GET" or "HEAD", _) => "get", ("POST", _) => "create", ("PUT", _) => "update", ("PATCH", _) => "patch", ("DELETE", null) => "deletecollection", ("DELETE", _) => "delete",
        var (method, _) => method.ToLowerInvariant(),
    };
}
