using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>
/// The EndpointSlices (discovery.k8s.io/v1) and the Endpoints (core/v1) of one Service with a selector, as clients of Kubernetes read them. Nodes resolve with the table of
/// <see cref="EndpointsPlan"/>, not with these. Pure.
/// </summary>
public static class EndpointObjectsPlan
{
    /// <summary>Endpoints in one slice at most, as kube-controller-manager cuts them.</summary>
    private const int SliceSize = 100;
    private const string ServiceName = "kubernetes.io/service-name", ManagedBy = "endpointslice.kubernetes.io/managed-by", Manager = "endpointslice-controller.k8s.io";

    /// <summary>Endpoints whose pods resolve the Service's ports to the same numbers.</summary>
    private sealed record Group(JsonArray Ports, List<JsonObject> Pods);

    public static IReadOnlyList<WorkloadAction> Decide(JsonObject service, IEnumerable<JsonObject> pods, IEnumerable<JsonObject> slices, JsonObject? endpoints)
    {
        if (service.IsDeleted() || service["spec"]?["selector"] is not JsonObject { Count: > 0 } selector) return [];
        var groups = Groups(service, pods.Where(pod => pod.Namespace() == service.Namespace() && !pod.IsOver() && pod.PodAddress().Length > 0 && Views.Selects(selector, pod)));
        var actions = new List<WorkloadAction>();
        var own = slices.Where(slice => slice.OwnerUid() == service.Uid()).ToDictionary(slice => slice.Name());
        foreach (var wanted in Slices(service, groups))
        {
            own.Remove(wanted.Name(), out var stored);
            Write(Kinds.EndpointSlice, stored, wanted, actions, "endpoints", "ports");
        }
        actions.AddRange(own.Values.Where(slice => !slice.IsDeleted()).Select(slice => new DeleteObject(Kinds.EndpointSlice, ObjectStamp.NameOf(slice), slice.Uid())));
        Write(Kinds.Endpoints, endpoints, Endpoints(service, groups), actions, "subsets");
        return actions;
    }

    private static void Write(ResourceKind kind, JsonObject? stored, JsonObject wanted, List<WorkloadAction> actions, params string[] fields)
    {
        if (stored is null) { actions.Add(new CreateObject(kind, wanted)); return; }
        if (fields.All(field => JsonNode.DeepEquals(stored[field], wanted[field]))) return;
        var updated = (JsonObject)stored.DeepClone();
        foreach (var field in fields) updated[field] = wanted[field]?.DeepClone();
        actions.Add(new UpdateObject(kind, updated));
    }

    private static List<Group> Groups(JsonObject service, IEnumerable<JsonObject> pods)
    {
        var groups = new SortedDictionary<string, Group>(StringComparer.Ordinal);
        foreach (var pod in pods.OrderBy(pod => pod.Uid(), StringComparer.Ordinal))
        {
            var ports = Ports(service, pod);
            var key = ports.ToJsonString();
            if (!groups.TryGetValue(key, out var group)) groups[key] = group = new Group(ports, []);
            group.Pods.Add(pod);
        }
        return [.. groups.Values];
    }

    private static JsonArray Ports(JsonObject service, JsonObject pod) => new([.. (service["spec"]?["ports"] as JsonArray ?? []).OfType<JsonObject>()
        .Select(port => (Port: port, Target: EndpointsPlan.Target(port, pod))).Where(pair => pair.Target > 0)
        .Select(pair => (JsonNode)new JsonObject { ["name"] = pair.Port.Text("name") ?? "", ["port"] = pair.Target, ["protocol"] = pair.Port.Text("protocol") ?? "TCP" })]);

    private static IEnumerable<JsonObject> Slices(JsonObject service, List<Group> groups)
    {
        // A Service that nothing backs has one slice without endpoints, so that a reader sees that it is looked after.
        var wanted = groups.Count > 0 ? groups : [new Group([], [])];
        foreach (var group in wanted)
            foreach (var (part, index) in (group.Pods.Count > 0 ? group.Pods.Chunk(SliceSize) : [[]]).Select((part, index) => (part, index)))
                yield return new JsonObject
                {
                    ["metadata"] = new JsonObject
                    {
                        ["name"] = SliceName(service, group.Ports, index), ["namespace"] = service.Namespace(), ["ownerReferences"] = Views.Owner(Kinds.Service, service),
                        ["labels"] = new JsonObject { [ServiceName] = service.Name(), [ManagedBy] = Manager },
                    },
                    ["addressType"] = "IPv4", ["endpoints"] = new JsonArray([.. part.Select(pod => (JsonNode)Endpoint(service, pod))]), ["ports"] = group.Ports.DeepClone(),
                };
    }

    private static string SliceName(JsonObject service, JsonArray ports, int index)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{service.Uid()} {ports.ToJsonString()} {index}"))));
        return $"{service.Name()}-{hash[..10]}"; // one of many slices must not have the name of another
    }

    private static JsonObject Endpoint(JsonObject service, JsonObject pod)
    {
        bool terminating = pod.IsDeleted(), published = service["spec"]?["publishNotReadyAddresses"]?.GetValue<bool>() == true;
        return new JsonObject
        {
            ["addresses"] = new JsonArray(pod.PodAddress()),
            ["conditions"] = new JsonObject { ["ready"] = published || (pod.IsReady() && !terminating), ["serving"] = pod.IsReady(), ["terminating"] = terminating },
            ["nodeName"] = pod.NodeName(), ["targetRef"] = Target(pod),
        };
    }

    private static JsonObject Target(JsonObject pod) => new() { ["kind"] = "Pod", ["namespace"] = pod.Namespace(), ["name"] = pod.Name(), ["uid"] = pod.Uid() };

    private static JsonObject Endpoints(JsonObject service, List<Group> groups)
    {
        static JsonArray Addresses(IEnumerable<JsonObject> pods) => new([.. pods.Select(pod => (JsonNode)new JsonObject { ["ip"] = pod.PodAddress(), ["nodeName"] = pod.NodeName(), ["targetRef"] = Target(pod) })]);
        var subsets = new JsonArray();
        foreach (var group in groups)
        {
            var subset = new JsonObject();
            var live = group.Pods.Where(pod => !pod.IsDeleted()).ToList();
            if (live.Where(pod => pod.IsReady()).ToList() is { Count: > 0 } ready) subset["addresses"] = Addresses(ready);
            if (live.Where(pod => !pod.IsReady()).ToList() is { Count: > 0 } waiting) subset["notReadyAddresses"] = Addresses(waiting);
            if (subset.Count == 0) continue;
            subset["ports"] = group.Ports.DeepClone();
            subsets.Add(subset);
        }
        return new JsonObject
        {
            ["metadata"] = new JsonObject
            {
                ["name"] = service.Name(), ["namespace"] = service.Namespace(), ["labels"] = service.Metadata()["labels"]?.DeepClone(), ["ownerReferences"] = Views.Owner(Kinds.Service, service),
            },
            ["subsets"] = subsets,
        };
    }
}
