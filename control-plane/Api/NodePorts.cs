using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;

namespace Eyrie.ControlPlane.Api;

/// <summary>Ports of every node at which a Service of type NodePort or LoadBalancer answers: which may be asked for, and which are given. Words and rules of kube-apiserver (pkg/registry/core/service). Pure.</summary>
public static class NodePorts
{
    public const int First = 30000, Last = 32767;

    public static bool Needs(JsonNode? spec) => spec is JsonObject service && service.Text("type") is "NodePort" or "LoadBalancer";

    /// <summary>What the document alone shows to be wrong.</summary>
    public static IEnumerable<FieldError> Check(JsonObject spec)
    {
        var seen = new HashSet<(int, string)>();
        foreach (var (port, index) in Ports(spec).Select((port, index) => (port, index)))
        {
            if (port["nodePort"] is not { } given) continue;
            var field = string.Create(CultureInfo.InvariantCulture, $"spec.ports[{index}].nodePort");
            if (given is not JsonValue value || !value.TryGetValue(out int number)) { yield return new FieldError(field, $"Invalid value: {given.ToJsonString()}: must be an integer"); continue; }
            if (number == 0) continue;
            if (!Needs(spec)) yield return new FieldError(field, $"Forbidden: may not be used when `type` is '{spec.Text("type")}'", "FieldValueForbidden");
            else if (number is < First or > Last) yield return new FieldError(field, string.Create(CultureInfo.InvariantCulture, $"Invalid value: {number}: provided port is not in the valid range. The range of valid ports is {First}-{Last}"));
            else if (!seen.Add((number, port.Text("protocol") ?? "TCP"))) yield return new FieldError(field, string.Create(CultureInfo.InvariantCulture, $"Duplicate value: {number}"), "FieldValueDuplicate");
        }
    }

    /// <summary>A change of type takes the ports along unless it names others; a change that leaves a port out keeps it, by the port's name.</summary>
    public static void Keep(JsonObject spec, JsonObject stored)
    {
        var before = Ports(stored).Select(NodePort).ToHashSet();
        if (!Needs(spec))
        {
            if (Needs(stored) && Ports(spec).Select(NodePort).All(before.Contains)) Remove(spec);
            return;
        }
        var free = before.Except(Ports(spec).Select(NodePort)).ToHashSet();
        var named = Ports(stored).ToLookup(port => port.Text("name") ?? "", NodePort);
        foreach (var port in Ports(spec).Where(port => NodePort(port) == 0))
            if (named[port.Text("name") ?? ""].FirstOrDefault() is > 0 and var number && free.Remove(number)) port["nodePort"] = number;
    }

    /// <summary>Gives each port one that nobody has: the first that is free, from a place that <paramref name="start"/> says, so that one that has just become free is not given at once to another.</summary>
    /// <param name="spec">Gets what is given.</param>
    /// <param name="taken">Those of all other Services.</param>
    /// <param name="start">Any number.</param>
    /// <returns>What was asked for and another Service has, or that there is none left; then nothing may be stored.</returns>
    public static IReadOnlyList<FieldError> Give(JsonObject spec, IReadOnlySet<int> taken, int start)
    {
        if (!Needs(spec)) return [];
        var errors = new List<FieldError>();
        var own = Ports(spec).Select(NodePort).Where(number => number > 0).ToHashSet();
        foreach (var (port, index) in Ports(spec).Select((port, index) => (port, index)))
        {
            var field = string.Create(CultureInfo.InvariantCulture, $"spec.ports[{index}].nodePort");
            if (NodePort(port) is > 0 and var wanted)
            {
                if (taken.Contains(wanted)) errors.Add(new FieldError(field, string.Create(CultureInfo.InvariantCulture, $"Invalid value: {wanted}: provided port is already allocated")));
                continue;
            }
            const int Count = Last - First + 1;
            var free = Enumerable.Range(0, Count).Select(step => First + (int)(((uint)start % Count + step) % Count)).FirstOrDefault(number => !taken.Contains(number) && !own.Contains(number));
            if (free == 0) { errors.Add(new FieldError(field, "Invalid value: 0: every node port is in use")); continue; }
            port["nodePort"] = free;
            own.Add(free);
        }
        return errors;
    }

    public static IEnumerable<int> Of(JsonNode? service) => Ports(service?["spec"]).Select(NodePort).Where(number => number > 0);

    private static void Remove(JsonObject spec)
    {
        foreach (var port in Ports(spec)) port.Remove("nodePort");
    }

    private static int NodePort(JsonObject port) => port["nodePort"] is JsonValue value && value.TryGetValue(out int number) ? number : 0;

    private static IEnumerable<JsonObject> Ports(JsonNode? spec) => (spec?["ports"] as JsonArray ?? []).OfType<JsonObject>();
}
