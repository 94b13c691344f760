namespace Eyrie.Node;

/// <summary>How long something that failed is left alone.</summary>
public static class BackOff
{
    private static readonly TimeSpan FirstRestart = TimeSpan.FromSeconds(10), FirstRetry = TimeSpan.FromSeconds(1), Longest = TimeSpan.FromMinutes(5);

    /// <summary>A container that ran this long starts from the beginning again.</summary>
    public static readonly TimeSpan Forgiven = TimeSpan.FromMinutes(10);

    /// <summary>Of a container that ended so often in a row: the first time it is run again at once, then after 10 s, 20 s and so on to 5 minutes.</summary>
    public static TimeSpan AfterEnds(int ends) => ends <= 1 ? TimeSpan.Zero : Doubled(FirstRestart, ends - 2);

    /// <summary>Of a start that failed so often in a row (image, configuration): 1 s, 2 s and so on to 5 minutes.</summary>
    public static TimeSpan AfterFailures(int failures) => Doubled(FirstRetry, Math.Max(0, failures - 1));

    private static TimeSpan Doubled(TimeSpan first, int times) => times > 16 ? Longest : TimeSpan.FromTicks(Math.Min(Longest.Ticks, first.Ticks << times));
}
