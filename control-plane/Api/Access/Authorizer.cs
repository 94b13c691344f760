using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Microsoft.AspNetCore.Http;

namespace Eyrie.ControlPlane.Api.Access;

/// <summary>Who asks, and whether they may. Whoever holds the administrator's token may act as somebody else (<c>kubectl --as</c>), with that one's rights only.</summary>
public sealed class Authorizer(IObjects objects)
{
    private const string UserHeader = "Impersonate-User", GroupHeader = "Impersonate-Group", Authenticated = "system:authenticated";
    private static readonly IReadOnlyList<ResourceKind> OfOneself = [Kinds.SelfSubjectReview, Kinds.SelfSubjectAccessReview, Kinds.SelfSubjectRulesReview];

    /// <summary>Whether the request is made for somebody else than who holds the token.</summary>
    public static bool Impersonates(HttpRequest request) => request.Headers.ContainsKey(UserHeader) || request.Headers.ContainsKey(GroupHeader);

    /// <exception cref="StatusException">400: groups without a user.</exception>
    public static Subject Of(HttpRequest request)
    {
        if (!Impersonates(request)) return Subject.Administrator;
        if (request.Headers[UserHeader].ToString() is not { Length: > 0 } user) throw StatusException.BadRequest($"requested {GroupHeader} without {UserHeader}");
        return new Subject(user, [.. request.Headers[GroupHeader].Select(group => group ?? ""), Authenticated]);
    }

    /// <exception cref="StatusException">403: no rule allows it.</exception>
    public async Task CheckAsync(Call call)
    {
        var subject = Of(call.Http.Request);
        if (subject.Groups.Contains(Subject.Masters) || OfOneself.Contains(call.Kind)) return;
        var request = new AccessRequest(Verb(call), call.Kind.Group, call.Kind.Plural, call.Request.Subresource ?? "", call.Request.Name ?? "", call.Request.Namespace ?? "", "");
        if (AccessRules.Decide(subject, request, await ObjectsAsync(call.Ends)).Allowed) return;
        var resource = request.Subresource.Length > 0 ? $"{request.Resource}/{request.Subresource}" : request.Resource;
        var where = request.Namespace.Length > 0 ? $"in the namespace \"{request.Namespace}\"" : "at the cluster scope";
        throw new StatusException(403, "Forbidden", $"{call.Kind}{(request.Name.Length > 0 ? $" \"{request.Name}\"" : "")} is forbidden: User \"{subject.Name}\" cannot {request.Verb} resource \"{resource}\" in API group \"{request.Group}\" {where}")
            { Details = StatusException.About(call.Kind, call.Name) };
    }

    public async Task<AccessObjects> ObjectsAsync(CancellationToken cancellationToken)
    {
        async Task<IReadOnlyList<JsonObject>> Of(ResourceKind kind) => (await objects.ListAsync(kind, null, cancellationToken)).Items;
        return new AccessObjects(await Of(Kinds.Role), await Of(Kinds.ClusterRole), await Of(Kinds.RoleBinding), await Of(Kinds.ClusterRoleBinding));
    }

    private static string Verb(Call call) => (call.Http.Request.Method, call.Request.Name) switch
    {
        ("GET", null) => call.Query["watch"].ToString() is "true" or "1" ? "watch" : "list",
        ("GET", _) => "get", ("POST", _) => "create", ("PUT", _) => "update", ("PATCH", _) => "patch", ("DELETE", null) => "deletecollection", ("DELETE", _) => "delete",
        var (method, _) => method.ToLowerInvariant(),
    };
}
