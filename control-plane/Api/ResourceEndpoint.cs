using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Api.Limits;
using Eyrie.ControlPlane.Api.Verbs;
using Eyrie.ControlPlane.Resources;
using Microsoft.AspNetCore.Http;

namespace Eyrie.ControlPlane.Api;

/// <summary>One request to a resource: path and method to a verb. Its failures are <see cref="Refusals"/>'.</summary>
public sealed class ResourceEndpoint(Catalog catalog, Reads reads, Watches watches, Writes writes, Deletes deletes, Evictions evictions, Scales scales, PodLogs logs, PodStreams streams, Proxies proxies, Bindings bindings, Reviews reviews, Metrics metrics, Tokens tokens, Authorizer access, RequestLimits limits)
{
    private static readonly string?[] Streams = ["exec", "attach", "portforward", "log", "proxy"];

    public async Task HandleAsync(HttpContext context)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        deadline.CancelAfter(limits.Deadline);
        using var admitted = limits.Enter(Authorizer.Caller(context.Request));
        var request = ApiRequest.Parse(catalog, context.Request.Path) ?? throw StatusException.NotServed();
        var call = new Call(context, request, admitted, deadline.Token);
        // The body first: a client that sends slowly waits for itself alone.
        if (!Streams.Contains(request.Subresource)) await call.ReceiveAsync();
        await admitted.SeatAsync(request is { Name: null, Subresource: null } && context.Request.Method == "GET", deadline.Token);
        await access.CheckAsync(call);
        await VerbAsync(call);
    }

    private Task VerbAsync(Call call)
    {
        var (method, request) = (call.Http.Request.Method, call.Request);
        if (!Allowed(method, request)) throw new StatusException(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
        return (method, request.Subresource, request.Name) switch
        {
            ("GET", "log", _) => logs.LogAsync(call),
            ("GET" or "POST", "exec" or "attach", _) => streams.CommandAsync(call),
            ("GET" or "POST", "portforward", _) => streams.PortForwardAsync(call),
            (_, "proxy", _) => proxies.ProxyAsync(call),
            ("GET", "scale", _) => scales.GetAsync(call),
            ("PUT" or "PATCH", "scale", _) => scales.SetAsync(call),
            ("POST", "binding", _) => bindings.BindAsync(call),
            ("POST", "token", _) => tokens.RequestAsync(call),
            ("POST", "eviction", _) => evictions.EvictAsync(call),
            ("GET", null, null) when Metrics.Has(call.Kind) => metrics.ListAsync(call),
            ("GET", null, not null) when Metrics.Has(call.Kind) => metrics.GetAsync(call),
            ("GET", null, null) => call.Query["watch"].ToString() is "true" or "1" ? watches.WatchAsync(call) : reads.ListAsync(call),
            ("GET", _, not null) => reads.GetAsync(call),
            ("POST", null, null) when !call.Kind.Stored => reviews.AnswerAsync(call),
            ("POST", null, null) => writes.CreateAsync(call),
            ("PUT", _, not null) => writes.UpdateAsync(call),
            ("PATCH", _, not null) => writes.PatchAsync(call),
            ("DELETE", null, null) => deletes.DeleteCollectionAsync(call),
            ("DELETE", null, not null) => deletes.DeleteAsync(call),
            _ => throw StatusException.NotServed(),
        };
    }

    /// <summary>Whether the kind or its subresource has the verb at all.</summary>
    private static bool Allowed(string method, ApiRequest request)
    {
        var verbs = request.Subresource is { } part ? request.Kind.AllSubresources.First(subresource => subresource.Name == part).Verbs : request.Kind.Verbs;
        return verbs.Contains((method, request.Name) switch
        {
            ("GET", null) => "list", ("GET", _) => "get", ("POST", _) => "create", ("PUT", _) => "update", ("PATCH", _) => "patch", ("DELETE", null) => "deletecollection", ("DELETE", _) => "delete",
            ("HEAD" or "OPTIONS", _) when request.Subresource == "proxy" => "get", _ => "",
        });
    }
}
