using Xunit;

namespace Eyrie.Node.Tests;

public sealed class PeriodicTests
{
    [Fact]
    public async Task A_turn_that_fails_is_not_the_last()
    {
        using var stop = new CancellationTokenSource();
        int turns = 0;
        var running = Periodic.RunAsync("a test", TimeSpan.FromMilliseconds(1), () =>
        {
            if (++turns == 3) stop.Cancel();
            throw new IOException("no room");
        }, TimeProvider.System, stop.Token, atOnce: true);
        await running.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(3, turns);
    }
}
