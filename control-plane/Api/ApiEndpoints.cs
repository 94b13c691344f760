using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;
using Eyrie.ControlPlane.Store;
using Eyrie.Manifests.Permissions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Eyrie.ControlPlane.Api;

/// <summary>Routes of the Kubernetes API: discovery here, resources in <see cref="ResourceEndpoint"/>. Every failure leaves as a Status object.</summary>
public static class ApiEndpoints
{
    public static IServiceCollection AddEyrieApi(this IServiceCollection services, ApiOptions options) =>
        services.AddSingleton(options).AddSingleton<ServiceAddresses>().AddSingleton<Writer>().AddSingleton<ResourceEndpoint>();

    public static void MapEyrieApi(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/api", () => Json(Discovery.Versions()));
        routes.MapGet("/apis", () => Json(Discovery.GroupList()));
        routes.MapGet("/api/v1", () => Json(Discovery.ResourceList("", "v1")!));
        routes.MapGet("/apis/{group}/{version}", (string group, string version) => Discovery.ResourceList(group, version) is { } list ? Json(list) : NotFound());
        routes.MapGet("/version", () => Json(new JsonObject { ["major"] = "1", ["minor"] = "33", ["gitVersion"] = "v1.33.0+eyrie", ["platform"] = "linux/amd64" }));
        routes.MapGet("/openapi/v3", () => Json(Discovery.OpenApiIndex()));
        routes.MapGet("/openapi/v3/{**path}", (string path) => Discovery.OpenApi(path) is { } document ? Json(document) : NotFound());
        routes.MapGet("/apis/eyrie.dev/v1/namespaces/{ns}/pods/{name}/capabilities", CapabilitiesAsync);
        foreach (var path in new[] { "/livez", "/readyz", "/healthz" }) routes.MapGet(path, () => "ok");
        routes.Map("/api/v1/{**rest}", (HttpContext context, ResourceEndpoint endpoint) => endpoint.HandleAsync(context));
        routes.Map("/apis/{group}/{version}/{**rest}", (HttpContext context, ResourceEndpoint endpoint) => endpoint.HandleAsync(context));
    }

    private static IResult Json(JsonObject document) => Results.Text(document.ToJsonString(), "application/json");

    private static IResult NotFound() =>
        Results.Text(new StatusException(404, "NotFound", "the server could not find the requested resource").ToStatus().ToJsonString(), "application/json", statusCode: 404);

    /// <summary>What was compiled for a pod beside what the node's kernel holds.</summary>
    private static async Task<IResult> CapabilitiesAsync(string ns, string name, IObjects objects, INodeGateway nodes, CancellationToken cancellationToken)
    {
        if (await objects.GetAsync(Kinds.Pod, new ObjectName(ns, name), cancellationToken) is not { } pod)
            return Results.Text(new StatusException(404, "NotFound", $"pods \"{name}\" not found").ToStatus().ToJsonString(), "application/json", statusCode: 404);
        try
        {
            var held = await nodes.ReadCapabilitiesAsync(pod["spec"]?["nodeName"]?.ToString() ?? "", pod.Metadata().Text("uid")!, cancellationToken);
            var containers = PermissionCompiler.Compile(pod).Sets.Select(set =>
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
}
