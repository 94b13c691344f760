using Eyrie.ControlPlane.Controllers.Scheduling;
using Eyrie.ControlPlane.Scheduler;
using Xunit;
using static Eyrie.Controllers.Tests.Scheduling.Clusters;

namespace Eyrie.Controllers.Tests.Scheduling;

/// <summary>Every rule: a case that fits and one that does not, with the reason in kube-scheduler's words.</summary>
public sealed class FilterTests
{
    private const string A = """{"metadata":{"labels":{"zone":"a","disk":"ssd","size":"8"}}}""", B = """{"metadata":{"labels":{"zone":"b"}}}""";

    public static TheoryData<string, string, string> Nodes => new()
    {
        // one node; the pod's spec; where it goes or why not
        { "{}", "{}", "n" },
        { """{"spec":{"unschedulable":true}}""", "{}", "0/1 nodes are available: 1 node(s) were unschedulable." },
        { """{"spec":{"unschedulable":true}}""", """{"tolerations":[{"key":"node.kubernetes.io/unschedulable","operator":"Exists"}]}""", "n" },
        { """{"spec":{"taints":[{"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule"}]}}""", "{}", "n" }, // uncordoned: the taint is about to go
        { """{"status":{"conditions":[{"type":"Ready","status":"Unknown"}]}}""", "{}", "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }." },
        { """{"status":{"conditions":[{"type":"Ready","status":"False"}]}}""", "{}", "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }." },
        { """{"spec":{"taints":[{"key":"gpu","value":"yes","effect":"NoSchedule"}]}}""", "{}", "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}." },
        { """{"spec":{"taints":[{"key":"gpu","value":"yes","effect":"PreferNoSchedule"}]}}""", "{}", "n" },
        { """{"spec":{"taints":[{"key":"gpu","value":"yes","effect":"NoSchedule"}]}}""", """{"tolerations":[{"key":"gpu","value":"yes","effect":"NoSchedule"}]}""", "n" },
        { """{"spec":{"taints":[{"key":"gpu","value":"yes","effect":"NoSchedule"}]}}""", """{"tolerations":[{"key":"gpu","value":"no","effect":"NoSchedule"}]}""", "0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}." },
        { """{"spec":{"taints":[{"key":"gpu","value":"yes","effect":"NoExecute"}]}}""", """{"tolerations":[{"operator":"Exists"}]}""", "n" },
        { A, """{"nodeSelector":{"disk":"ssd"}}""", "n" },
        { B, """{"nodeSelector":{"disk":"ssd"}}""", "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector." },
        { A, Required("""{"matchExpressions":[{"key":"size","operator":"Gt","values":["7"]},{"key":"zone","operator":"In","values":["a","c"]}]}"""), "n" },
        { A, Required("""{"matchExpressions":[{"key":"size","operator":"Gt","values":["8"]}]}"""), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector." },
        { B, Required("""{"matchExpressions":[{"key":"disk","operator":"DoesNotExist"}]}"""), "n" },
        { A, Required("""{"matchExpressions":[{"key":"zone","operator":"NotIn","values":["a"]}]}"""), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector." },
        { A, Required("""{"matchExpressions":[{"key":"zone","operator":"In","values":["z"]}]},{"matchFields":[{"key":"metadata.name","operator":"In","values":["n"]}]}"""), "n" },
        { A, Required("{}"), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector." },
        { "{}", Requests("""{"cpu":"2"}"""), "n" },
        { "{}", Requests("""{"cpu":"2001m"}"""), "0/1 nodes are available: 1 Insufficient cpu." },
        { "{}", Requests("""{"cpu":"3","memory":"5Gi"}"""), "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory." },
        { "{}", Requests("""{"ephemeral-storage":"11Gi"}"""), "0/1 nodes are available: 1 Insufficient ephemeral-storage." },
        { "{}", Requests("""{"example.com/gpu":"1"}"""), "0/1 nodes are available: 1 Insufficient example.com/gpu." },
        { """{"status":{"allocatable":{"example.com/gpu":"1"}}}""", Requests("""{"example.com/gpu":"1"}"""), "n" },
        { """{"status":{"allocatable":{"pods":"0"}}}""", "{}", "0/1 nodes are available: 1 Too many pods." },
        // a limit without a request is the request; overhead and init containers count
        { "{}", """{"containers":[{"resources":{"limits":{"cpu":"3"}}}]}""", "0/1 nodes are available: 1 Insufficient cpu." },
        { "{}", """{"overhead":{"cpu":"1"},"containers":[{"resources":{"requests":{"cpu":"1500m"}}}]}""", "0/1 nodes are available: 1 Insufficient cpu." },
        { "{}", """{"initContainers":[{"resources":{"requests":{"cpu":"3"}}}],"containers":[{"resources":{"requests":{"cpu":"1"}}}]}""", "0/1 nodes are available: 1 Insufficient cpu." },
        { "{}", """{"initContainers":[{"resources":{"requests":{"cpu":"2"}}}],"containers":[{"resources":{"requests":{"cpu":"1"}}}]}""", "n" },
        { "{}", """{"initContainers":[{"restartPolicy":"Always","resources":{"requests":{"cpu":"1"}}}],"containers":[{"resources":{"requests":{"cpu":"1500m"}}}]}""", "0/1 nodes are available: 1 Insufficient cpu." },
        { "{}", """{"initContainers":[{"restartPolicy":"Always","resources":{"requests":{"cpu":"1"}}},{"resources":{"requests":{"cpu":"1500m"}}}],"containers":[{}]}""", "0/1 nodes are available: 1 Insufficient cpu." },
        { "{}", """{"nodeName":"other"}""", "0/1 nodes are available: 1 node(s) didn't match the requested node name." },
    };

    private static string Required(string terms) => $$$$$$$"""{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{{{{{{{terms}}}}}}}]}}}}""";

    private static string Requests(string requests) => $$$$$$$"""{"containers":[{"resources":{"requests":{{{{{{{requests}}}}}}}}}]}""";

    [Theory, MemberData(nameof(Nodes))]
    public void A_node_takes_a_pod_or_says_why_not(string node, string spec, string expected) => Assert.Equal(expected, Of(("n", node)).Decide(Pod("p", spec)));

    [Fact]
    public void Reasons_are_counted_over_the_nodes_as_kube_scheduler_words_them()
    {
        var cluster = Of(("a", """{"spec":{"taints":[{"key":"node-role.kubernetes.io/control-plane","effect":"NoSchedule"}]}}"""), ("b", "{}"), ("c", "{}")).With("b", Cpu("one", "1500m")).With("c", Cpu("two", "2"));
        Assert.Equal("0/3 nodes are available: 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 2 Insufficient cpu.", cluster.Decide(Cpu("p", "1")));
        Assert.Equal("no nodes available to schedule pods", new Cluster().Decide(Pod("p")));
    }

    [Theory]
    [InlineData("""{"containerPort":80,"hostPort":8080}""", "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.")]
    [InlineData("""{"containerPort":80,"hostPort":8081}""", "n")]
    [InlineData("""{"containerPort":80,"hostPort":8080,"protocol":"UDP"}""", "n")]
    [InlineData("""{"containerPort":80,"hostPort":9090,"hostIP":"10.0.0.2"}""", "n")]
    [InlineData("""{"containerPort":80,"hostPort":9090}""", "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.")]
    public void A_host_port_is_had_by_one_pod(string port, string expected)
    {
        static PodInfo With(string name, string ports) => Pod(name, $$$$$$$"""{"containers":[{"ports":[{{{{{{{ports}}}}}}}]}]}""");
        Assert.Equal(expected, Of(("n", "{}")).With("n", With("there", """{"hostPort":8080},{"hostPort":9090,"hostIP":"10.0.0.1"}""")).Decide(With("p", port)));
    }

    private static PodInfo Spreading(string name, string more = "") => Pod(name, $$$$$$$"""{"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"x"}}{{{{{{{more}}}}}}}}]}""", """{"app":"x"}""");

    [Fact]
    public void Domains_differ_by_no_more_than_the_skew()
    {
        var cluster = Of(("a1", A), ("a2", A), ("b1", B)).With("a1", Spreading("one"));
        Assert.Equal("b1", cluster.Decide(Spreading("p")));
        cluster.SetNode(NodeReader.Read(Clusters.Node("b1", """{"metadata":{"labels":{"zone":"b"}},"spec":{"unschedulable":true}}""")));
        Assert.Equal("0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match pod topology spread constraints.", cluster.Decide(Spreading("p")));
        cluster.RemoveNode("b1");
        Assert.StartsWith("a", cluster.Decide(Spreading("p")), StringComparison.Ordinal);
        cluster.SetNode(NodeReader.Read(Clusters.Node("c1")));
        cluster.RemoveNode("a1");
        cluster.RemoveNode("a2");
        Assert.Equal("0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label).", cluster.Decide(Spreading("p")));
    }

    [Fact]
    public void Fewer_domains_than_asked_for_count_as_empty_ones()
    {
        var cluster = Of(("a1", A), ("b1", B)).With("a1", Spreading("one")).With("b1", Spreading("two"));
        Assert.Equal("0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints.", cluster.Decide(Spreading("p", ""","minDomains":3""")));
        Assert.NotEqual('0', cluster.Decide(Spreading("p", ""","minDomains":2"""))[0]);
    }

    [Fact]
    public void Domains_that_the_pod_may_not_use_do_not_count_unless_told_so()
    {
        var cluster = Of(("a1", A), ("b1", B)).With("a1", Spreading("one"));
        string Selecting(string policy) => cluster.Decide(Pod("p", $$$$$$$"""{"nodeSelector":{"zone":"a"},"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"x"}}{{{{{{{policy}}}}}}}}]}""", """{"app":"x"}"""));
        Assert.Equal("a1", Selecting(""));
        Assert.Equal("0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) didn't match pod topology spread constraints.", Selecting(""","nodeAffinityPolicy":"Ignore" """));
    }

    [Fact]
    public void A_pod_that_is_being_deleted_no_longer_counts_for_the_spread()
    {
        var cluster = Of(("a1", A), ("b1", B)).With("a1", Pod("gone", """{"containers":[]}""", """{"app":"x"}""", """{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}}""")).With("b1", Spreading("there"));
        Assert.Equal("a1", cluster.Decide(Spreading("p")));
    }

    private static string Term(string kind, string app, string more = "") => $$$$$$$"""{"affinity":{"{{{{{{{kind}}}}}}}":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"zone","labelSelector":{"matchLabels":{"app":"{{{{{{{app}}}}}}}"}}{{{{{{{more}}}}}}}}]}}}""";

    [Fact]
    public void Affinity_draws_to_the_topology_of_the_pods_it_selects()
    {
        var cluster = Of(("a1", A), ("b1", B), ("b2", B)).With("b1", Pod("db", labels: """{"app":"db"}"""));
        Assert.StartsWith("b", cluster.Decide(Pod("p", Term("podAffinity", "db"))), StringComparison.Ordinal);
        Assert.Equal("0/3 nodes are available: 3 node(s) didn't match pod affinity rules.", cluster.Decide(Pod("p", Term("podAffinity", "none"))));
        Assert.Equal("0/3 nodes are available: 3 node(s) didn't match pod affinity rules.", cluster.Decide(Pod("p", Term("podAffinity", "db", ""","namespaces":["other"]"""))));
        cluster.SetNamespace("default", new() { ["team"] = "shop" });
        Assert.StartsWith("b", cluster.Decide(Pod("p", Term("podAffinity", "db", ""","namespaceSelector":{"matchLabels":{"team":"shop"}}"""))), StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_of_pods_that_seek_each_other_may_be_anywhere() =>
        Assert.NotEqual('0', Of(("a1", A), ("b1", B)).Decide(Pod("p", Term("podAffinity", "self"), """{"app":"self"}"""))[0]);

    [Fact]
    public void Anti_affinity_holds_both_ways()
    {
        var cluster = Of(("a1", A), ("b1", B)).With("a1", Pod("db", labels: """{"app":"db"}"""));
        Assert.Equal("b1", cluster.Decide(Pod("p", Term("podAntiAffinity", "db"))));
        cluster.With("b1", Pod("hermit", Term("podAntiAffinity", "web")));
        Assert.Equal("0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) didn't satisfy existing pods anti-affinity rules.", cluster.Decide(Pod("p", Term("podAntiAffinity", "db"), """{"app":"web"}""")));
        cluster.RemovePod("hermit");
        Assert.Equal("b1", cluster.Decide(Pod("p", Term("podAntiAffinity", "db"), """{"app":"web"}""")));
    }

    [Fact]
    public void A_bound_volume_is_reached_from_its_nodes_only()
    {
        var terms = PodReader.Terms(Documents.Json("""{"t":[{"matchExpressions":[{"key":"zone","operator":"In","values":["b"]}]}]}""")["t"]!.AsArray());
        var pod = PodReader.Read(Document("p", "{}")).With([terms]);
        Assert.Equal("b1", Of(("a1", A), ("b1", B)).Decide(pod));
        Assert.Equal("0/1 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity.", Of(("a1", A)).Decide(pod));
    }
}
