using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Limits;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Eyrie.ControlPlane.Api;

/// <summary>Every failure of a request to the API leaves as a Status object, wherever it happened: in finding out who asks, in a verb, in discovery. What nobody foresaw is 500, and in the log.</summary>
public sealed partial class Refusals(RequestLimits limits, IHostApplicationLifetime life, ILogger<Refusals> log)
{
    private static readonly string[] Api = ["/api", "/apis", "/openapi", "/openid", "/.well-known", "/version"];

    /// <summary>Whether a path is the API's own: its clients expect a Status.</summary>
    public static bool Covers(PathString path) => Api.Any(part => path.StartsWithSegments(part));

    public async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
        }
        catch (Exception exception) when (context.RequestAborted.IsCancellationRequested && exception is OperationCanceledException or IOException)
        {
            // The client has gone; there is nobody to answer.
        }
        catch (Exception exception) when (!context.Response.HasStarted)
        {
            var refusal = Of(exception);
            if (refusal is null) Failed(exception, context.Request.Method, context.Request.Path);
            await SendAsync(context, refusal ?? new StatusException(500, "InternalError", "Internal error occurred: the server's log has the reason"));
        }
    }

    /// <summary>Answers with a refusal.</summary>
    public static async Task SendAsync(HttpContext context, StatusException refusal)
    {
        context.Response.StatusCode = refusal.Code;
        if (refusal.Details?["retryAfterSeconds"] is { } seconds) context.Response.Headers.RetryAfter = seconds.ToString();
        await Call.SendAsync(context, Shape.Plain, refusal.ToStatus());
    }

    /// <summary>What a client is told of a failure; null: nobody foresaw it.</summary>
    private StatusException? Of(Exception exception) => exception switch
    {
        StatusException status => status,
        ObjectNotFoundException missing => new StatusException(404, "NotFound", missing.Message) { Details = StatusException.About(missing.Kind, missing.Name) },
        ObjectExistsException exists => new StatusException(409, "AlreadyExists", exists.Message) { Details = StatusException.About(exists.Kind, exists.Name) },
        ObjectConflictException conflict => new StatusException(409, "Conflict", conflict.Message) { Details = StatusException.About(conflict.Kind, conflict.Name) },
        ObjectForbiddenException forbidden => new StatusException(403, "Forbidden", forbidden.Message) { Details = About(forbidden) },
        RevisionCompactedException compacted => new StatusException(410, "Expired", compacted.Message),
        StoreUnavailableException unavailable => new StatusException(503, "ServiceUnavailable", unavailable.Message),
        NodeUnreachableException unreachable => new StatusException(503, "ServiceUnavailable", unreachable.Message),
        BadHttpRequestException { StatusCode: 408 } slow => new StatusException(408, "Timeout", slow.Message),
        BadHttpRequestException { StatusCode: 413 } large => new StatusException(413, "RequestEntityTooLarge", large.Message),
        BadHttpRequestException bad => new StatusException(bad.StatusCode, "BadRequest", bad.Message),
        _ when life.ApplicationStopping.IsCancellationRequested => new StatusException(503, "ServiceUnavailable", "the server is shutting down"),
        OperationCanceledException or TimeoutException => new StatusException(504, "Timeout", $"the request did not complete within {limits.Deadline.TotalSeconds} s"),
        ObjectDisposedException => null, // a fault of the server, though it is an InvalidOperationException
        InvalidOperationException or FormatException => StatusException.BadRequest("a field has the wrong type: " + exception.Message),
        _ => null,
    };

    private static JsonObject About(ObjectForbiddenException forbidden)
    {
        var details = StatusException.About(forbidden.Kind, forbidden.Name);
        if (forbidden.Terminating) details["causes"] = new JsonArray(new JsonObject { ["reason"] = "NamespaceTerminating", ["message"] = $"namespace {forbidden.Name.Namespace} is being terminated", ["field"] = "metadata.namespace" });
        return details;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Path} failed")]
    private partial void Failed(Exception cause, string method, string path);
}

public static class RefusalComposition
{
    /// <summary>Comes before everything that may refuse a request to the API.</summary>
    public static IApplicationBuilder UseEyrieRefusals(this IApplicationBuilder app) =>
        app.Use((context, next) => Refusals.Covers(context.Request.Path) ? context.RequestServices.GetRequiredService<Refusals>().AnswerAsync(context, next) : next(context));
}
