using System.Globalization;

namespace Eyrie.Node;

/// <summary>How Kubernetes writes things in messages.</summary>
public static class Wording
{
    /// <summary>As Go writes a duration: 10s, 1m20s, 5m0s.</summary>
    public static string Duration(TimeSpan time) => time.TotalSeconds < 60
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.###}s") : string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes}m{time.Seconds}s");
}
