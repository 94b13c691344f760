using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Services and pods to the table that every node resolves with. A pod that is being deleted is not in it. Pure.</summary>
public static class EndpointsPlan
{
    public static IReadOnlyList<ServicePort> Decide(IEnumerable<JsonObject> services, IReadOnlyCollection<JsonObject> pods)
    {
        var table = new List<ServicePort>();
        foreach (var service in services.OrderBy(service => service.Namespace() + "/" + service.Name(), StringComparer.Ordinal))
        {
            var selector = service["spec"]?["selector"] as JsonObject;
            var ready = pods.Where(pod => pod.Namespace() == service.Namespace() && pod.IsReady() && !pod.IsDeleted() && pod.PodAddress().Length > 0 && Views.Selects(selector, pod))
                .OrderBy(pod => pod.Uid(), StringComparer.Ordinal).ToList();
            foreach (var port in (service["spec"]?["ports"] as JsonArray ?? []).OfType<JsonObject>())
            {
                var entry = new ServicePort { Namespace = service.Namespace(), Name = service.Name(), ClusterAddress = service["spec"]?["clusterIP"]?.ToString() ?? "", Port = port["port"].Int(), PortName = port.Text("name") ?? "" };
                entry.Endpoints.AddRange(ready.Select(pod => new Endpoint { Address = pod.PodAddress(), Port = Target(port, pod), PodUid = pod.Uid() }).Where(endpoint => endpoint.Port > 0));
                table.Add(entry);
            }
        }
        return table;
    }

    /// <summary>Port of the pod that a Service's port leads to; 0: the pod has none of that name.</summary>
    public static int Target(JsonObject port, JsonObject pod)
    {
        if (port["targetPort"] is not { } target) return port["port"].Int();
        if (target.Int() is > 0 and var number) return number;
        return (pod["spec"]?["containers"] as JsonArray ?? []).SelectMany(container => container?["ports"] as JsonArray ?? [])
            .FirstOrDefault(named => named?["name"]?.ToString() == target.ToString())?["containerPort"].Int() ?? 0;
    }
}
