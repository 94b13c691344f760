using System.Globalization;
using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Resources;
using Eyrie.Node.Contract.V1;

namespace Eyrie.ControlPlane.Controllers;

/// <summary>From a node's hello to its Node object. Pure.</summary>
public static class NodeObjects
{
    public static JsonObject New(NodeHello hello)
    {
        var labels = new JsonObject { ["kubernetes.io/hostname"] = hello.NodeName, ["kubernetes.io/os"] = "linux", ["kubernetes.io/arch"] = hello.Architecture };
        foreach (var (name, value) in hello.Labels) labels[name] = value;
        return new JsonObject { ["metadata"] = new JsonObject { ["name"] = hello.NodeName, ["labels"] = labels }, ["spec"] = new JsonObject { ["podCIDR"] = hello.PodRange } };
    }

    public static JsonObject WithStatus(JsonObject node, NodeHello hello, DateTimeOffset now)
    {
        var made = (JsonObject)node.DeepClone();
        made.Metadata().Remove("resourceVersion");
        JsonObject Amounts(long diskBytes)
        {
            var amounts = new JsonObject
            {
                ["cpu"] = hello.CpuMilli % 1000 == 0 ? (hello.CpuMilli / 1000).ToString(CultureInfo.InvariantCulture) : $"{hello.CpuMilli}m",
                ["memory"] = $"{hello.MemoryBytes / 1024}Ki", ["pods"] = hello.MaxPods.ToString(CultureInfo.InvariantCulture),
            };
            if (diskBytes > 0) amounts["ephemeral-storage"] = $"{diskBytes / 1024}Ki";
            return amounts;
        }
        var conditions = new JsonArray(hello.NotReady.Length > 0 ? Ready(node, "False", "KubeletNotReady", hello.NotReady, now) : Ready(node, "True", "NodeSessionOpen", "the node agent is connected", now));
        foreach (var (type, message) in hello.Conditions.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            conditions.Add(Condition(node, type, "True", type, message, now));
        made["status"] = new JsonObject
        {
            ["capacity"] = Amounts(hello.DiskBytes), ["allocatable"] = Amounts(hello.DiskPodBytes), ["conditions"] = conditions,
            ["addresses"] = new JsonArray(new JsonObject { ["type"] = "InternalIP", ["address"] = hello.InternalAddress }, new JsonObject { ["type"] = "Hostname", ["address"] = hello.NodeName }),
            ["nodeInfo"] = new JsonObject
            {
                ["kubeletVersion"] = "v" + hello.AgentVersion, ["kubeProxyVersion"] = "", ["osImage"] = hello.OsImage, ["kernelVersion"] = hello.KernelVersion, ["architecture"] = hello.Architecture,
                ["operatingSystem"] = "linux", ["containerRuntimeVersion"] = "metteagle://" + hello.AgentVersion, ["bootID"] = hello.BootId, ["machineID"] = "", ["systemUUID"] = "",
            },
            ["images"] = new JsonArray([.. hello.Images.Select(image => new JsonObject { ["names"] = new JsonArray([.. image.Names.Select(name => JsonValue.Create(name))]), ["sizeBytes"] = image.SizeBytes })]),
        };
        return made;
    }

    /// <summary>Namespace of the Leases of nodes, as Kubernetes names it.</summary>
    public const string LeaseNamespace = "kube-node-lease";

    /// <summary>The Lease that says a node was there just now; renewed every 10 s, good for 40 s.</summary>
    public static JsonObject Lease(JsonObject node, DateTimeOffset now) => new()
    {
        ["metadata"] = new JsonObject { ["name"] = node.Name(), ["namespace"] = LeaseNamespace, ["ownerReferences"] = new JsonArray(new JsonObject { ["apiVersion"] = "v1", ["kind"] = "Node", ["name"] = node.Name(), ["uid"] = node.Uid() }) },
        ["spec"] = new JsonObject { ["holderIdentity"] = node.Name(), ["leaseDurationSeconds"] = 40, ["renewTime"] = now.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture) },
    };

    /// <summary>Writes what a new Lease says into the one that is stored.</summary>
    public static bool Renew(JsonObject stored, JsonObject lease)
    {
        stored.Metadata()["ownerReferences"] = lease.Metadata()["ownerReferences"]!.DeepClone();
        stored["spec"] = lease["spec"]!.DeepClone();
        return true;
    }

    public static JsonObject Lost(JsonObject node, DateTimeOffset now)
    {
        var made = (JsonObject)node.DeepClone();
        made.Metadata().Remove("resourceVersion");
        if (made["status"] is JsonObject status) status["conditions"] = new JsonArray(Ready(node, "Unknown", "NodeSessionLost", "the node agent is not connected", now));
        return made;
    }

    private static JsonObject Ready(JsonObject node, string word, string reason, string message, DateTimeOffset now)
    {
        var made = Condition(node, "Ready", word, reason, message, now);
        made["lastHeartbeatTime"] = ObjectStamp.Time(now);
        return made;
    }

    private static JsonObject Condition(JsonObject node, string type, string word, string reason, string message, DateTimeOffset now) => new()
    {
        ["type"] = type, ["status"] = word, ["reason"] = reason, ["message"] = message,
        ["lastTransitionTime"] = node.Condition(type) is { } before && before.Text("status") == word ? before.Text("lastTransitionTime") : ObjectStamp.Time(now),
    };
}
