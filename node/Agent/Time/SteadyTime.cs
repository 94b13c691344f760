namespace Eyrie.Node;

/// <summary>
/// A moment on the host's monotonic clock (clock_gettime(2), CLOCK_MONOTONIC). The time of day may be set, this never jumps, and all processes of one start of the host read the same: what is
/// waited for is measured by it, also by an agent that comes after. For people there is the time of day.
/// </summary>
/// <param name="SinceStart">Of the host.</param>
public readonly record struct SteadyTime(TimeSpan SinceStart) : IComparable<SteadyTime>
{
    public static SteadyTime Now(TimeProvider time) => new(time.GetElapsedTime(0));

    public int CompareTo(SteadyTime other) => SinceStart.CompareTo(other.SinceStart);

    public static SteadyTime operator +(SteadyTime time, TimeSpan span) => new(time.SinceStart + span);
    public static SteadyTime operator -(SteadyTime time, TimeSpan span) => new(time.SinceStart - span);
    public static TimeSpan operator -(SteadyTime later, SteadyTime earlier) => later.SinceStart - earlier.SinceStart;
    public static bool operator <(SteadyTime left, SteadyTime right) => left.SinceStart < right.SinceStart;
    public static bool operator >(SteadyTime left, SteadyTime right) => left.SinceStart > right.SinceStart;
    public static bool operator <=(SteadyTime left, SteadyTime right) => left.SinceStart <= right.SinceStart;
    public static bool operator >=(SteadyTime left, SteadyTime right) => left.SinceStart >= right.SinceStart;

    /// <summary>Names this start of the host: moments of another mean nothing (proc(5), random/boot_id).</summary>
    public static string Boot { get; } = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
}
