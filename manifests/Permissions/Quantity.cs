using System.Globalization;

namespace Eyrie.Manifests.Permissions;

/// <summary>Kubernetes quantities: a decimal number with a suffix (m, k, M, G, T, Ki, Mi, Gi, Ti).</summary>
public static class Quantity
{
    /// <summary>The quantity times <paramref name="scale"/> (1000 gives thousandths), rounded up; false when it is none or is negative.</summary>
    public static bool TryParse(string text, int scale, out long value)
    {
        value = 0;
        int end = text.Length;
        while (end > 0 && !char.IsAsciiDigit(text[end - 1]) && text[end - 1] != '.') end--;
        decimal factor = text[end..] switch
        {
            "" => 1m, "m" => 0.001m, "k" => 1e3m, "M" => 1e6m, "G" => 1e9m, "T" => 1e12m, "Ki" => 1024m, "Mi" => 1048576m, "Gi" => 1073741824m, "Ti" => 1099511627776m, _ => 0m,
        };
        if (factor == 0 || !decimal.TryParse(text[..end], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
        if (number > 1_000_000_000_000_000m / factor / scale) return false;
        value = (long)Math.Ceiling(number * factor * scale);
        return true;
    }
}
