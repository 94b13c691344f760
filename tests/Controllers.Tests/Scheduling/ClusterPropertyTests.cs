using CsCheck;
using Eyrie.ControlPlane.Scheduler;
using Xunit;
using static Eyrie.Controllers.Tests.Scheduling.Clusters;

namespace Eyrie.Controllers.Tests.Scheduling;

/// <summary>Whatever comes and goes: what was counted change by change equals what a new cluster counts, and no pod is put where it does not fit.</summary>
[Collection(nameof(Alone))]
public sealed class ClusterPropertyTests
{
    private static string Spec(int sort) => (sort % 5) switch
    {
        0 => """{"containers":[{"resources":{"requests":{"cpu":"300m"}}}]}""",
        1 => """{"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"x"}}}]}""",
        2 => """{"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"kubernetes.io/hostname","labelSelector":{"matchLabels":{"app":"x"}}}]}}}""",
        3 => """{"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"zone","labelSelector":{"matchLabels":{"app":"y"}}}]}}}""",
        _ => """{"affinity":{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":7,"podAffinityTerm":{"topologyKey":"zone","labelSelector":{"matchExpressions":[{"key":"app","operator":"Exists"}]}}}]}}}""",
    };

    private static PodInfo Any(int number, int sort) => Pod($"p{number}", Spec(sort), sort % 2 == 0 ? """{"app":"x"}""" : """{"app":"y"}""", $$$$$$$"""{"metadata":{"ownerReferences":[{"controller":true,"uid":"set{{{{{{{sort}}}}}}}"}]}}""");

    private static (string, string) Node(int number) => ($"n{number}", $$$$$$$"""{"metadata":{"labels":{"zone":"z{{{{{{{number % 3}}}}}}}"}}}""");

    [Fact]
    public void A_cluster_kept_by_changes_decides_as_one_made_anew() => Gen.Int[0, 1_000_000].Array[10, 80].Sample(steps =>
    {
        var cluster = Of([.. Enumerable.Range(0, 5).Select(Node)]);
        var placed = new Dictionary<string, PodInfo>();
        var nodes = Enumerable.Range(0, 5).ToHashSet();
        for (int i = 0; i < steps.Length; i++)
        {
            int what = steps[i] % 10, argument = steps[i] / 10;
            if (what == 0 && placed.Count > 0)
            {
                var gone = placed.Keys.ElementAt(argument % placed.Count);
                cluster.RemovePod(gone);
                placed.Remove(gone);
            }
            else if (what == 1)
            {
                int node = argument % 7;
                if (nodes.Add(node)) cluster.SetNode(Eyrie.ControlPlane.Controllers.Scheduling.NodeReader.Read(Clusters.Node(Node(node).Item1, Node(node).Item2)));
                else if (nodes.Count > 1) { nodes.Remove(node); cluster.RemoveNode($"n{node}"); }
            }
            else
            {
                var pod = Any(i, argument % 5);
                var anew = Of([.. cluster.Nodes.Select(node => Node(int.Parse(node.Info.Name[1..], System.Globalization.CultureInfo.InvariantCulture)))]);
                foreach (var other in placed.Values) anew.SetPod(other);
                var decision = cluster.Decide(pod);
                if (decision != anew.Decide(pod)) return false;
                if (decision[0] == '0') continue;
                placed[pod.Uid] = pod.At(decision);
                cluster.SetPod(placed[pod.Uid]);
            }
        }
        return cluster.Nodes.All(node => node.Requested.CpuMilli <= node.Info.Capacity.CpuMilli && node.Pods.Count <= node.Info.Capacity.Pods && node.Requested == node.Pods.Aggregate(default(Amounts), (sum, pod) => sum + pod.Requests));
    });
}
