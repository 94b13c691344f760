using Eyrie.Node.Contract.V1;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class UsageWindowTests
{
    private static UsageSample At(double seconds, double cpuSeconds, long memory = 0) => new(TimeSpan.FromSeconds(seconds), TimeSpan.FromSeconds(cpuSeconds), memory);

    private static Usage Take(UsageWindow window, string key, UsageSample sample, double begun = 0) => window.Take(new Dictionary<string, UsageSample> { [key] = sample }, _ => TimeSpan.FromSeconds(begun))[key];

    [Fact]
    public void The_rate_is_over_the_time_since_the_last_sample_and_at_first_since_the_start()
    {
        var window = new UsageWindow();
        var first = Take(window, "a", At(104, 2, 4096), begun: 100);
        Assert.Equal((500_000_000L, 4096L, 4000L), (first.CpuNanocores, first.MemoryWorkingSetBytes, first.WindowMilliseconds));
        var second = Take(window, "a", At(114, 3, 8192));
        Assert.Equal((100_000_000L, 8192L, 10_000L), (second.CpuNanocores, second.MemoryWorkingSetBytes, second.WindowMilliseconds));
    }

    [Fact]
    public void What_went_and_came_again_is_measured_from_its_new_start()
    {
        var window = new UsageWindow();
        Take(window, "a", At(10, 9));
        Take(window, "b", At(20, 1));
        Assert.Equal(1_000_000_000, Take(window, "a", At(30, 1), begun: 29).CpuNanocores);
    }

    [Fact]
    public void A_counter_that_began_anew_never_gives_a_negative_rate() => Assert.Equal(200_000_000, UsageWindow.Between(At(0, 50), At(10, 2)).CpuNanocores);
}
