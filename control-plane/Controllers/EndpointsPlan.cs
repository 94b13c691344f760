using System.Net;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Manifests.Permissions;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>Services and pods to the table that every node resolves with. A pod that is being deleted is not in it. Pure.</summary>
public static class EndpointsPlan
{
    /// <param name="services">Every Service.</param>
    /// <param name="pods">Every pod.</param>
    /// <param name="lost">Nodes that were there and are not: their pods are in the table only of a Service that would be without endpoints otherwise, because a guess is better than none.</param>
    /// <param name="granted">Pods that some container may connect to by their labels: in the table beside the Services, by namespace and selector, ready or not.</param>
    /// <param name="api">Where the cluster's API listens; null: its Service leads nowhere.</param>
    public static IReadOnlyList<ServicePort> Decide(IReadOnlyCollection<JsonObject> services, IReadOnlyCollection<JsonObject> pods, IReadOnlySet<string> lost, IEnumerable<CapabilityEntry.ConnectPods> granted, IPEndPoint? api = null)
    {
        var table = new List<ServicePort>();
        var selected = new LabelledPods(pods.Where(pod => !pod.IsDeleted() && pod.PodAddress().Length > 0), services.Where(LeadsToPods).Select(service => (service.Namespace(), Selector(service)!)));
        foreach (var service in services.OrderBy(service => service.Namespace() + "/" + service.Name(), StringComparer.Ordinal))
        {
            var addressed = selected.Of(service.Namespace(), Selector(service)).OrderBy(pod => pod.Uid(), StringComparer.Ordinal).ToList();
            var ready = addressed.Where(Serves).ToList();
            if (ready.Where(pod => !lost.Contains(pod.NodeName())).ToList() is { Count: > 0 } reachable) ready = reachable;
            var external = service["spec"]?["type"]?.ToString() == "ExternalName" ? service["spec"]?["externalName"]?.ToString() ?? "" : "";
            var ports = (service["spec"]?["ports"] as JsonArray ?? []).OfType<JsonObject>().DefaultIfEmpty([]);
            if (service["spec"]?["publishNotReadyAddresses"] is JsonValue published && published.TryGetValue(out bool early) && early) ready = [.. addressed.Where(pod => !pod.IsOver())];
            foreach (var port in ports)
            {
                var entry = new ServicePort { Namespace = service.Namespace(), Name = service.Name(), ClusterAddress = ClusterAddress(service), Port = port["port"].Int(), PortName = port.Text("name") ?? "", Protocol = port.Text("protocol") ?? "", ExternalName = external, AffinitySeconds = Affinity(service), NodePort = port["nodePort"].Int() };
                entry.Endpoints.AddRange(ready.Select(pod => new Endpoint { Address = pod.PodAddress(), Port = Target(port, pod), PodUid = pod.Uid(), Hostname = Hostname(pod, service) }).Where(endpoint => endpoint.Port > 0 || entry.Port == 0));
                if (api is not null && ClusterApiService.Is(service)) entry.Endpoints.Add(new Endpoint { Address = (api.Address.Equals(IPAddress.Any) ? IPAddress.Loopback : api.Address).ToString(), Port = api.Port });
                table.Add(entry);
            }
        }
        foreach (var grant in granted.OrderBy(grant => grant.ToString(), StringComparer.Ordinal))
        {
            var entry = new ServicePort { Namespace = grant.Namespace, Name = grant.Pods.ToString(), Port = grant.Port, Protocol = grant.Protocol.Manifest() };
            entry.Endpoints.AddRange(pods.Where(pod => pod.Namespace() == grant.Namespace && !pod.IsDeleted() && !pod.IsOver() && pod.PodAddress().Length > 0 && grant.Pods.Selects(pod.Metadata()["labels"]))
                .OrderBy(pod => pod.Uid(), StringComparer.Ordinal).Select(pod => new Endpoint { Address = pod.PodAddress(), Port = grant.Port, PodUid = pod.Uid() }));
            table.Add(entry);
        }
        return table;
    }

    private static string Hostname(JsonObject pod, JsonObject service) => pod["spec"]?["subdomain"]?.ToString() == service.Name() ? pod["spec"]?["hostname"]?.ToString() ?? "" : "";

    /// <summary>Seconds; 0: none.</summary>
    private static int Affinity(JsonObject service) => service["spec"]?["sessionAffinity"]?.ToString() == "ClientIP" ? service["spec"]!["sessionAffinityConfig"]?["clientIP"]?["timeoutSeconds"].Int() ?? 0 : 0;

    /// <summary>Empty for a headless Service.</summary>
    private static string ClusterAddress(JsonObject service) => service["spec"]?["clusterIP"]?.ToString() is { } address and not "None" ? address : "";

    private static bool Serves(JsonObject pod) => pod.IsReady() || LostPods.IsLost(pod);

    /// <summary>Whether a Service finds its endpoints by labels.</summary>
    public static bool LeadsToPods(JsonObject service) => Selector(service) is not null;

    private static JsonObject? Selector(JsonObject service) => service["spec"]?["selector"] is JsonObject { Count: > 0 } selector ? selector : null;

    /// <summary>Whether a change of a pod may be one of the table; most are not.</summary>
    public static bool Concerns(ObjectChange change) => (change.Document.PodAddress().Length > 0 || change.Previous?.PodAddress().Length > 0) && (!change.OnlyStatus || change.Previous is not { } before || before.IsReady() != change.Document.IsReady() || LostPods.IsLost(before) != LostPods.IsLost(change.Document) || before.IsOver() != change.Document.IsOver() || before.PodAddress() != change.Document.PodAddress());

    public static IEnumerable<CapabilityEntry.ConnectPods> PodGrants(DesiredPod pod) => pod.Capabilities.SelectMany(set => set.Entries).Where(line => line.StartsWith("connect ", StringComparison.Ordinal))
        .Select(line => CapabilityEntry.TryParse(line, out var entry) ? entry : null).OfType<CapabilityEntry.ConnectPods>();

    /// <summary>Port of the pod that a Service's port leads to; 0: the pod has none of that name.</summary>
    public static int Target(JsonObject port, JsonObject pod)
    {
        if (port["targetPort"] is not { } target) return port["port"].Int();
        if (target.Int() is > 0 and var number) return number;
        return (pod["spec"]?["containers"] as JsonArray ?? []).SelectMany(container => container?["ports"] as JsonArray ?? [])
            .FirstOrDefault(named => named?["name"]?.ToString() == target.ToString())?["containerPort"].Int() ?? 0;
    }
}
