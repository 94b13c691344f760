using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api.Proxying;

/// <summary>What the name in a path of a proxy says: <c>name</c>, <c>name:port</c> or <c>scheme:name:port</c>. Pure.</summary>
/// <param name="Scheme">http or https.</param>
/// <param name="Name">Of the pod or Service.</param>
/// <param name="Port">Number or name; empty: the only one.</param>
public sealed record ProxyTarget(string Scheme, string Name, string Port)
{
    /// <exception cref="StatusException">400: it is none of the three.</exception>
    public static ProxyTarget Parse(ResourceKind kind, string text)
    {
        var target = text.Split(':') switch
        {
            [var name] => new ProxyTarget("http", name, ""),
            [var name, var port] => new ProxyTarget("http", name, port),
            [var scheme, var name, var port] => new ProxyTarget(scheme.Length == 0 ? "http" : scheme, name, port),
            _ => null,
        };
        return target is { Scheme: "http" or "https", Name.Length: > 0 } ? target
            : throw StatusException.BadRequest($"invalid {kind.Singular} request \"{text}\": it is written name, name:port, http:name:port or https:name:port");
    }

    /// <summary>The port of a pod: a number, the name of a container's port, or else the first port that a container has.</summary>
    /// <exception cref="StatusException">400: there is no such port.</exception>
    public int PortOf(JsonObject pod)
    {
        if (Port.Length > 0 && int.TryParse(Port, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            return number is > 0 and < 65536 ? number : throw StatusException.BadRequest($"a port is a number from 1 to 65535, not {Port}");
        var ports = (pod["spec"]?["containers"] as JsonArray ?? []).SelectMany(container => container?["ports"] as JsonArray ?? []).OfType<JsonObject>();
        if (ports.FirstOrDefault(port => Port.Length == 0 || port.Text("name") == Port) is { } found) return found["containerPort"].Int();
        return Port.Length == 0 ? Scheme == "https" ? 443 : 80 : throw StatusException.BadRequest($"pod \"{Name}\" has no port of the name \"{Port}\"");
    }

    /// <summary>Ready endpoints of a Service's port: pods and the port there.</summary>
    /// <param name="service">The Service.</param>
    /// <param name="pods">Of its namespace.</param>
    /// <exception cref="StatusException">503: the Service has no such port, or nobody is ready behind it.</exception>
    public IReadOnlyList<(JsonObject Pod, int Port)> EndpointsOf(JsonObject service, IEnumerable<JsonObject> pods)
    {
        var ports = (service["spec"]?["ports"] as JsonArray ?? []).OfType<JsonObject>().ToList();
        bool numbered = int.TryParse(Port, NumberStyles.None, CultureInfo.InvariantCulture, out int number);
        var port = Port.Length == 0 && ports.Count == 1 ? ports[0] : ports.FirstOrDefault(port => numbered ? port["port"].Int() == number : (port.Text("name") ?? "") == Port);
        if (port is null) throw Unavailable(Port.Length == 0 ? $"a port must be named for service \"{Name}\": it has {ports.Count}" : $"no service port \"{Port}\" found for service \"{Name}\"");
        bool early = service["spec"]?["publishNotReadyAddresses"] is JsonValue published && published.TryGetValue(out bool wanted) && wanted;
        var ready = pods.Where(pod => (early || pod.IsReady()) && !pod.IsDeleted() && !pod.IsOver() && pod.PodAddress().Length > 0 && Views.Selects(service["spec"]?["selector"] as JsonObject, pod))
            .Select(pod => (pod, EndpointsPlan.Target(port, pod))).Where(endpoint => endpoint.Item2 > 0).ToList();
        return ready.Count > 0 ? ready : throw Unavailable($"no endpoints available for service \"{Name}\"");
    }

    public static StatusException Unavailable(string message) => new(503, "ServiceUnavailable", message);
}
