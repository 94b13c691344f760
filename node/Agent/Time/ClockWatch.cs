using System.Globalization;

namespace Eyrie.Node;

/// <summary>
/// Notices when the time of day is set while the node runs. Nothing that the node waits for depends on it; certificates, times in objects and programs may. The condition goes when there was no
/// further jump for a while.
/// </summary>
/// <param name="time">The host's clocks.</param>
/// <param name="told">Told when the condition begins or is another (with its message) and when it ends (null).</param>
public sealed class ClockWatch(TimeProvider time, Action<string?> told)
{
    public const string Condition = "ClockJump";

    /// <summary>What a time service does in small steps is no jump.</summary>
    public static readonly TimeSpan Least = TimeSpan.FromSeconds(2);
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(1), Held = TimeSpan.FromMinutes(5);

    private (DateTimeOffset Wall, SteadyTime Steady) _last = (time.GetUtcNow(), SteadyTime.Now(time));
    private SteadyTime? _jumped;

    public Task RunAsync(CancellationToken cancellationToken) => Periodic.RunAsync("watching the clock", Period, Look, time, cancellationToken);

    /// <summary>Compares how far both clocks have gone since the last look.</summary>
    public void Look()
    {
        var (wall, steady) = (time.GetUtcNow(), SteadyTime.Now(time));
        var jump = wall - _last.Wall - (steady - _last.Steady);
        _last = (wall, steady);
        if (jump.Duration() >= Least)
        {
            _jumped = steady;
            told(string.Create(CultureInfo.InvariantCulture, $"the clock of the node jumped {(jump < TimeSpan.Zero ? "back" : "ahead")} by {Wording.Duration(jump.Duration())} to {wall.UtcDateTime:yyyy-MM-dd'T'HH:mm:ss'Z'}; probes, back-offs and grace periods do not follow it. Check the host's time service"));
        }
        else if (steady - _jumped >= Held)
        {
            _jumped = null;
            told(null);
        }
    }
}
