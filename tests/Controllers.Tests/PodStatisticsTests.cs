using Eyrie.ControlPlane.Controllers;
using Eyrie.Node.Contract.V1;
using Xunit;

namespace Eyrie.Controllers.Tests;

public sealed class PodStatisticsTests
{
    private sealed class SetClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch.AddDays(1);
        public override DateTimeOffset GetUtcNow() => Now;
    }

    private readonly SetClock _clock = new();

    private static UsageReport Report(params string[] pods)
    {
        var report = new UsageReport { Node = new Usage { CpuNanocores = 7, MemoryWorkingSetBytes = 70 } };
        foreach (var pod in pods) report.Containers.Add(new ContainerUsage { Namespace = "default", Pod = pod, PodUid = "uid-" + pod, Container = "a", Usage = new Usage { CpuNanocores = 5, MemoryWorkingSetBytes = 50, WindowMilliseconds = 10_000 } });
        return report;
    }

    [Fact]
    public void The_newest_report_of_a_node_replaces_the_one_before()
    {
        var statistics = new PodStatistics(_clock);
        statistics.Take("one", Report("web", "db"));
        statistics.Take("two", Report("cache"));
        statistics.Take("one", Report("web"));
        Assert.Equal(["cache", "web"], statistics.Pods("default").Select(pod => pod.Name).Order());
        Assert.Null(statistics.Pod("default", "db"));
        Assert.Equal(new ResourceUsage(_clock.Now, TimeSpan.FromSeconds(10), 5, 50), statistics.Pod("default", "web")!.Containers["a"]);
        Assert.Equal(70, statistics.Node("one")!.MemoryWorkingSetBytes);
        Assert.Empty(statistics.Pods("other"));
    }

    [Fact]
    public void What_a_node_that_fell_silent_told_is_not_shown_for_ever()
    {
        var statistics = new PodStatistics(_clock);
        statistics.Take("one", Report("web"));
        _clock.Now += PodStatistics.Stale;
        Assert.Null(statistics.Pod("default", "web"));
        Assert.Empty(statistics.Nodes());
    }
}
