using Eyrie.ControlPlane.Store;

namespace Eyrie.ControlPlane.Host;

/// <summary>Keeps five to ten minutes of history, as kube-apiserver does: every <see cref="Interval"/> it forgets what was before the last time it looked.</summary>
public sealed partial class Compactor(IStore store, TimeProvider clock, ILogger<Compactor> log) : BackgroundService
{
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var before = Revision.Zero;
        using var timer = new PeriodicTimer(Interval, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                if (before != Revision.Zero) await store.CompactAsync(before, stoppingToken);
                before = (await store.RangeAsync(new RangeQuery("/", "0", 1), stoppingToken)).At;
            }
            catch (StoreUnavailableException exception)
            {
                Late(exception.Message); // the next round forgets the more
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "history was not compacted: {Cause}")]
    private partial void Late(string cause);
}
