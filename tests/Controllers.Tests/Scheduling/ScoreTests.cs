using Eyrie.ControlPlane.Scheduler;
using Xunit;
using static Eyrie.Controllers.Tests.Scheduling.Clusters;

namespace Eyrie.Controllers.Tests.Scheduling;

/// <summary>Of two nodes that fit, the better one.</summary>
public sealed class ScoreTests
{
    private const string Owned = """{"metadata":{"ownerReferences":[{"controller":true,"uid":"set"}]}}""";

    [Fact]
    public void The_node_with_more_left_is_taken() => Assert.Equal("b", Of(("a", "{}"), ("b", "{}")).With("a", Cpu("one", "1")).Decide(Cpu("p", "100m")));

    [Fact]
    public void A_pod_that_asks_for_nothing_counts_for_the_score() => Assert.Equal("b", Of(("a", "{}"), ("b", "{}")).With("a", Pod("one", """{"containers":[{}]}""")).Decide(Pod("p", """{"containers":[{}]}""")));

    [Fact]
    public void Cpu_and_memory_are_used_evenly()
    {
        // As much is free in the mean on both; a pod of CPU goes where memory is what has gone.
        var cluster = Of(("a", """{"status":{"allocatable":{"cpu":"4","memory":"4Gi"}}}"""), ("b", """{"status":{"allocatable":{"cpu":"4","memory":"4Gi"}}}"""));
        cluster.With("a", Pod("one", """{"containers":[{"resources":{"requests":{"cpu":"2","memory":"1Gi"}}}]}""")).With("b", Pod("two", """{"containers":[{"resources":{"requests":{"cpu":"1","memory":"2Gi"}}}]}"""));
        Assert.Equal("b", cluster.Decide(Pod("p", """{"containers":[{"resources":{"requests":{"cpu":"1","memory":"1Mi"}}}]}""")));
    }

    [Fact]
    public void Siblings_are_spread_even_onto_a_fuller_node()
    {
        var cluster = Of(("a", "{}"), ("b", "{}")).With("a", Pod("one", more: Owned)).With("b", Cpu("other", "500m"));
        Assert.Equal("b", cluster.Decide(Pod("p", more: Owned)));
        Assert.Equal("a", cluster.Decide(Pod("p")));
    }

    [Fact]
    public void A_soft_spread_constraint_prefers_the_emptier_domain()
    {
        const string Spec = """{"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"ScheduleAnyway","labelSelector":{"matchLabels":{"app":"x"}}}]}""";
        var cluster = Of(("a", """{"metadata":{"labels":{"zone":"a"}}}"""), ("b", """{"metadata":{"labels":{"zone":"b"}}}"""), ("c", "{}")).With("a", Pod("one", Spec, """{"app":"x"}"""));
        Assert.Equal("b", cluster.Decide(Pod("p", Spec, """{"app":"x"}""")));
    }

    [Fact]
    public void Preferred_nodes_weigh_by_their_weights()
    {
        const string Spec = """{"affinity":{"nodeAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":10,"preference":{"matchExpressions":[{"key":"disk","operator":"In","values":["ssd"]}]}},{"weight":20,"preference":{"matchExpressions":[{"key":"disk","operator":"In","values":["nvme"]}]}}]}}}""";
        Assert.Equal("b", Of(("a", """{"metadata":{"labels":{"disk":"ssd"}}}"""), ("b", """{"metadata":{"labels":{"disk":"nvme"}}}"""), ("c", "{}")).Decide(Pod("p", Spec)));
    }

    [Fact]
    public void A_preferred_taint_is_avoided() => Assert.Equal("b", Of(("a", """{"spec":{"taints":[{"key":"old","effect":"PreferNoSchedule"}]}}"""), ("b", "{}")).With("b", Cpu("one", "200m")).Decide(Cpu("p", "100m")));

    [Theory]
    [InlineData("podAffinity", "a")]
    [InlineData("podAntiAffinity", "b")]
    public void Preferred_pods_draw_and_repel_also_as_held_by_those_already_there(string kind, string expected)
    {
        var spec = $$$$$$$"""{"affinity":{"{{{{{{{kind}}}}}}}":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":50,"podAffinityTerm":{"topologyKey":"kubernetes.io/hostname","labelSelector":{"matchLabels":{"app":"db"}}}}]}}}""";
        Assert.Equal(expected, Of(("a", "{}"), ("b", "{}")).With("a", Pod("db", labels: """{"app":"db"}""")).Decide(Pod("p", spec)));
        Assert.Equal(expected, Of(("a", "{}"), ("b", "{}")).With("a", Pod("web", spec)).Decide(Pod("p", labels: """{"app":"db"}""")));
    }

    [Fact]
    public void A_large_image_that_is_there_already_is_not_pulled_again()
    {
        var cluster = Of(("a", """{"status":{"images":[{"names":["shop:1"],"sizeBytes":900000000}]}}"""), ("b", "{}"));
        Assert.Equal("a", cluster.Decide(Pod("p", """{"containers":[{"image":"shop:1"}]}""")));
    }

    [Fact]
    public void A_pod_that_calls_a_gate_goes_where_it_is_served_and_one_that_serves_it_where_it_is_called()
    {
        var server = Pod("server", """{"containers":[{"permissions":{"publish":[{"gate":"keyvault"}]}}]}""");
        var caller = Pod("caller", """{"containers":[{"permissions":{"gates":[{"service":"keyvault"}]}}]}""");
        Cluster Empty() => Of(("a", "{}"), ("b", "{}")).With("a", Cpu("other", "1"));
        Assert.Equal("b", Empty().Decide(caller));
        Assert.Equal("a", Empty().With("a", server).Decide(caller));
        Assert.Equal("a", Empty().With("a", caller).Decide(server));
        Assert.Equal("b", Empty().With("a", Pod("elsewhere", """{"containers":[{"permissions":{"publish":[{"gate":"prices"}]}}]}""")).Decide(caller));
    }

    [Fact]
    public void The_same_cluster_and_seed_give_the_same_nodes_and_other_seeds_give_others()
    {
        var nodes = Enumerable.Range(0, 40).Select(index => ($"n{index:00}", "{}")).ToArray();
        string Run(int seed)
        {
            var cluster = Of(nodes);
            return string.Join(' ', Enumerable.Range(0, 60).Select(index =>
            {
                var node = cluster.Decide(Cpu($"p{index}", "100m"), seed);
                cluster.With(node, Cpu($"p{index}", "100m"));
                return node;
            }));
        }
        Assert.Equal(Run(1), Run(1));
        Assert.NotEqual(Run(1), Run(2));
    }

    [Fact]
    public void In_a_large_cluster_a_part_of_the_nodes_is_compared_and_each_gets_its_turn()
    {
        var options = new PlacementOptions();
        Assert.Equal([50, 100, 420, 500, 281], new[] { 50, 110, 1_000, 5_000, 5_625 }.Select(options.Enough));
        var cluster = Of([.. Enumerable.Range(0, 300).Select(index => ($"n{index:000}", "{}"))]);
        Assert.Equal(new PlacementOptions().Enough(300), ((Bind)Placement.Decide(Pod("p"), cluster, options, 0)).Next);
    }
}
