using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Api.Access;
using Eyrie.ControlPlane.Api.Certificates;
using Eyrie.ControlPlane.Api.CustomResources;
using Eyrie.ControlPlane.Api.Limits;
using Eyrie.ControlPlane.Api.OpenApi;
using Eyrie.ControlPlane.Api.Verbs;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Eyrie.Manifests.Permissions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Eyrie.ControlPlane.Api;

/// <summary>Routes of the Kubernetes API: discovery here, resources in <see cref="ResourceEndpoint"/>. Every failure leaves as a Status object (<see cref="Refusals"/>).</summary>
public static class ApiEndpoints
{
    public static IServiceCollection AddEyrieApi(this IServiceCollection services, ApiOptions options, ClusterKeys keys) =>
        services.AddSingleton(options).AddSingleton(options.Limits).AddSingleton<RequestLimits>().AddSingleton<Refusals>().AddSingleton<ServiceAddresses>().AddSingleton<Catalog>().AddSingleton<Writer>().AddSingleton<ResourceEndpoint>()
            .AddSingleton<Reads>().AddSingleton<Watches>().AddSingleton<Writes>().AddSingleton<Deletes>().AddSingleton<Evictions>().AddSingleton<Scales>().AddSingleton<PodLogs>().AddSingleton<PodStreams>().AddSingleton<Proxies>().AddSingleton<Bindings>().AddSingleton<Reviews>().AddSingleton<Metrics>().AddSingleton<ReadRules>().AddSingleton<Authorizer>()
            .AddSingleton(keys).AddSingleton<AccountTokens>().AddSingleton<Authenticator>().AddSingleton<Grants>().AddSingleton<Tokens>()
            .AddHostedService<DefinitionController>().AddHostedService<StandardRoles>().AddHostedService<CertificateSigner>();

    public static void MapEyriePodTokens(this IEndpointRouteBuilder routes) => routes.MapGrpcService<PodTokenService>();

    public static void MapEyrieApi(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api", (HttpRequest request, Catalog catalog) => Discovered(request, catalog, true) ?? Json(Discovery.Versions()));
        routes.MapGet("/apis", (HttpRequest request, Catalog catalog) => Discovered(request, catalog, false) ?? Json(Discovery.GroupList(catalog.Kinds)));
        routes.MapGet("/api/v1", (Catalog catalog) => Json(Discovery.ResourceList(catalog.Kinds, "", "v1")!));
        routes.MapGet("/apis/{group}", (string group, Catalog catalog) => Discovery.Group(catalog.Kinds, group) is { } found ? Json(found) : NotFound());
        routes.MapGet("/apis/{group}/{version}", (string group, string version, Catalog catalog) => Discovery.ResourceList(catalog.Kinds, group, version) is { } list ? Json(list) : NotFound());
        routes.MapGet("/version", () => Json(new JsonObject { ["major"] = "1", ["minor"] = "33", ["gitVersion"] = "v1.33.0+eyrie", ["platform"] = "linux/amd64" }));
        routes.MapGet("/openapi/v2", (HttpRequest request, Catalog catalog) => OpenApi2(request, catalog));
        routes.MapGet("/openapi/v3", (Catalog catalog) => Json(new JsonObject { ["paths"] = new JsonObject(catalog.OpenApiPaths.Select(path => KeyValuePair.Create<string, JsonNode?>(path, new JsonObject { ["serverRelativeURL"] = "/openapi/v3/" + path }))) }));
        routes.MapGet("/openapi/v3/{**path}", (string path, Catalog catalog) => catalog.OpenApi3(path) is { } document ? Results.Bytes(document, "application/json") : NotFound());
        routes.MapGet("/apis/eyrie.dev/v1/namespaces/{ns}/pods/{name}/capabilities", CapabilitiesAsync);
        routes.MapGet("/.well-known/openid-configuration", () => Json(new JsonObject
        {
            ["issuer"] = AccountTokens.Issuer, ["jwks_uri"] = AccountTokens.Issuer + "/openid/v1/jwks", ["response_types_supported"] = new JsonArray("id_token"), ["subject_types_supported"] = new JsonArray("public"), ["id_token_signing_alg_values_supported"] = new JsonArray("ES256"),
        }));
        routes.MapGet("/openid/v1/jwks", (AccountTokens tokens) => Json(tokens.KeySet()));
        foreach (var path in new[] { "/livez", "/readyz", "/healthz" }) routes.MapGet(path, () => "ok");
        routes.Map("/api/v1/{**rest}", (HttpContext context, ResourceEndpoint endpoint) => endpoint.HandleAsync(context));
        foreach (var path in new[] { "/api/{**rest}", "/apis/{**rest}", "/openapi/{**rest}" }) routes.MapFallback(path, NotFound);
        routes.Map("/apis/{group}/{version}/{**rest}", (HttpContext context, ResourceEndpoint endpoint) => endpoint.HandleAsync(context));
    }

    /// <summary>Aggregated discovery, when the client asks for a version of it that there is.</summary>
    private static IResult? Discovered(HttpRequest request, Catalog catalog, bool core)
    {
        foreach (var range in AcceptHeader.Read(request.Headers.Accept.ToString()).Where(range => range.Takes("application/json")))
        {
            if (range.Parameter("as") is null) return null;
            if (range is { Type: "application/json" } && range.Parameter("as") == "APIGroupDiscoveryList" && range.Parameter("v") is "v2" or "v2beta1" && range.Parameter("v") is var version)
                return Results.Text(Discovery.Aggregated(catalog.Kinds, core, version!).ToJsonString(), $"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
        }
        return null;
    }

    /// <summary>JSON, unless the client prefers the message that older versions of kubectl read.</summary>
    private static IResult OpenApi2(HttpRequest request, Catalog catalog) =>
        AcceptHeader.Read(request.Headers.Accept.ToString()).FirstOrDefault(range => range.Type == OpenApi2Message.Accepted.ToLowerInvariant() || range.Takes("application/json")) is { } dearest && !dearest.Takes("application/json")
            ? Results.Bytes(catalog.OpenApi2Message, OpenApi2Message.MediaType) : Results.Bytes(catalog.OpenApi2, "application/json");

    private static IResult Json(JsonObject document) => Results.Text(document.ToJsonString(), "application/json");

    private static IResult NotFound() =>
        Results.Text(new StatusException(404, "NotFound", "the server could not find the requested resource").ToStatus().ToJsonString(), "application/json", statusCode: 404);

    /// <summary>What was compiled for a pod beside what the node's kernel holds.</summary>
    private static async Task<IResult> CapabilitiesAsync(string ns, string name, IObjects objects, INodeGateway nodes, ObjectCache cache, CancellationToken cancellationToken)
    {
        if (await objects.GetAsync(Kinds.Pod, new ObjectName(ns, name), cancellationToken) is not { } pod)
            return Results.Text(new StatusException(404, "NotFound", $"pods \"{name}\" not found").ToStatus().ToJsonString(), "application/json", statusCode: 404);
        try
        {
            var held = await nodes.ReadCapabilitiesAsync(pod["spec"]?["nodeName"]?.ToString() ?? "", pod.Metadata().Text("uid")!, cancellationToken);
            var containers = PermissionCompiler.Compile(pod, DesiredPods.Around(cache)).Sets.Select(set =>
            {
                var kernel = held.GetValueOrDefault(set.Container, []);
                return (JsonNode)new JsonObject
                {
                    ["name"] = set.Container, ["compiled"] = List(set.Lines), ["kernel"] = List(kernel), ["equal"] = set.Lines.SequenceEqual(kernel),
                };
            });
            return Json(new JsonObject { ["kind"] = "PodCapabilities", ["apiVersion"] = "eyrie.dev/v1", ["containers"] = new JsonArray([.. containers]) });
        }
        catch (NodeUnreachableException exception)
        {
            return Results.Text(new StatusException(503, "ServiceUnavailable", exception.Message).ToStatus().ToJsonString(), "application/json", statusCode: 503);
        }
    }

    private static JsonArray List(IEnumerable<string> lines) => new([.. lines.Select(line => (JsonNode)line)]);
}

/// <summary>What the API server is told when it is composed.</summary>
public sealed record ApiOptions
{
    /// <summary>Second octet of the cluster's addresses; services are given addresses from 127.C.0.0/20.</summary>
    public required int ClusterOctet { get; init; }
    /// <summary>How much of the server one user may have.</summary>
    public LimitOptions Limits { get; init; } = new();
}
