using System.Security.Cryptography;
using System.Text;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Dashboard;

namespace Eyrie.ControlPlane.Host;

/// <summary>
/// Bearer tokens and client certificates: the administrator's for everything, the nodes' for their session and for reading images, service accounts' and users' for the API, where
/// roles decide. Health is open; the dashboard has sessions of its own.
/// </summary>
public static class Authentication
{
    private static readonly string[] Api = ["/api", "/apis", "/openapi", "/openid", "/.well-known"];
    private static readonly string[] Open = ["/livez", "/readyz", "/healthz", "/version"];

    public static async Task CheckAsync(HttpContext context, Keys keys, Authenticator authenticator, RequestDelegate next)
    {
        var path = context.Request.Path;
        if (Open.Contains(path.Value) || DashboardSession.IsDashboard(path) || (Holds(context, keys.NodeToken) && IsForNodes(context)))
        {
            await next(context);
            return;
        }
        if (await WhoAsync(context, authenticator) is not { } caller)
        {
            if (path.StartsWithSegments("/v2")) context.Response.Headers.WWWAuthenticate = "Basic realm=\"eyrie\"";
            await Refusals.SendAsync(context, new StatusException(401, "Unauthorized", "Unauthorized: no valid bearer token and no client certificate of this cluster"));
            return;
        }
        // What is no part of the API knows no roles: it is the administrators' own.
        bool roles = Api.Any(part => path.StartsWithSegments(part)) && !(path.StartsWithSegments("/apis/eyrie.dev") && path.Value!.EndsWith("/capabilities", StringComparison.Ordinal));
        if (!roles && (!caller.IsMaster || Authorizer.Impersonates(context.Request)))
        {
            await Refusals.SendAsync(context, new StatusException(403, "Forbidden", $"forbidden: User \"{caller.Name}\" cannot {context.Request.Method.ToLowerInvariant()} path \"{path}\"{(caller.IsMaster ? " on behalf of somebody else" : "")}"));
            return;
        }
        Authorizer.Set(context, caller);
        await next(context);
    }

    private static bool IsForNodes(HttpContext context) =>
        context.Request.Path.StartsWithSegments("/eyrie.node.v1.NodeSessions") || context.Request.Path.StartsWithSegments("/eyrie.node.v1.PodTokens") || (context.Request.Path.StartsWithSegments("/v2") && (HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method)));

    private static async Task<Subject?> WhoAsync(HttpContext context, Authenticator authenticator)
    {
        if (Presented(context) is { Length: > 0 } token) return await authenticator.TokenAsync(token, [AccountTokens.Issuer], context.RequestAborted) is var (subject, _) ? subject : null;
        return context.Connection.ClientCertificate is { } certificate ? authenticator.Certificate(certificate) : null;
    }

    private static bool Holds(HttpContext context, string token) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(Presented(context)), Encoding.UTF8.GetBytes(token));

    /// <summary>The bearer token; for the registry also the password of basic authentication, with any name, as image tools send it.</summary>
    private static string Presented(HttpContext context)
    {
        if (BearerToken.Of(context.Request) is { Length: > 0 } token) return token;
        if (BearerToken.Header(context.Request) is not { Parameter: not null } header || !string.Equals(header.Scheme, "Basic", StringComparison.OrdinalIgnoreCase) || !context.Request.Path.StartsWithSegments("/v2")) return "";
        var decoded = new byte[header.Parameter.Length];
        if (!Convert.TryFromBase64String(header.Parameter, decoded, out int length)) return "";
        var pair = Encoding.UTF8.GetString(decoded, 0, length);
        return pair[(pair.IndexOf(':', StringComparison.Ordinal) + 1)..];
    }
}

/// <summary>The namespaces that every cluster has, and its StorageClass.</summary>
public static class Namespaces
{
    public static async Task EnsureAsync(Resources.IObjects objects, CancellationToken cancellationToken)
    {
        foreach (var name in new[] { "default", "kube-system", "kube-node-lease" })
        {
            if (await objects.GetAsync(Resources.Kinds.Namespace, new Resources.ObjectName("", name), cancellationToken) is not null) continue;
            var document = new System.Text.Json.Nodes.JsonObject { ["metadata"] = new System.Text.Json.Nodes.JsonObject { ["name"] = name } };
            Defaults.Apply(Resources.Kinds.Namespace, document);
            await objects.CreateAsync(Resources.Kinds.Namespace, document, cancellationToken);
        }
        var local = Controllers.Volumes.LocalVolume.StorageClass();
        if (await objects.GetAsync(Resources.Kinds.StorageClass, Resources.ObjectStamp.NameOf(local), cancellationToken) is null) await objects.CreateAsync(Resources.Kinds.StorageClass, local, cancellationToken);
    }
}
