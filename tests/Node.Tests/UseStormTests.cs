using Eyrie.Microkernel.Client;
using Xunit;

namespace Eyrie.Node.Tests;

public sealed class UseStormTests
{
    private static CapabilityDenied Denial(string container, int port, int count = 1) => new(container, "connect", $"10.0.0.1:{port}", $"connect tcp cidr 10.0.0.1/32 {port}", count);

    [Fact]
    public void The_first_of_a_kind_is_told_at_once_and_what_repeats_once_a_window_with_its_number()
    {
        var storm = new UseStorm();
        Assert.NotNull(storm.Add(Denial("a", 80)));
        for (int i = 0; i < 1000; i++) Assert.Null(storm.Add(Denial("a", 80, 2)));
        Assert.Equal([Denial("a", 80, 2000)], storm.Window().Repeated);
        Assert.Null(storm.Add(Denial("a", 80))); // it goes on
        Assert.Equal([Denial("a", 80, 1)], storm.Window().Repeated);
        Assert.Empty(storm.Window().Repeated); // it is over
        Assert.NotNull(storm.Add(Denial("a", 80)));
    }

    [Fact]
    public void A_container_that_tries_everything_hides_no_other_and_is_a_number()
    {
        var storm = new UseStorm(kinds: 20);
        var told = Enumerable.Range(1, 65535).Count(port => storm.Add(Denial("scanner", port)) is not null);
        Assert.NotNull(storm.Add(Denial("other", 80)));
        var (repeated, beyond) = storm.Window();
        Assert.Equal((20, 65515), (told, beyond["scanner"]));
        Assert.Empty(repeated);
    }
}
