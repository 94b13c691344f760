using Eyrie.ControlPlane.Dashboard.Components;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using MudBlazor.Services;

namespace Eyrie.ControlPlane.Dashboard;

public static class DashboardComposition
{
    /// <param name="secret">What sessions are signed with; whoever knows it can sign in.</param>
    /// <param name="keyDirectory">Where the keys stand that protect what pages send back; made when missing.</param>
    public static IServiceCollection AddEyrieDashboard(this IServiceCollection services, string secret, string keyDirectory)
    {
        services.AddSingleton(provider => new DashboardSession(secret, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<RecentEvents>().AddHostedService(provider => provider.GetRequiredService<RecentEvents>());
        services.AddDataProtection().SetApplicationName("eyrie").PersistKeysToFileSystem(Directory.CreateDirectory(keyDirectory));
        services.AddRazorComponents().AddInteractiveServerComponents();
        return services.AddMudServices();
    }

    /// <summary>Without a session every address of the dashboard leads to the sign-in page. Stands before routing.</summary>
    public static void UseEyrieDashboardSession(this IApplicationBuilder app) => app.Use(async (context, next) =>
    {
        var session = context.RequestServices.GetRequiredService<DashboardSession>();
        var path = context.Request.Path;
        if (!DashboardSession.IsDashboard(path)) await next(context);
        else if (DashboardSession.IsSignIn(path)) await session.SignInAsync(context);
        else if (session.Admits(context)) await next(context);
        else if (path.StartsWithSegments("/dashboard")) context.Response.Redirect("/dashboard/sign-in");
        else context.Response.StatusCode = 401;
    });

    /// <summary>The page and its own assets; nothing comes from another host.</summary>
    public static void MapEyrieDashboard(this WebApplication app)
    {
        app.UseAntiforgery();
        app.MapStaticAssets();
        app.MapRazorComponents<App>().AddInteractiveServerRenderMode();
    }
}
