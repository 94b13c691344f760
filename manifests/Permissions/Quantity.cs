using System.Globalization;

namespace Eyrie.Manifests.Permissions;

/// <summary>Kubernetes quantities (apimachinery, pkg/api/resource): a decimal number with a suffix (n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei) or a decimal exponent (1e3).</summary>
public static class Quantity
{
    /// <summary>The quantity times <paramref name="scale"/> (1000 gives thousandths), rounded up; false when it is none or is negative.</summary>
    public static bool TryParse(string text, int scale, out long value)
    {
        value = 0;
        int end = 0;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] == '.')) end++;
        if (Factor(text[end..]) is not { } factor || !decimal.TryParse(text[..end], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
        if (number > long.MaxValue / factor / scale) return false;
        value = (long)Math.Ceiling(number * factor * scale);
        return true;
    }

    private static decimal? Factor(string suffix)
    {
        const decimal Ki = 1024m;
        return suffix switch
        {
            "" => 1m, "n" => 1e-9m, "u" => 1e-6m, "m" => 1e-3m, "k" => 1e3m, "M" => 1e6m, "G" => 1e9m, "T" => 1e12m, "P" => 1e15m, "E" => 1e18m,
            "Ki" => Ki, "Mi" => Ki * Ki, "Gi" => Ki * Ki * Ki, "Ti" => Ki * Ki * Ki * Ki, "Pi" => Ki * Ki * Ki * Ki * Ki, "Ei" => Ki * Ki * Ki * Ki * Ki * Ki,
            ['e' or 'E', .. var digits] when int.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int exponent) && exponent is >= -9 and <= 18 => (decimal)Math.Pow(10, exponent),
            _ => null,
        };
    }
}
