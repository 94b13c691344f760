using System.Globalization;

namespace Eyrie.ControlPlane.Controllers.Workloads;

/// <summary>A duration as Go writes one (time.ParseDuration): numbers with units, <c>1h30m</c>, <c>1.5h</c>, <c>90s</c>. Pure.</summary>
public static class GoDuration
{
    private static readonly (string Name, double Seconds)[] Units = [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600)];

    /// <returns>null: it is none, or is longer than 290 years.</returns>
    public static TimeSpan? Parse(string text)
    {
        const double Longest = 290 * 366 * 86400.0; // of Go's 64 bits of nanoseconds
        bool negative = text.StartsWith('-');
        var rest = text.AsSpan(negative || text.StartsWith('+') ? 1 : 0);
        if (rest is "0") return TimeSpan.Zero;
        if (rest.Length == 0) return null;
        double seconds = 0;
        while (rest.Length > 0)
        {
            int digits = rest.IndexOfAnyExcept("0123456789.");
            if (digits <= 0 || !double.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return null;
            rest = rest[digits..];
            int letters = rest.IndexOfAny("0123456789.") is >= 0 and var next ? next : rest.Length;
            var name = rest[..letters].ToString();
            if (Units.FirstOrDefault(unit => unit.Name == name) is not { Name: not null } found) return null;
            seconds += number * found.Seconds;
            rest = rest[letters..];
        }
        return seconds > Longest ? null : TimeSpan.FromSeconds(negative ? -seconds : seconds);
    }
}
