using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>The Service <c>default/kubernetes</c>: the cluster's API, at the first address of the Services. Its endpoint is the server itself, which no pod and no Endpoints object can take the place of.</summary>
public static class ClusterApiService
{
    public static ObjectName Name { get; } = new(ClusterApi.Service.Split('/')[0], ClusterApi.Service.Split('/')[1]);

    public static string Address(int clusterOctet) => string.Create(CultureInfo.InvariantCulture, $"127.{clusterOctet}.0.1");

    /// <summary>Names that the server's certificate is for.</summary>
    public static IReadOnlyList<string> Names { get; } = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"];

    public static bool Is(JsonObject service) => ObjectStamp.NameOf(service) == Name && service["spec"]?["selector"] is null;

    /// <summary>Makes it where it is missing.</summary>
    public static async Task EnsureAsync(IObjects objects, ControllerOptions options, CancellationToken cancellationToken)
    {
        if (options.Api is not { } api || await objects.GetAsync(Kinds.Service, Name, cancellationToken) is not null) return;
        var address = Address(options.ClusterOctet);
        await objects.CreateAsync(Kinds.Service, new JsonObject
        {
            ["apiVersion"] = "v1", ["kind"] = "Service",
            ["metadata"] = new JsonObject { ["name"] = Name.Name, ["namespace"] = Name.Namespace, ["labels"] = new JsonObject { ["component"] = "apiserver", ["provider"] = "kubernetes" } },
            ["spec"] = new JsonObject
            {
                ["type"] = "ClusterIP", ["clusterIP"] = address, ["clusterIPs"] = new JsonArray(address), ["ipFamilies"] = new JsonArray("IPv4"), ["ipFamilyPolicy"] = "SingleStack", ["internalTrafficPolicy"] = "Cluster", ["sessionAffinity"] = "None",
                ["ports"] = new JsonArray(new JsonObject { ["name"] = "https", ["port"] = ClusterApi.Port, ["protocol"] = "TCP", ["targetPort"] = api.Port }),
            },
        }, cancellationToken);
    }
}
