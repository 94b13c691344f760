namespace Eyrie.Node;

/// <summary>A pod that nobody resolves to any more waits until the connections that are there have ended, for a while.</summary>
public static class PodDrain
{
    private const int LooksInRow = 3;
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5), Look = TimeSpan.FromMilliseconds(50);

    /// <param name="address">The pod's.</param>
    /// <param name="grace">The pod's: no longer than that.</param>
    /// <param name="time">The host's clocks.</param>
    public static async Task WaitAsync(string address, TimeSpan grace, TimeProvider time)
    {
        var end = SteadyTime.Now(time) + (grace < Longest ? grace : Longest);
        for (int idle = 0; idle < LooksInRow && SteadyTime.Now(time) < end;)
        {
            idle = Connections.Count(address) == 0 ? idle + 1 : 0;
            await Task.Delay(Look, time);
        }
    }
}
