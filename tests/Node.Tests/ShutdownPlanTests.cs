using CsCheck;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class ShutdownPlanTests
{
    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    [Fact]
    public void Ordinary_pods_end_first_and_critical_ones_have_a_share_of_their_own()
    {
        var groups = ShutdownPlan.Decide<(string Name, int Priority)>([("a", 0), ("node", 2_000_001_000), ("b", 1_000_000_000), ("cluster", 2_000_000_000)], pod => pod.Priority, Seconds(30), Seconds(10));
        Assert.Equal([("a b", Seconds(20)), ("node cluster", Seconds(10))], groups.Select(group => (string.Join(' ', group.Pods.Select(pod => pod.Name)), group.Longest)));
    }

    [Fact]
    public void A_group_without_pods_takes_no_time() => Assert.Equal([Seconds(10)], ShutdownPlan.Decide([2_000_000_000], priority => priority, Seconds(30), Seconds(10)).Select(group => group.Longest));

    [Fact]
    public void A_pod_has_its_own_grace_and_never_more_than_there_is() => Gen.Select(Gen.Double[0, 7200], Gen.Double[0, 3600]).Sample((own, longest) =>
    {
        var (grace, drain) = ShutdownPlan.Split(Seconds(own), Seconds(longest));
        return grace <= Seconds(own) && grace + drain <= Seconds(longest) && drain <= Seconds(5) && (grace == Seconds(own) || grace + drain == Seconds(longest));
    });
}
