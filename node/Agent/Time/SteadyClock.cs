namespace Eyrie.Node;

/// <summary>A time of day that never jumps: what it was in the beginning, and what the monotonic clock has counted since. For lifetimes, not for people.</summary>
public sealed class SteadyClock(TimeProvider time) : TimeProvider
{
    private readonly DateTimeOffset _begun = time.GetUtcNow();
    private readonly long _at = time.GetTimestamp();

    public override DateTimeOffset GetUtcNow() => _begun + time.GetElapsedTime(_at);
    public override long GetTimestamp() => time.GetTimestamp();
    public override long TimestampFrequency => time.TimestampFrequency;
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => time.CreateTimer(callback, state, dueTime, period);
}
