using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using Eyrie.ControlPlane.Api;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Dashboard;

namespace Eyrie.ControlPlane.Host;

/// <summary>Bearer tokens: the administrator's for everything, the nodes' for their session and for reading images. Health is open; the dashboard has sessions of its own.</summary>
public static class Authentication
{
    private static readonly string[] Roles = ["/api", "/apis", "/openapi", "/version", "/livez", "/readyz", "/healthz"];

    public static async Task CheckAsync(HttpContext context, Keys keys, RequestDelegate next)
    {
        var path = context.Request.Path;
        if (path == "/livez" || path == "/readyz" || path == "/healthz" || path == "/version" || DashboardSession.IsDashboard(path) || Holds(context, keys.AdminToken)
            || (Holds(context, keys.NodeToken) && (path.StartsWithSegments("/eyrie.node.v1.NodeSessions") || (path.StartsWithSegments("/v2") && (HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method))))))
        {
            // What is no part of the API knows no roles: it is the token holder's own.
            if (Authorizer.Impersonates(context.Request) && (!Roles.Any(part => path.StartsWithSegments(part)) || path.StartsWithSegments("/apis/eyrie.dev")))
            {
                await ResourceEndpoint.RefuseAsync(context, new StatusException(403, "Forbidden", $"{path} can not be used on behalf of somebody else"));
                return;
            }
            await next(context);
            return;
        }
        context.Response.StatusCode = 401;
        if (path.StartsWithSegments("/v2")) context.Response.Headers.WWWAuthenticate = "Basic realm=\"eyrie\"";
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(new StatusException(401, "Unauthorized", "Unauthorized: the bearer token is missing or unknown").ToStatus().ToJsonString());
    }

    private static bool Holds(HttpContext context, string token) =>
        CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(Presented(context)), Encoding.UTF8.GetBytes(token));

    /// <summary>The bearer token; for the registry also the password of basic authentication, with any name, as image tools send it.</summary>
    private static string Presented(HttpContext context)
    {
        if (!AuthenticationHeaderValue.TryParse(context.Request.Headers.Authorization, out var header) || header.Parameter is null) return "";
        if (string.Equals(header.Scheme, "Bearer", StringComparison.OrdinalIgnoreCase)) return header.Parameter;
        if (!string.Equals(header.Scheme, "Basic", StringComparison.OrdinalIgnoreCase) || !context.Request.Path.StartsWithSegments("/v2")) return "";
        var decoded = new byte[header.Parameter.Length];
        if (!Convert.TryFromBase64String(header.Parameter, decoded, out int length)) return "";
        var pair = Encoding.UTF8.GetString(decoded, 0, length);
        return pair[(pair.IndexOf(':', StringComparison.Ordinal) + 1)..];
    }
}

/// <summary>The namespaces that every cluster has.</summary>
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
    }
}
