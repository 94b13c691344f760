namespace Eyrie.ControlPlane.Store;

/// <summary>Timers of a store, which is closed while others still use it.</summary>
internal static class TimerStart
{
    /// <summary>Once, after a while; of one that is disposed of already nobody waits for anything.</summary>
    public static void Once(this Timer timer, TimeSpan after)
    {
        try
        {
            timer.Change(after, Timeout.InfiniteTimeSpan);
        }
        catch (ObjectDisposedException)
        {
            // The store was closed meanwhile.
        }
    }
}
