using System.Text.Json.Nodes;
using Eyrie.ControlPlane.Controllers.Scheduling;
using Eyrie.ControlPlane.Scheduler;
using static Eyrie.Controllers.Tests.Documents;

namespace Eyrie.Controllers.Tests.Scheduling;

/// <summary>Clusters and pods from as few fields as a case needs.</summary>
public static class Clusters
{
    /// <summary>Nodes with two cores, 4 GiB and ten pods, unless the JSON (merged over the Node) says otherwise.</summary>
    public static Cluster Of(params (string Name, string Json)[] nodes)
    {
        var cluster = new Cluster();
        foreach (var (name, json) in nodes) cluster.SetNode(NodeReader.Read(Node(name, json)));
        return cluster;
    }

    public static JsonObject Node(string name, string json = "{}") => Merge(Json($$$"""
        {"metadata":{"name":"{{{name}}}","labels":{"kubernetes.io/hostname":"{{{name}}}"}},"spec":{},
         "status":{"allocatable":{"cpu":"2","memory":"4Gi","pods":"10","ephemeral-storage":"10Gi"},"conditions":[{"type":"Ready","status":"True"}]}}
        """), Json(json));

    /// <param name="spec">JSON of the pod's spec.</param>
    public static JsonObject Document(string name, string spec, string labels = "{}", string more = "{}") => Merge(Json($$$$$$$"""{"metadata":{"name":"{{{{{{{name}}}}}}}","namespace":"default","uid":"{{{{{{{name}}}}}}}","labels":{{{{{{{labels}}}}}}}},"spec":{{{{{{{spec}}}}}}},"status":{"phase":"Pending"}}"""), Json(more));

    public static PodInfo Pod(string name, string spec = "{}", string labels = "{}", string more = "{}") => PodReader.Read(Document(name, spec, labels, more));

    public static PodInfo Cpu(string name, string cpu, int priority = 0, string labels = "{}") => Pod(name, $$$$$$$"""{"priority":{{{{{{{priority}}}}}}},"containers":[{"resources":{"requests":{"cpu":"{{{{{{{cpu}}}}}}}"}}}]}""", labels);

    public static Cluster With(this Cluster cluster, string node, params PodInfo[] pods)
    {
        foreach (var pod in pods) cluster.SetPod(pod.At(node));
        return cluster;
    }

    public static string Decide(this Cluster cluster, PodInfo pod, int seed = 0) => Placement.Decide(pod, cluster, new PlacementOptions(seed), 0) switch { Bind bind => bind.Node, Unschedulable refused => refused.Reason, var other => other.ToString()! };

    private static JsonObject Merge(JsonObject into, JsonObject from)
    {
        foreach (var (name, value) in from)
        {
            if (into[name] is JsonObject under && value is JsonObject over) Merge(under, over);
            else into[name] = value?.DeepClone();
        }
        return into;
    }
}
