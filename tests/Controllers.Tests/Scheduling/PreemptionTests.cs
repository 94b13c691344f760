using Eyrie.ControlPlane.Scheduler;
using Xunit;
using static Eyrie.Controllers.Tests.Scheduling.Clusters;

namespace Eyrie.Controllers.Tests.Scheduling;

public sealed class PreemptionTests
{
    private static PreemptionDecision Preempting(Cluster cluster, PodInfo pod, params DisruptionBudget[] budgets) =>
        Preemption.Decide(pod, cluster, Assert.IsType<Unschedulable>(Placement.Decide(pod, cluster, new PlacementOptions(), 0)), budgets, 0);

    private static string Words(PreemptionDecision decision) => decision switch { Preempt preempt => $"{preempt.Node}: {string.Join(' ', preempt.Victims.Select(victim => victim.Name).Order())}", NoPreemption no => no.Message, _ => "" };

    private static DisruptionBudget Budget(string app, int allowed) => new("default", new Selector([Requirement.Equal("app", app)]), allowed);

    [Fact]
    public void No_more_pods_go_than_the_room_needs_and_the_least_important_ones()
    {
        var cluster = Of(("n", "{}")).With("n", Cpu("low", "1", 1), Cpu("lower", "500m", 0), Cpu("high", "500m", 50));
        Assert.Equal("n: lower", Words(Preempting(cluster, Cpu("p", "500m", 100))));
        Assert.Equal("n: low", Words(Preempting(cluster, Cpu("p", "1", 100))));
        Assert.Equal("n: low lower", Words(Preempting(cluster, Cpu("p", "1500m", 100))));
        Assert.Equal(3, cluster.Node("n")!.Pods.Count);
    }

    [Fact]
    public void The_node_where_the_least_important_pods_go_is_chosen()
    {
        var cluster = Of(("a", "{}"), ("b", "{}"), ("c", "{}")).With("a", Cpu("a1", "2", 10)).With("b", Cpu("b1", "1", 5), Cpu("b2", "1", 5)).With("c", Cpu("c1", "2", 5));
        Assert.Equal("c: c1", Words(Preempting(cluster, Cpu("p", "2", 100))));
    }

    [Fact]
    public void A_disruption_budget_is_broken_only_where_nothing_else_helps()
    {
        var cluster = Of(("a", "{}"), ("b", "{}")).With("a", Cpu("kept", "2", 1, """{"app":"db"}""")).With("b", Cpu("other", "2", 50));
        Assert.Equal("b: other", Words(Preempting(cluster, Cpu("p", "2", 100), Budget("db", 0))));
        Assert.Equal("a: kept", Words(Preempting(cluster, Cpu("p", "2", 100), Budget("db", 1))));
        cluster.RemoveNode("b");
        Assert.Equal("a: kept", Words(Preempting(cluster, Cpu("p", "2", 100), Budget("db", 0))));
    }

    [Fact]
    public void On_one_node_pods_under_a_budget_stay_rather_than_others()
    {
        var cluster = Of(("n", "{}")).With("n", Cpu("kept", "1", 1, """{"app":"db"}"""), Cpu("goes", "1", 10));
        Assert.Equal("n: goes", Words(Preempting(cluster, Cpu("p", "1", 100), Budget("db", 0))));
    }

    [Fact]
    public void Nothing_goes_where_it_would_not_help_and_the_message_says_so()
    {
        var cluster = Of(("a", """{"spec":{"unschedulable":true}}"""), ("b", "{}")).With("a", Cpu("one", "2")).With("b", Cpu("two", "2", 100));
        Assert.Equal("0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.", Words(Preempting(cluster, Cpu("p", "1", 100))));
        Assert.Equal("0/2 nodes are available: 2 Preemption is not helpful for scheduling.", Words(Preempting(cluster, Cpu("p", "9", 200))));
        Assert.Equal("not eligible due to preemptionPolicy=Never.", Words(Preempting(cluster, Pod("p", """{"priority":200,"preemptionPolicy":"Never","containers":[{"resources":{"requests":{"cpu":"1"}}}]}"""))));
    }

    [Fact]
    public void Anti_affinity_is_met_by_removing_whom_it_is_against_and_the_cluster_is_as_before()
    {
        const string Away = """{"priority":100,"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"kubernetes.io/hostname","labelSelector":{"matchLabels":{"app":"db"}}}]}}}""";
        var cluster = Of(("n", "{}")).With("n", Cpu("db", "1", 0, """{"app":"db"}"""), Cpu("other", "500m", 0));
        Assert.Equal("n: db", Words(Preempting(cluster, Pod("p", Away))));
        Assert.Equal("n: db", Words(Preempting(cluster, Pod("p", Away))));
    }

    [Fact]
    public void Room_that_is_being_made_is_not_given_to_pods_that_matter_less()
    {
        var cluster = Of(("n", "{}"));
        var important = Cpu("important", "2", 100);
        cluster.Nominate(important, "n");
        Assert.Equal("0/1 nodes are available: 1 Insufficient cpu.", cluster.Decide(Cpu("p", "1", 0)));
        Assert.Equal("n", cluster.Decide(Cpu("p", "1", 200)));
        Assert.Equal("n", cluster.Decide(important.NominatedTo("n")));
        cluster.Nominate(important, "");
        Assert.Equal("n", cluster.Decide(Cpu("p", "1", 0)));
    }
}
