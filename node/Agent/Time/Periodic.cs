namespace Eyrie.Node;

/// <summary>What an agent does again and again as long as it runs. A turn that fails is told of, and is not the last.</summary>
public static class Periodic
{
    /// <param name="what">Named when a turn fails.</param>
    /// <param name="period">From the beginning of a turn to the next; one that takes longer is followed by another at once.</param>
    /// <param name="turn">What is done.</param>
    /// <param name="time">Measures the period.</param>
    /// <param name="cancellationToken">The agent ends.</param>
    /// <param name="atOnce">The first turn is now, and not after a period.</param>
    public static async Task RunAsync(string what, TimeSpan period, Func<Task> turn, TimeProvider time, CancellationToken cancellationToken, bool atOnce = false)
    {
        using var timer = new PeriodicTimer(period, time);
        try
        {
            for (bool now = atOnce; now || await timer.WaitForNextTickAsync(cancellationToken); now = false)
                try
                {
                    await turn();
                }
                catch (Exception exception) when (exception is not OperationCanceledException)
                {
                    Console.Error.WriteLine($"eyrie-node: {what}: {exception}");
                }
        }
        catch (OperationCanceledException)
        {
            // The agent ends.
        }
    }

    /// <summary>The same of what needs no waiting.</summary>
    public static Task RunAsync(string what, TimeSpan period, Action turn, TimeProvider time, CancellationToken cancellationToken, bool atOnce = false) => RunAsync(what, period, () =>
    {
        turn();
        return Task.CompletedTask;
    }, time, cancellationToken, atOnce);
}
