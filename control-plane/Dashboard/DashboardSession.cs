using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Eyrie.ControlPlane.Dashboard;

/// <summary>
/// A browser's way in: the sign-in address carries a token in its fragment, which no server log and no Referer sees; the page posts it and gets a cookie that says until
/// when it holds, signed. The cookie opens the dashboard and nothing else.
/// </summary>
public sealed class DashboardSession(string secret, TimeProvider clock)
{
    private const string Cookie = "eyrie-dashboard";
    private static readonly TimeSpan Life = TimeSpan.FromHours(12);

    /// <summary>What the sign-in address carries. Derived from the secret, so that it can be printed again.</summary>
    public string Token { get; } = Sign(secret, "token");

    private static string Sign(string secret, string text) => Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes("eyrie-dashboard " + text)));

    private static bool Same(string given, string expected) => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), Encoding.UTF8.GetBytes(expected));

    public static bool IsDashboard(PathString path) =>
        path.StartsWithSegments("/dashboard") || path.StartsWithSegments("/_blazor") || path.StartsWithSegments("/_framework") || path.StartsWithSegments("/_content");

    public static bool IsSignIn(PathString path) => path == "/dashboard/sign-in";

    public bool Admits(HttpContext context)
    {
        var parts = (context.Request.Cookies[Cookie] ?? "").Split('.');
        return parts.Length == 2 && Same(parts[1], Sign(secret, parts[0])) && long.TryParse(parts[0], CultureInfo.InvariantCulture, out long until) && clock.GetUtcNow().ToUnixTimeSeconds() < until;
    }

    /// <summary>POST /dashboard/sign-in with form field <c>token</c>: a cookie and the way to the page, or 403.</summary>
    public async Task SignInAsync(HttpContext context)
    {
        if (!HttpMethods.IsPost(context.Request.Method)) { await WriteAsync(context, 200, SignInPage.Ask); return; }
        var given = context.Request.HasFormContentType ? (await context.Request.ReadFormAsync())["token"].ToString() : "";
        if (!Same(given, Token)) { await WriteAsync(context, 403, SignInPage.Refused); return; }
        var until = clock.GetUtcNow() + Life;
        var stamp = until.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        context.Response.Cookies.Append(Cookie, $"{stamp}.{Sign(secret, stamp)}", new CookieOptions { HttpOnly = true, Secure = true, SameSite = SameSiteMode.Strict, Expires = until, Path = "/" });
        context.Response.Redirect("/dashboard");
    }

    private static Task WriteAsync(HttpContext context, int code, string page)
    {
        context.Response.StatusCode = code;
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsync(page);
    }
}
