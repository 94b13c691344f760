using Eyrie.ControlPlane.Scheduler;
using Xunit;
using static Eyrie.Controllers.Tests.Scheduling.Clusters;

namespace Eyrie.Controllers.Tests.Scheduling;

public sealed class SchedulingQueueTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly SchedulingQueue _queue = new();

    private string? Take(double seconds) => _queue.Take(Start.AddSeconds(seconds))?.Name;

    private void Refuse(string name, WakeUp helped, double seconds) => _queue.Refuse(name, helped, Start.AddSeconds(seconds));

    [Fact]
    public void Important_pods_come_first_then_old_ones()
    {
        foreach (var (name, priority, created) in new[] { ("young", 0, "02"), ("old", 0, "01"), ("important", 9, "03") })
            _queue.Set(Pod(name, $$$$$$$"""{"priority":{{{{{{{priority}}}}}}}}""", more: $$$$$$$"""{"metadata":{"creationTimestamp":"2026-01-01T00:00:{{{{{{{created}}}}}}}Z"}}"""));
        Assert.Equal("important old young ", $"{Take(0)} {Take(0)} {Take(0)} {Take(0)}");
    }

    [Fact]
    public void A_refused_pod_waits_for_what_could_help_and_then_for_its_back_off()
    {
        _queue.Set(Pod("p"));
        Take(0);
        Refuse("p", WakeUp.PodGone | WakeUp.NodeAdded, 0);
        _queue.Wake(WakeUp.NodeTaints);
        Assert.Null(Take(5));
        _queue.Wake(WakeUp.PodGone);
        Assert.Equal("p", Take(5));
        Refuse("p", WakeUp.PodGone, 5);
        _queue.Wake(WakeUp.PodGone);
        Assert.Null(Take(6.9));
        Assert.Equal(Start.AddSeconds(7), _queue.NextDue);
        Assert.Equal("p", Take(7)); // the second back-off is two seconds
    }

    [Fact]
    public void The_back_off_ends_at_ten_seconds()
    {
        _queue.Set(Pod("p"));
        Take(0);
        for (int i = 0; i < 9; i++) Refuse("p", WakeUp.PodGone, i);
        _queue.Wake(WakeUp.PodGone);
        Assert.Null(Take(17.9));
        Assert.Equal("p", Take(18));
    }

    [Fact]
    public void Nothing_sleeps_longer_than_five_minutes()
    {
        _queue.Set(Pod("p"));
        Take(0);
        Refuse("p", WakeUp.None, 0);
        Assert.Null(Take(299));
        Assert.Equal("p", Take(300));
    }

    [Fact]
    public void A_gated_pod_is_not_looked_at_before_its_gates_are_gone()
    {
        _queue.Set(Pod("p", """{"schedulingGates":[{"name":"quota"}]}"""));
        _queue.Wake(WakeUp.All);
        Assert.Null(Take(1000));
        _queue.Set(Pod("p"));
        Assert.Equal("p", Take(1000));
    }

    [Fact]
    public void A_pod_that_is_gone_is_not_taken()
    {
        _queue.Set(Pod("p"));
        _queue.Remove("p");
        Assert.Null(Take(0));
        _queue.Set(Pod("p"));
        Take(0);
        Refuse("p", WakeUp.PodGone, 0);
        _queue.Set(Pod("p"), helps: false);
        Assert.Null(Take(10));
        _queue.Remove("p");
        _queue.Wake(WakeUp.All);
        Assert.Null(Take(1000));
    }
}
